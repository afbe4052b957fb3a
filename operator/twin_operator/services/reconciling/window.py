"""Which runs may have a message in Redis now: a bounded number, and bytes, of each queue and of a namespace in it.

The rest waits in the operator: the most urgent first, and round-robin over namespaces among equally urgent ones. So a
namespace with a thousand runs delays the first one of another namespace by a few, not by a thousand.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bound:
    """Most that is in Redis at a time.

    Attributes:
        runs: messages that are published and not done with.
        size: their bytes, about; one message is published however large it is.
    """

    runs: int
    size: int


@dataclass(frozen=True)
class QueueLimits:
    """The bounds of each queue, and of each namespace in a queue."""

    queue: Bound
    namespace: Bound


@dataclass(frozen=True)
class Candidate:
    """A run that is ready for a worker: its id (a Simulation's uid), and what decides about its place."""

    uid: str
    namespace: str
    queue: str
    priority: int
    size: int


@dataclass
class _Waiting:
    """The candidates of a queue without a place: by priority, then by namespace, each in the order they came."""

    _by_priority: dict[int, dict[str, dict[str, Candidate]]] = field(default_factory=dict)

    def add(self, candidate: Candidate) -> None:
        namespaces = self._by_priority.setdefault(candidate.priority, {})
        namespaces.setdefault(candidate.namespace, {})[candidate.uid] = candidate

    def remove(self, candidate: Candidate) -> None:
        namespaces = self._by_priority[candidate.priority]
        del namespaces[candidate.namespace][candidate.uid]
        if not namespaces[candidate.namespace]:
            del namespaces[candidate.namespace]
        if not namespaces:
            del self._by_priority[candidate.priority]

    def first_of_each(self) -> Iterator[Candidate]:
        """Yield the first of each namespace in the order of their turns, the most urgent priority first."""
        for priority in sorted(self._by_priority, reverse=True):
            for candidates in self._by_priority[priority].values():
                yield next(iter(candidates.values()))

    def take(self, candidate: Candidate) -> None:
        """Remove a candidate; its namespace is the last one of its priority from now on."""
        namespaces = self._by_priority[candidate.priority]
        namespaces[candidate.namespace] = namespaces.pop(candidate.namespace)
        self.remove(candidate)


@dataclass
class _Use:
    """What is in Redis of each queue, or of each namespace in a queue."""

    bound: Bound
    _runs: Counter[tuple[str, ...]] = field(default_factory=Counter)
    _size: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def has_room(self, key: tuple[str, ...], candidate: Candidate) -> bool:
        runs, size = self._runs[key], self._size[key] + candidate.size
        return not runs or (runs < self.bound.runs and size <= self.bound.size)

    def add(self, key: tuple[str, ...], candidate: Candidate) -> None:
        self._runs[key] += 1
        self._size[key] += candidate.size

    def remove(self, key: tuple[str, ...], candidate: Candidate) -> None:
        self._runs[key] -= 1
        self._size[key] -= candidate.size
        if not self._runs[key]:
            del self._runs[key], self._size[key]


class PublicationWindow:
    """The places of every queue.

    Args:
        limits: of each queue.
    """

    def __init__(self, limits: QueueLimits) -> None:
        self._queues, self._namespaces = _Use(limits.queue), _Use(limits.namespace)
        self._placed: dict[str, Candidate] = {}
        self._requested: dict[str, Candidate] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._requests: Counter[str] = Counter()

    def has(self, uid: str) -> bool:
        """Whether a run has a place."""
        return uid in self._placed

    def placed(self, queue: str) -> list[str]:
        """Return the runs with a place of a queue."""
        return [uid for uid, each in self._placed.items() if each.queue == queue]

    def waiting(self, queue: str) -> int:
        """Return how many wait for a place of a queue."""
        return self._requests[queue]

    def request(self, candidate: Candidate) -> None:
        """Have a run wait for a place, unless it has one or waits already."""
        if candidate.uid not in self._placed and candidate.uid not in self._requested:
            self._requested[candidate.uid] = candidate
            self._requests[candidate.queue] += 1
            self._waiting.setdefault(candidate.queue, _Waiting()).add(candidate)

    def occupy(self, candidate: Candidate) -> None:
        """Give a place to a run whose message is in the queue already: an earlier leader published it."""
        if candidate.uid not in self._placed:
            self.release(candidate.uid)
            self._place(candidate)

    def release(self, uid: str) -> bool:
        """Take the place, or the request, of a run back; return whether another one may have its place now."""
        if (requested := self._requested.get(uid)) is not None:
            self._waiting[requested.queue].remove(requested)
            self._forget_request(requested)
            return False
        if (placed := self._placed.pop(uid, None)) is None:
            return False
        self._queues.remove((placed.queue,), placed)
        self._namespaces.remove((placed.queue, placed.namespace), placed)
        return self._next(placed.queue) is not None

    def grant(self) -> list[str]:
        """Give the free places; return who got one."""
        granted = []
        for queue, waiting in list(self._waiting.items()):
            while (candidate := self._next(queue)) is not None:
                waiting.take(candidate)
                self._forget_request(candidate)
                self._place(candidate)
                granted.append(candidate.uid)
            if not self._requests[queue]:
                del self._waiting[queue]
        return granted

    def _next(self, queue: str) -> Candidate | None:
        """Return who gets the next place of a queue, if there is one: the first whose namespace has room."""
        waiting = self._waiting.get(queue, _Waiting())
        room = (each for each in waiting.first_of_each() if self._namespaces.has_room((queue, each.namespace), each))
        candidate = next(room, None)
        return candidate if candidate is not None and self._queues.has_room((queue,), candidate) else None

    def _forget_request(self, candidate: Candidate) -> None:
        del self._requested[candidate.uid]
        self._requests[candidate.queue] -= 1

    def _place(self, candidate: Candidate) -> None:
        self._placed[candidate.uid] = candidate
        self._queues.add((candidate.queue,), candidate)
        self._namespaces.add((candidate.queue, candidate.namespace), candidate)
