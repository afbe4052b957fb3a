"""What the reconciler of WorkerPools reads and writes: queues, Deployments and Pods, and metrics.

Views of Deployments and Pods have what is read of them, and nothing of what follows from it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from twin_operator.api.v1alpha1.resource import OwnerReference
from twin_operator.domain.scaling import Limit
from twin_operator.services.runs.run import JSON

Key = tuple[str, str]
"""Namespace and name of a WorkerPool."""


@dataclass(frozen=True)
class QueueReading:
    """One queue as Redis has it at one moment.

    Attributes:
        depth: messages that wait, over all priorities.
        unclaimed: messages that were delivered and are not claimed: about to run, or of a worker that is lost.
        workers: who holds a lease, once a running task.
        published: tasks ever published into it; only differences mean something.
        seconds_per_task: smoothed; None until a task has ended.
        oldest_seconds: wait of the oldest message, where it says when it was published.
    """

    name: str
    depth: int
    unclaimed: int = 0
    workers: tuple[str, ...] = ()
    published: int = 0
    seconds_per_task: float | None = None
    oldest_seconds: float | None = None


class QueueLoads(Protocol):
    """The queues of pools, and the draining flags: a worker with one takes no further task.

    Every method raises `ConnectionError` soon when the queue does not answer.
    """

    async def read(self, queues: Collection[str]) -> tuple[QueueReading, ...]:
        """Read queues, in the order given."""
        ...

    async def busy(self, queues: Collection[str]) -> frozenset[str]:
        """Return the workers that hold a lease of one of these queues."""
        ...

    async def drain(self, workers: Collection[str], seconds: int) -> None:
        """Set the draining flag of workers for some seconds; setting it again prolongs it."""
        ...

    async def release(self, workers: Collection[str]) -> None:
        """Remove the draining flag of workers."""
        ...


@dataclass(frozen=True)
class WorkloadCondition:
    """One condition of a Deployment or a Pod; texts that Kubernetes left out are empty."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True)
class ReplicaCounts:
    """The replicas of a Deployment.

    Attributes:
        desired: spec.replicas.
        current: status.replicas: Pods of every template.
        updated: status.updatedReplicas: Pods of the newest template.
        ready: status.readyReplicas.
    """

    desired: int
    current: int
    updated: int
    ready: int

    @property
    def complete(self) -> bool:
        """Whether as many Pods as desired are ready, and as many are of the newest template."""
        return self.ready >= self.desired and self.updated >= self.desired


@dataclass(frozen=True)
class Deployment:
    """A Deployment.

    Attributes:
        owners: its owner references.
        terminating: whether it has a deletion timestamp.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    observed_generation: int
    owners: tuple[OwnerReference, ...]
    terminating: bool
    replicas: ReplicaCounts
    conditions: tuple[WorkloadCondition, ...]


@dataclass(frozen=True)
class ContainerState:
    """Why a container does not run.

    Attributes:
        restarts: how often it was started again.
        last_exit_code: of the run before the present one; None where there was none.
        waiting_reason: why it waits to start; empty where it does not wait.
        waiting_message: more about that.
    """

    restarts: int
    last_exit_code: int | None
    waiting_reason: str
    waiting_message: str


@dataclass(frozen=True)
class Pod:
    """A Pod of a pool.

    Attributes:
        created: metadata.creationTimestamp, RFC 3339.
        terminating: whether it has a deletion timestamp.
        assigned: whether the scheduler has given it a node.
        phase: status.phase.
        deletion_cost: a ReplicaSet removes Pods of lower cost first.
        containers: init containers, then the others.
    """

    namespace: str
    name: str
    uid: str
    created: str
    terminating: bool
    assigned: bool
    phase: str
    deletion_cost: int
    conditions: tuple[WorkloadCondition, ...]
    containers: tuple[ContainerState, ...]

    @property
    def ready(self) -> bool:
        """Whether its condition Ready is True."""
        return any(condition.type == "Ready" and condition.status == "True" for condition in self.conditions)


class Workloads(Protocol):
    """The Deployments of pools and their Pods."""

    async def read_deployment(self, namespace: str, name: str) -> Deployment | None:
        """Return a Deployment, or None."""
        ...

    async def create_deployment(self, manifest: JSON) -> Deployment:
        """Create a Deployment; raise `Changed` where there is one of its name, or `Refused`."""
        ...

    async def apply_deployment(self, deployment: Deployment, manifest: JSON) -> Deployment:
        """Apply a manifest to a Deployment on the server's side.

        Raises:
            Changed: it is gone, another one has its name, or it changed during each of the attempts.
            Refused: the API server does not accept the manifest.
        """
        ...

    async def adopt(self, deployment: Deployment, owner: OwnerReference) -> Deployment:
        """Replace the owners of a Deployment by `owner`; raise `Changed` where it is not as it was read."""
        ...

    async def check_deployment(self, deployment: Deployment, manifest: JSON) -> None:
        """Apply a manifest to a Deployment as a dry run, which changes no spec; raise as `apply_deployment` does."""
        ...

    async def scale(self, deployment: Deployment, replicas: int) -> Deployment:
        """Set spec.replicas; raise `Changed` where it is another Deployment, or has other replicas than seen."""
        ...

    async def list_pods(self, deployment: Deployment, selector: str) -> list[Pod]:
        """Return the Pods of a Deployment's ReplicaSets; labels only narrow the request, they prove no ownership."""
        ...

    async def set_deletion_cost(self, pod: Pod, cost: int | None) -> None:
        """Set the deletion cost of a Pod, or remove it (None); a Pod that is gone is no error."""
        ...


@dataclass(frozen=True)
class QueueGauges:
    """Metrics of one queue."""

    name: str
    depth: int
    oldest_seconds: float
    arrivals_per_second: float
    seconds_per_task: float


@dataclass(frozen=True)
class PoolGauges:
    """Metrics of one pool.

    Attributes:
        tier: a label of each metric.
        max_replicas: the upper limit; of a fixed number, that number.
        scaling_active: whether the queues can be read; None where the number of workers is fixed.
        limit: which limit keeps the number of workers from what the queues ask for.
    """

    tier: str
    replicas: ReplicaCounts
    max_replicas: int
    running: int
    drain_seconds: float
    scaling_active: bool | None
    limit: Limit | None
    queues: tuple[QueueGauges, ...]


class PoolMeters(Protocol):
    """Metrics of pools."""

    def pool(self, key: Key, gauges: PoolGauges) -> None:
        """Set the gauges of a pool."""
        ...

    def scaled(self, key: Key, tier: str, direction: str) -> None:
        """Count a change of the number of workers: `up` or `down`."""
        ...

    def forget_pool(self, key: Key) -> None:
        """Remove the gauges of a pool that is gone."""
        ...
