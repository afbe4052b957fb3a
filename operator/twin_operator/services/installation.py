"""Does an installation work? What `twin-operator check` (and so `helm test`) concludes from what it found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from twin_operator.api.v1alpha1.conditions import ConditionType
from twin_operator.services.runs.run import JSON


@dataclass(frozen=True)
class Finding:
    """One part of the installation, whether it is well, and a sentence about it."""

    part: str
    well: bool
    sentence: str


def of_redis(policy: str) -> Finding:
    """Conclude from Redis' answer: `policy` is its `maxmemory-policy`."""
    if policy != "noeviction":
        return Finding("Redis", False, f"maxmemory-policy is {policy}: set noeviction, or tasks are dropped silently.")
    return Finding("Redis", True, "It answers, and drops nothing when it is full.")


def of_lease(lease: JSON | None, now: datetime) -> Finding:
    """Conclude from the Lease (None: there is none) whether an operator leads at `now`."""
    spec = (lease or {}).get("spec") or {}
    holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
    if not holder or not renewed:
        return Finding("Operator", False, "No operator leads: look at its Deployment and its log.")
    age = (now - datetime.fromisoformat(renewed)).total_seconds()
    if age > spec.get("leaseDurationSeconds", 15):
        return Finding("Operator", False, f"{holder} led, and was last seen {age:.0f} s ago: look at its log.")
    return Finding("Operator", True, f"{holder} leads.")


def of_pools(pools: Sequence[JSON]) -> list[Finding]:
    """Conclude from each WorkerPool's condition Ready."""
    if not pools:
        return [Finding("WorkerPools", False, "There are none: Simulations would wait with NoWorkers.")]
    return [_of_pool(pool) for pool in pools]


def _of_pool(pool: JSON) -> Finding:
    part = f"WorkerPool {pool['metadata']['name']}"
    conditions = (pool.get("status") or {}).get("conditions") or []
    found = next((each for each in conditions if each["type"] == ConditionType.READY), None)
    if found is None:
        return Finding(part, False, "The operator has not looked at it yet.")
    return Finding(part, found["status"] == "True", f"{found['reason']}: {found.get('message', '')}")
