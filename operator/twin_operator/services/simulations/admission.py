"""Which unfinished Simulations the operator keeps: a bounded number, and bytes, of each namespace and in all.

The others are parked: only their names are kept, and they wait in the API server until there is room.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class NamespaceLimits:
    """Most that is kept of unfinished Simulations.

    Attributes:
        runs: of one namespace.
        size: bytes of one namespace, about; one Simulation is kept however large it is.
        size_in_all: bytes of all namespaces, about; beyond it a namespace is held to an equal share.
    """

    runs: int
    size: int
    size_in_all: int


@dataclass(frozen=True)
class Applicant:
    """A Simulation that is to be kept."""

    uid: str
    namespace: str
    name: str
    size: int


@dataclass
class Admission:
    """What is kept, and who waits for room: in the order they came, and round-robin over namespaces.

    Args:
        limits: of what is kept.
    """

    limits: NamespaceLimits
    _kept: dict[str, Applicant] = field(default_factory=dict)
    _runs: Counter[str] = field(default_factory=Counter)
    _size: Counter[str] = field(default_factory=Counter)
    _parked: dict[str, dict[str, Applicant]] = field(default_factory=dict)
    _unannounced: dict[str, dict[str, Applicant]] = field(default_factory=dict)

    @property
    def parked(self) -> int:
        """How many wait for room."""
        return sum(map(len, self._parked.values()))

    def admit(self, applicant: Applicant) -> bool:
        """Keep a Simulation if there is room for it, and none of its namespace waits; else park it."""
        if applicant.uid in self._kept:
            return True
        waiting = self._parked.get(applicant.namespace, {})
        if not waiting and self._has_room(applicant):
            self._keep(applicant)
            return True
        if applicant.uid not in waiting:
            self._parked.setdefault(applicant.namespace, {})[applicant.uid] = applicant
            self._unannounced.setdefault(applicant.namespace, {})[applicant.uid] = applicant
        return False

    def keep(self, applicant: Applicant) -> None:
        """Keep a Simulation whether there is room or not: its answer has come."""
        if applicant.uid not in self._kept:
            self.release(applicant.uid, applicant.namespace)
            self._keep(applicant)

    def release(self, uid: str, namespace: str) -> None:
        """Forget a Simulation that has ended or is gone."""
        if (kept := self._kept.pop(uid, None)) is not None:
            self._runs[kept.namespace] -= 1
            self._size[kept.namespace] -= kept.size
            if not self._runs[kept.namespace]:
                del self._runs[kept.namespace], self._size[kept.namespace]
        _remove(self._parked, namespace, uid)
        _remove(self._unannounced, namespace, uid)

    def next_with_room(self) -> Applicant | None:
        """Return the parked Simulation whose turn it is to be kept; its namespace is the last one from now on."""
        for namespace in list(self._parked):
            first = next(iter(self._parked[namespace].values()))
            if self._has_room(first):
                self._parked[namespace] = self._parked.pop(namespace)
                return first
        return None

    def next_unannounced(self) -> Applicant | None:
        """Return the next parked Simulation whose status does not say so yet, and take note that it will."""
        if not self._unannounced:
            return None
        namespace = next(iter(self._unannounced))
        first = next(iter(self._unannounced[namespace].values()))
        self._unannounced[namespace] = self._unannounced.pop(namespace)
        _remove(self._unannounced, namespace, first.uid)
        return first

    def _keep(self, applicant: Applicant) -> None:
        self._kept[applicant.uid] = applicant
        self._runs[applicant.namespace] += 1
        self._size[applicant.namespace] += applicant.size

    def _has_room(self, applicant: Applicant) -> bool:
        runs, size = self._runs[applicant.namespace], self._size[applicant.namespace] + applicant.size
        if not runs:
            return True
        share = self.limits.size_in_all / len(self._runs)
        in_all = self._size.total() + applicant.size <= self.limits.size_in_all or size <= share
        return runs < self.limits.runs and size <= self.limits.size and in_all


def _remove(waiting: dict[str, dict[str, Applicant]], namespace: str, uid: str) -> None:
    of_namespace = waiting.get(namespace, {})
    of_namespace.pop(uid, None)
    if not of_namespace:
        waiting.pop(namespace, None)
