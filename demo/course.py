"""The course of a burst as it was seen from outside, and what it is held against. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from demo.claims import Claim

Json = Mapping[str, Any]
_FIRST_WORKER = 2.0  # seconds from the first message until a worker is wanted
_FLEET = 2  # workers at once that make a fleet
_BACK = 10.0  # seconds beyond the stabilisation: polls of the queues, and a first one that sees nothing
_ENDED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True)
class Moment:
    """The pool's status, and how many Simulations are done; None where that is not known."""

    at: float  # seconds since the burst began
    waiting: int
    oldest: float | None  # seconds
    running: int
    ready: int
    desired: int
    arrivals: float | None  # a second
    per_task: float | None  # seconds
    drain: float | None  # seconds
    done: int


@dataclass
class Course:
    """What has been seen of a burst. Times are seconds since the epoch.

    Attributes:
        total: Simulations that are asked.
        begun: when the asking began.
        status: the pool's, as last seen.
        first: when the first Simulation was seen.
        wanted: when workers were first wanted after it.
        answered: when the last of all was.
        back: when the pool had no workers any more after that.
        most: workers that were ready at once, at most.
        ended: names of the Simulations that ended.
        gone: when each worker was asked to go, by its Pod.
    """

    total: int
    begun: float
    status: Json = field(default_factory=dict)
    first: float | None = None
    wanted: float | None = None
    answered: float | None = None
    back: float | None = None
    most: int = 0
    ended: set[str] = field(default_factory=set)
    gone: dict[str, float] = field(default_factory=dict)

    def take_simulation(self, at: float, name: str, phase: str) -> None:
        """See a Simulation in a phase."""
        self.first = at if self.first is None else self.first
        if phase in _ENDED:
            self.ended.add(name)
        if len(self.ended) == self.total and self.answered is None:
            self.answered = at

    def take_pool(self, at: float, status: Json) -> None:
        """See a status of the pool."""
        self.status = status
        self.most = max(self.most, status.get("readyReplicas", 0))
        if self.first is not None and self.wanted is None and status.get("desiredReplicas", 0) > 0:
            self.wanted = at
        if self.answered is not None and self.back is None and _is_empty(status):
            self.back = at

    def take_pod(self, at: float, name: str, deleted: str) -> None:
        """See a worker's Pod, and when it is to be gone by; "" while it stays."""
        if deleted:
            self.gone.setdefault(name, at)

    def moment(self, now: float) -> Moment:
        """Give how it is now."""
        status, queues = self.status, self.status.get("queues", [])
        return Moment(
            at=now - self.begun,
            waiting=sum(queue.get("depth", 0) for queue in queues),
            oldest=max((queue["oldestSeconds"] for queue in queues if "oldestSeconds" in queue), default=None),
            running=status.get("running", 0),
            ready=status.get("readyReplicas", 0),
            desired=status.get("desiredReplicas", 0),
            arrivals=status.get("arrivalsPerSecond"),
            per_task=status.get("secondsPerTask"),
            drain=status.get("drainSeconds"),
            done=len(self.ended),
        )

    def claims(self, simulations: Iterable[Json], stabilisation: float) -> list[Claim]:
        """Hold what was seen, and the Simulations as they ended, against what was promised.

        Args:
            simulations: all of them, after their end.
            stabilisation: the pool's scaleDownStabilizationSeconds.
        """
        ended = list(simulations)
        answered = sum(each["status"]["phase"] == "Succeeded" for each in ended)
        once = sum(each["status"].get("attempts") == 1 for each in ended)
        fleet = f"{_FLEET} or more, from 0"
        return [
            _within(
                "from the first question of the burst until a worker is wanted", self.first, self.wanted, _FIRST_WORKER
            ),
            Claim.of("questions of the burst that are answered", str(self.total), answered),
            Claim.of("those done at the first attempt, none twice", str(self.total), once),
            Claim("workers of the burst", fleet, f"{self.most}", self.most >= _FLEET),
            _within("from the last answer until there are 0 again", self.answered, self.back, stabilisation + _BACK),
            Claim.of("workers that were ended while they answered a question", "0", len(self._taken_at_work(ended))),
        ]

    def _taken_at_work(self, simulations: Iterable[Json]) -> set[str]:
        """Give the workers that ended a Simulation after they had been asked to go."""
        ended = [(each["status"].get("worker", ""), _moment(each["status"]["completionTime"])) for each in simulations]
        return {worker for worker, at in ended if worker in self.gone and at > self.gone[worker]}


def _is_empty(status: Json) -> bool:
    return not (status.get("replicas", 0) or status.get("desiredReplicas", 0))


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _within(about: str, start: float | None, end: float | None, limit: float) -> Claim:
    promised = f"at most {limit:g} s"
    if start is None or end is None:
        return Claim(about, promised, "nothing", kept=False)
    took = max(0.0, end - start)  # two watches: what came later may be seen a little sooner
    return Claim(about, promised, f"{took:.1f} s", took <= limit)
