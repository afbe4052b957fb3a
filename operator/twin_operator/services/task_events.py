"""Metrics from Celery's events: counts of tasks, times in queue, and which workers are up.

Decides which figure an event changes, from the event and a clock; showing the figures is a `Meter`'s. Bounded: tasks
that were sent and not started, names and queues, workers.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from twin_operator.services.runs.run import JSON, TaskKind

TASKS: Final = frozenset(f"twinops.{kind}" for kind in TaskKind)
TIERS: Final = {tier.lower(): tier for tier in ("Light", "Medium", "Heavy")}
STATES: Final = frozenset({"sent", "received", "started", "succeeded", "failed", "retried", "rejected", "revoked"})
SENDER: Final = "operator"  # the host of what was sent; not its Pod's name, which changes
OTHER: Final = "other"
UNKNOWN: Final = "unknown"
MOST_NAMES: Final = 64  # queues, and kinds of errors: an installation has some ten; further ones go under `other`
MOST_WORKERS: Final = 1000  # each has a few dozen series
MOST_SENT: Final = 50_000  # tasks sent and not started, about 15 MB; the time in queue of older ones is not measured


@dataclass(frozen=True)
class Origin:
    """Who an event is about: the labels of its figures. `tier` is empty where a task was only sent."""

    name: str
    hostname: str
    queue: str
    tier: str


@dataclass(frozen=True)
class Presence:
    """The last known state of a worker.

    Attributes:
        seen: when, seconds since the epoch.
        state: `up`, `silent` (no heartbeat for long), or `left` (it reported that).
        active: tasks that it runs.
        processes: tasks that it can run at the same time.
    """

    seen: float
    tier: str
    state: str = "up"
    active: int = 0
    processes: int = 0
    queues: tuple[str, ...] = ()


class Meter(Protocol):
    """Where the figures are shown."""

    def count(self, state: str, origin: Origin, error: str) -> None:
        """Count an event; `error` is empty but for a failure."""

    def waited(self, origin: Origin, seconds: float) -> None:
        """Record a time in queue."""

    def ran(self, origin: Origin, seconds: float) -> None:
        """Record the run time of a task that succeeded."""

    def worker(self, hostname: str, presence: Presence) -> None:
        """Show a worker, or nothing of one that left."""

    def served(self, queues: Mapping[str, Collection[Presence]]) -> None:
        """Show who serves each queue."""

    def forget(self, hostname: str) -> None:
        """Drop every figure of a worker."""


@dataclass
class Names:
    """The first names that come are known; further ones are `other`, so that labels stay bounded."""

    most: int = MOST_NAMES
    known: set[str] = field(default_factory=set)

    def admit(self, name: object) -> str:
        """Return `name`, or what stands for it."""
        if not isinstance(name, str) or not name:
            return UNKNOWN
        if name not in self.known:
            if len(self.known) >= self.most:
                return OTHER
            self.known.add(name)
        return name


@dataclass
class TaskEvents:
    """Takes events in the order they come.

    Args:
        meter: where figures are shown.
        clock: seconds since the epoch.
        silent_seconds: without a heartbeat for so long a worker counts as down.
        forget_seconds: so long after a worker was last heard of its figures are dropped.
    """

    meter: Meter
    clock: Callable[[], float]
    silent_seconds: float
    forget_seconds: float
    queues: Names = field(default_factory=Names)
    _errors: Names = field(default_factory=Names)
    _workers: dict[str, Presence] = field(default_factory=dict)
    _shown: list[str] = field(default_factory=list)
    _sent: "OrderedDict[str, tuple[float, object]]" = field(default_factory=OrderedDict)

    def take(self, event: JSON) -> None:
        """Take one event; those of other programs are passed over."""
        group, _, what = event["type"].partition("-")
        if group == "task" and what in STATES:
            self._task(what, event)
        elif group == "worker" and what in ("online", "heartbeat", "offline"):
            self._worker(what, event)

    def sweep(self) -> None:
        """Find workers that are silent, and forget those that are gone for long."""
        now = self.clock()
        for hostname, known in list(self._workers.items()):
            if now - known.seen > self.forget_seconds:
                del self._workers[hostname]
                self.meter.forget(hostname)
            elif known.state == "up" and now - known.seen > self.silent_seconds:
                self._show(hostname, replace(known, state="silent", active=0))
        self._show_queues()

    def shown_queues(self, published: Collection[str]) -> list[str]:
        """Return the queues whose lengths are shown, at most `MOST_NAMES`.

        Those that workers or tasks were heard of come first, then others of Redis: whoever invents names of queues
        must not push those off the list that are in use.

        Args:
            published: queues that tasks were ever published to.
        """
        ranked = dict.fromkeys([*sorted(self.queues.known), *sorted(published)])
        self._shown = sorted(list(ranked)[:MOST_NAMES])
        return self._shown

    def listen_again(self) -> None:
        """After a time in which nothing could be heard: no worker was silent."""
        now = self.clock()
        self._workers = {hostname: replace(known, seen=now) for hostname, known in self._workers.items()}

    def _task(self, state: str, event: JSON) -> None:
        run, queue = str(event.get("uuid")), event.get("queue")
        moment = _number(event.get("timestamp")) or self.clock()
        if state == "sent":
            self._remember(run, moment, queue)
        elif queue is None and run in self._sent:  # an event of Celery's own making does not name the queue
            queue = self._sent[run][1]
        origin = self._origin(event, queue, sent=state == "sent")
        self.meter.count(state, origin, self._errors.admit(event.get("error")) if state == "failed" else "")
        if state == "started" and run in self._sent:
            self.meter.waited(origin, max(0.0, moment - self._sent.pop(run)[0]))  # clocks of two nodes differ
        if state == "succeeded" and (seconds := _number(event.get("runtime"))) is not None:
            self.meter.ran(origin, seconds)

    def _remember(self, run: str, moment: float, queue: object) -> None:
        self._sent[run] = (moment, queue)
        self._sent.move_to_end(run)
        if len(self._sent) > MOST_SENT:
            self._sent.popitem(last=False)

    def _origin(self, event: JSON, queue: object, *, sent: bool) -> Origin:
        name = event.get("name")
        known = name if isinstance(name, str) and name in TASKS else OTHER
        if sent:
            return Origin(known, SENDER, self.queues.admit(queue), "")
        hostname, tier = self._heard(event)
        return Origin(known, hostname, self.queues.admit(queue), tier)

    def _heard(self, event: JSON) -> tuple[str, str]:
        hostname, tier = _node(event)
        known = self._workers.get(hostname)
        if known is None and len(self._workers) >= MOST_WORKERS:
            return OTHER, OTHER
        heard = known or Presence(self.clock(), tier, "left")  # its next heartbeat shows whether it is up
        self._workers[hostname] = replace(heard, seen=self.clock())
        return hostname, tier

    def _worker(self, what: str, event: JSON) -> None:
        hostname, tier = _node(event)
        if hostname not in self._workers and len(self._workers) >= MOST_WORKERS:
            return
        queues = event.get("queues")
        presence = Presence(
            seen=self.clock(),
            tier=tier,
            state="left" if what == "offline" else "up",
            active=int(_number(event.get("active")) or 0),
            processes=int(_number(event.get("processes")) or 0),
            queues=tuple(self.queues.admit(queue) for queue in queues) if isinstance(queues, list) else (),
        )
        self._show(hostname, presence)
        self._show_queues()

    def _show(self, hostname: str, presence: Presence) -> None:
        self._workers[hostname] = presence
        self.meter.worker(hostname, presence)

    def _show_queues(self) -> None:
        present = [worker for worker in self._workers.values() if worker.state == "up"]
        queues = {*self.queues.known, *self._shown}
        self.meter.served({queue: [w for w in present if queue in w.queues] for queue in queues})


def _node(event: JSON) -> tuple[str, str]:
    """Return the host and the tier of a worker, whose name is `TIER@HOST`."""
    tier, _, hostname = str(event.get("hostname")).rpartition("@")
    return hostname, TIERS.get(tier, OTHER)


def _number(value: Any) -> float | None:  # noqa: ANN401 - as it came
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
