"""Does an installation work? What `twin-operator check` (and so `helm test`) concludes from what it found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from twin_operator.api.v1alpha1 import WorkerPool
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType


@dataclass(frozen=True)
class Finding:
    """One part of the installation, whether it is well, and a sentence about it."""

    part: str
    well: bool
    sentence: str


@dataclass(frozen=True)
class Leader:
    """The operator that holds the Lease, when it last renewed that, and for how many seconds."""

    name: str
    renewed: datetime
    lease_seconds: int


def of_redis(policy: str) -> Finding:
    """Conclude from Redis' answer: `policy` is its `maxmemory-policy`."""
    if policy != "noeviction":
        return Finding("Redis", False, f"maxmemory-policy is {policy}: set noeviction, or tasks are dropped silently.")
    return Finding("Redis", True, "It answers, and drops nothing when it is full.")


def of_leader(leader: Leader | None, now: datetime) -> Finding:
    """Conclude from the Lease (None: no process holds it) whether an operator leads at `now`."""
    if leader is None:
        return Finding("Operator", False, "No operator leads: check its Deployment and its log.")
    age = (now - leader.renewed).total_seconds()
    if age > leader.lease_seconds:
        return Finding("Operator", False, f"{leader.name} led, and was last seen {age:.0f} s ago: check its log.")
    return Finding("Operator", True, f"{leader.name} leads.")


def of_pools(pools: Sequence[WorkerPool]) -> list[Finding]:
    """Conclude from each WorkerPool's condition Ready."""
    if not pools:
        return [Finding("WorkerPools", False, "There are none: Simulations would wait with NoWorkers.")]
    return [_of_pool(pool) for pool in pools]


def _of_pool(pool: WorkerPool) -> Finding:
    part, ready = f"WorkerPool {pool.name}", pool.status.condition(ConditionType.READY)
    if ready is None:
        return Finding(part, False, "The operator has not reconciled it yet.")
    return Finding(part, ready.status is ConditionStatus.TRUE, f"{ready.reason}: {ready.message}")
