"""Which workers go when fewer are wanted: idle ones, in the order in which a ReplicaSet will really take Pods.

A ReplicaSet removes Pods that are not assigned, not running or not ready before it looks at pod-deletion-cost. So a
worker may be chosen only with every one that ranks before it; a busy one that is not ready keeps all behind it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from twin_operator.services.pools.workers import Worker
from twin_operator.services.runs.run import JSON

IDLE_COST: Final = -1000  # of an idle worker that goes
BUSY_COST: Final = -500  # of a busy one that a person's wish takes, after every idle one


@dataclass(frozen=True)
class ScaleIn:
    """The workers that go, first to last, and how many are wanted afterwards."""

    victims: tuple[Worker, ...]
    replicas: int


@dataclass(frozen=True)
class Crew:
    """A pool's Deployment as last seen, and its workers."""

    deployment: JSON
    workers: tuple[Worker, ...]

    @property
    def wanted(self) -> int:
        """How many the Deployment wants."""
        return replicas_of(self.deployment)

    @property
    def in_hand(self) -> bool:
        """Whether Kubernetes has still to carry out an earlier change: other Pods than ours may yet go."""
        status = self.deployment.get("status") or {}
        behind: bool = status.get("observedGeneration", 0) < self.deployment["metadata"]["generation"]
        return behind or (len(self.workers) > self.wanted and not self.rolling)  # a roll-out has some more for long

    @property
    def rolling(self) -> bool:
        """Whether Pods of an earlier template are there: which of two ReplicaSets shrinks is not ours to say."""
        status = self.deployment.get("status") or {}
        return bool(status.get("updatedReplicas", 0) != status.get("replicas", 0))


def replicas_of(deployment: JSON | None) -> int:
    """Return how many workers a Deployment wants."""
    return int(((deployment or {}).get("spec") or {}).get("replicas", 0))


def plan_idle(crew: Crew, busy: Collection[str], wanted: int) -> ScaleIn:
    """Return which idle workers go, so that as few as `wanted` stay: none that works, and none in its place.

    Args:
        crew: the pool's workers.
        busy: names of those that hold a lease.
        wanted: how many are to stay at least.
    """
    none = ScaleIn((), crew.wanted)
    if wanted >= crew.wanted:
        return none
    if wanted == 0 and not any(worker.name in busy for worker in crew.workers):
        return ScaleIn(tuple(_ordered(crew.workers, busy)), 0)  # all of them: no ReplicaSet has a choice
    if crew.in_hand or crew.rolling:
        return none
    surplus, missing = crew.wanted - wanted, crew.wanted - len(crew.workers)
    victims = _idle_first(crew.workers, busy)[: max(0, surplus - missing)]
    return ScaleIn(tuple(victims), crew.wanted - min(surplus, missing) - len(victims))


def plan_wish(crew: Crew, busy: Collection[str], wanted: int) -> ScaleIn:
    """Return which workers go where a person wants fewer: idle ones first, then busy ones, which end what they do."""
    if wanted >= crew.wanted:
        return ScaleIn((), crew.wanted)
    return ScaleIn(tuple(_ordered(crew.workers, busy)[: max(0, len(crew.workers) - wanted)]), wanted)


def _idle_first(workers: Sequence[Worker], busy: Collection[str]) -> list[Worker]:
    blocked = any(worker.name in busy and not worker.ready for worker in workers)
    return [w for w in _ordered(workers, busy) if w.name not in busy and not (w.ready and blocked)]


def _ordered(workers: Sequence[Worker], busy: Collection[str]) -> list[Worker]:
    """Order by what a ReplicaSet takes first; among equals idle ones, those already chosen, then the newest."""
    newest = sorted(workers, key=lambda worker: worker.created, reverse=True)
    return sorted(newest, key=lambda worker: (worker.rank, worker.name in busy, worker.cost))
