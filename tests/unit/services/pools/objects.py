"""WorkerPools, Deployments and Pods for tests of pure functions."""

from datetime import UTC, datetime
from typing import Any, Final

from twin_operator.api.v1alpha1 import ObjectMeta, OwnerReference, WorkerPool
from twin_operator.api.v1alpha1.conditions import Condition
from twin_operator.api.v1alpha1.worker_pool import Autoscaling, WorkerPoolSpec, WorkerPoolStatus
from twin_operator.services.pools.manifest import owner_reference
from twin_operator.services.pools.ports import (
    ContainerState,
    Deployment,
    Pod,
    ReplicaCounts,
    WorkloadCondition,
)

NAMESPACE: Final = "ops"
SCALED: Final = Autoscaling(max_replicas=4)
READY: Final = WorkloadCondition("Ready", "True", "", "")


def worker_pool(
    name: str = "light",
    *,
    namespace: str = NAMESPACE,
    generation: int = 1,
    day: int = 1,
    ready: int = 0,
    conditions: tuple[Condition, ...] = (),
    **spec: Any,
) -> WorkerPool:
    """Return a pool of the queue `simulations` that was created on a day of January 2026."""
    return WorkerPool(
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            uid=f"uid-{name}",
            generation=generation,
            creation_timestamp=datetime(2026, 1, day, tzinfo=UTC),
        ),
        spec=WorkerPoolSpec(**{"queues": ("simulations",), **spec}),
        status=WorkerPoolStatus(ready_replicas=ready, conditions=conditions),
    )


def deployment(
    desired: int = 2,
    ready: int = 0,
    *,
    updated: int | None = None,
    uid: str = "uid-deployment",
    owners: tuple[OwnerReference, ...] = (),
    generation: int = 1,
    observed_generation: int | None = None,
    conditions: tuple[WorkloadCondition, ...] = (),
) -> Deployment:
    """Return a Deployment whose Pods are all of the newest template, ready and observed, but for what is given."""
    return Deployment(
        namespace=NAMESPACE,
        name="light",
        uid=uid,
        resource_version=str(generation),
        generation=generation,
        owners=owners or (owner_reference(worker_pool()),),
        terminating=False,
        observed_generation=generation if observed_generation is None else observed_generation,
        replicas=ReplicaCounts(desired, current=ready, updated=ready if updated is None else updated, ready=ready),
        conditions=conditions,
    )


def pod(
    name: str,
    *,
    created: str = "",
    terminating: bool = False,
    phase: str = "Running",
    deletion_cost: int = 0,
    conditions: tuple[WorkloadCondition, ...] = (READY,),
    containers: tuple[ContainerState, ...] = (),
) -> Pod:
    """Return a Pod that runs and is ready, but for what is given."""
    return Pod(
        namespace=NAMESPACE,
        name=name,
        uid=f"uid-{name}",
        created=created,
        terminating=terminating,
        assigned=True,
        phase=phase,
        deletion_cost=deletion_cost,
        conditions=conditions,
        containers=containers,
    )
