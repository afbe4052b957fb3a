"""Which Simulations may have a message in Redis now: a bounded number for each queue, shared by the namespaces.

The rest waits in the operator: the most urgent first, and round-robin over namespaces among equally urgent ones. So a
namespace with a thousand Simulations delays the first one of another namespace by a few, not by a thousand.
"""

from collections import Counter
from dataclasses import dataclass, field

from twin_operator.api.v1alpha1 import Simulation

MESSAGE_BYTES = 2048  # of a message without the values that select its population: envelope, signature, tau weights
SEPARATOR_BYTES = 3  # of a value in JSON: quotes and a comma


@dataclass(frozen=True)
class QueueLimits:
    """Most that one queue has in Redis at a time.

    Attributes:
        runs: messages that are published and not done with.
        size: their bytes, about; one message is published however large it is.
    """

    runs: int
    size: int


@dataclass(frozen=True)
class Candidate:
    """A Simulation that is ready for a worker: its uid, and what decides about its place."""

    uid: str
    namespace: str
    queue: str
    priority: int
    size: int

    @classmethod
    def of(cls, simulation: Simulation) -> "Candidate":
        """Return the candidate that a Simulation is."""
        spec = simulation.spec
        return cls(simulation.uid, simulation.namespace, spec.task_queue, spec.priority, message_size(simulation))


def message_size(simulation: Simulation) -> int:
    """Return about how many bytes the message of a Simulation has."""
    clauses = simulation.spec.population.where
    return MESSAGE_BYTES + sum(len(value) + SEPARATOR_BYTES for clause in clauses for value in clause.values)


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

    def next(self) -> Candidate | None:
        """Return the first of the namespace whose turn it is, of the most urgent priority."""
        if not self._by_priority:
            return None
        namespaces = self._by_priority[max(self._by_priority)]
        return next(iter(next(iter(namespaces.values())).values()))

    def take(self, candidate: Candidate) -> None:
        """Remove a candidate; its namespace is the last one of its priority from now on."""
        namespaces = self._by_priority[candidate.priority]
        namespaces[candidate.namespace] = namespaces.pop(candidate.namespace)
        self.remove(candidate)


@dataclass
class PublicationWindow:
    """The places of every queue.

    Args:
        limits: of each queue.
    """

    limits: QueueLimits
    _placed: dict[str, Candidate] = field(default_factory=dict)
    _requested: dict[str, Candidate] = field(default_factory=dict)
    _waiting: dict[str, _Waiting] = field(default_factory=dict)
    _requests: Counter[str] = field(default_factory=Counter)
    _runs: Counter[str] = field(default_factory=Counter)
    _size: Counter[str] = field(default_factory=Counter)

    def has(self, uid: str) -> bool:
        """Whether a Simulation has a place."""
        return uid in self._placed

    def waiting(self, queue: str) -> int:
        """Return how many wait for a place of a queue."""
        return self._requests[queue]

    def request(self, candidate: Candidate) -> None:
        """Have a Simulation wait for a place, unless it has one or waits already."""
        if candidate.uid not in self._placed and candidate.uid not in self._requested:
            self._requested[candidate.uid] = candidate
            self._requests[candidate.queue] += 1
            self._waiting.setdefault(candidate.queue, _Waiting()).add(candidate)

    def occupy(self, candidate: Candidate) -> None:
        """Give a place to a Simulation whose message is in the queue already: an earlier leader published it."""
        if candidate.uid not in self._placed:
            self.release(candidate.uid)
            self._place(candidate)

    def release(self, uid: str) -> bool:
        """Take the place, or the request, of a Simulation back; return whether another one may have its place now."""
        if (requested := self._requested.get(uid)) is not None:
            self._waiting[requested.queue].remove(requested)
            self._forget_request(requested)
            return False
        if (placed := self._placed.pop(uid, None)) is None:
            return False
        self._runs[placed.queue] -= 1
        self._size[placed.queue] -= placed.size
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
            if waiting.next() is None:
                del self._waiting[queue]
        return granted

    def _next(self, queue: str) -> Candidate | None:
        """Return who gets the next place of a queue, if there is one."""
        waiting = self._waiting.get(queue)
        candidate = None if waiting is None else waiting.next()
        if candidate is None or self._runs[queue] >= self.limits.runs:
            return None
        fits = self._size[queue] + candidate.size <= self.limits.size
        return candidate if fits or not self._runs[queue] else None

    def _forget_request(self, candidate: Candidate) -> None:
        del self._requested[candidate.uid]
        self._requests[candidate.queue] -= 1

    def _place(self, candidate: Candidate) -> None:
        self._placed[candidate.uid] = candidate
        self._runs[candidate.queue] += 1
        self._size[candidate.queue] += candidate.size
