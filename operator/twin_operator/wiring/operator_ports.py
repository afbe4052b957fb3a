"""What the operator needs of the world, and what several of its controllers take."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from twin_operator.adapters.kubernetes_api.typed_resources import JSONResources, TypedResources
from twin_operator.adapters.metrics.operator import OperatorMetrics
from twin_operator.services.archive.archiving import ArchiveAccess, Outbox
from twin_operator.services.archive.ports import Archive
from twin_operator.services.operator import ReconcileRequests
from twin_operator.services.outcomes.ledger import Ledger
from twin_operator.services.pools.ports import QueueLoads, Workloads
from twin_operator.services.reconciling.ports import RunQueue, Versions
from twin_operator.services.reconciling.task_publication import TaskPublication
from twin_operator.services.runs.spans import RunTraces
from twin_operator.settings import Settings


@dataclass(frozen=True)
class OperatorPorts:
    """What the operator needs of the world, each on an adapter of one real system (in unit tests: of none).

    Attributes:
        queue: queues, runs and results.
        resources: the API server.
        versions: the registry.
        archive: history; its methods block.
        outbox: what waits for the archive.
        loads: readings of queues for scaling.
        workloads: Deployments and Pods of WorkerPools.
        keep_redis: keeps Redis fit for workers; fails while it does not answer.
        dead_letters: counts dead letters.
    """

    queue: RunQueue
    resources: JSONResources
    versions: Versions
    archive: Archive
    outbox: Outbox
    loads: QueueLoads
    workloads: Workloads
    keep_redis: Callable[[], Awaitable[object]]
    dead_letters: Callable[[], Awaitable[int]]


@dataclass(frozen=True)
class Shared:
    """What several controllers take.

    Attributes:
        settings: intervals and limits.
        ports: the world.
        requests: collects requests to reconcile.
        cluster: uid of the cluster.
        metrics: of the operator.
        clock: seconds since the epoch.
        resources: the API server.
        tasks: publishes trainings, comparisons and data checks.
        access: calls the archive.
        ledger: the recorded outcomes.
        traces: logs and records what ended.
    """

    settings: Settings
    ports: OperatorPorts
    requests: ReconcileRequests
    cluster: str
    metrics: OperatorMetrics
    clock: Callable[[], float]
    resources: TypedResources
    tasks: TaskPublication
    access: ArchiveAccess
    ledger: Ledger
    traces: RunTraces
