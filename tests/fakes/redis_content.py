"""What Redis keeps for this project, in memory: messages, run records, leases, the results stream, the outbox.

The fakes of the queue, its loads, its outbox and its dead letters share one `Server`, as the adapters share one Redis.
Policy of the scripts is in `claims`; nothing here knows a task.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import orjson
from redis.exceptions import ConnectionError as RedisConnectionError

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.dead_letters import DeadLetter
from twin_operator.services.runs.run import BoundVersion, Event, Outcome, Run, Stop, Task


@dataclass
class RunRecord:
    """The hash of a run. Times are seconds since the epoch."""

    attempts: int = 0
    queued: float | None = None
    started: float | None = None
    attempt_started: float | None = None
    finished: float | None = None
    worker: str | None = None
    lease: str | None = None
    lease_until: float = 0.0
    stop: Stop | None = None
    error: str | None = None
    failed: float | None = None
    bound: BoundVersion | None = None
    outcome: bytes | None = None
    expires: float = math.inf

    def read(self, now: float) -> Run:
        return Run(
            attempts=self.attempts,
            queued=self.queued,
            started=self.started,
            finished=self.finished,
            worker=self.worker,
            leased=self.lease_until > now,
            stop=self.stop,
            error=self.error,
            failed=self.failed,
            bound=self.bound,
            outcome=None if self.outcome is None else Outcome.from_json(orjson.loads(self.outcome)),
        )


@dataclass
class Pace:
    """How long the tasks of a queue take: smoothed seconds, and how many tasks have ended."""

    seconds: float
    count: int = 0
    expires: float = math.inf


@dataclass
class Unacknowledged:
    """A delivered message, as kombu keeps it until it is acknowledged; `since` is renewed with the lease."""

    message: bytes
    queue: str
    since: float


@dataclass
class Results:
    """The results stream with its one consumer group."""

    entries: dict[str, bytes] = field(default_factory=dict)
    unread: deque[str] = field(default_factory=deque)
    pending: list[str] = field(default_factory=list)
    group: bool = False


@dataclass
class Content:
    """All keys; `FLUSHALL` is a new one."""

    lists: defaultdict[str, deque[bytes]] = field(default_factory=lambda: defaultdict(deque))
    unacknowledged: dict[str, Unacknowledged] = field(default_factory=dict)
    records: dict[str, RunRecord] = field(default_factory=dict)
    leases: defaultdict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    paces: dict[str, Pace] = field(default_factory=dict)
    published: Counter[str] = field(default_factory=Counter)
    draining: dict[str, float] = field(default_factory=dict)
    results: Results = field(default_factory=Results)
    outbox: dict[str, bytes] = field(default_factory=dict)
    dead_letters: dict[str, DeadLetter] = field(default_factory=dict)


class Server:
    """One Redis for several fakes.

    Args:
        clock: seconds since the epoch; the clock of Redis and of everyone else.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.news = asyncio.Event()
        self._content = Content()
        self._reachable = True
        self._numbers = itertools.count(1)

    @property
    def reachable(self) -> bool:
        return self._reachable

    @reachable.setter
    def reachable(self, value: bool) -> None:
        self._reachable = value
        self.news.set()  # a reader that waits loses its connection

    def content(self) -> Content:
        """Return the keys; raise what the client of Redis raises while the server is away."""
        if not self._reachable:
            raise RedisConnectionError("Connection refused.")
        return self._content

    async def round_trip(self) -> Content:
        """Yield once to the event loop, as every command does, and return the keys."""
        await asyncio.sleep(0)
        return self.content()

    def flush(self) -> None:
        """Lose every key, as FLUSHALL does, or a restart without persistence."""
        self._content = Content()
        self.news.set()

    def identity(self) -> str:
        """Return the identity of a stream entry, a delivery or a lease: never the same one twice."""
        return f"{int(self.clock() * 1000)}-{next(self._numbers)}"

    def record(self, run: str) -> RunRecord | None:
        """Return a record whose time to live has not passed."""
        records = self.content().records
        found = records.get(run)
        if found is not None and found.expires <= self.clock():
            del records[run]
            return None
        return found

    def written_record(self, run: str) -> RunRecord:
        """Return a record to write to; HSET makes one where there is none."""
        return self.record(run) or self.content().records.setdefault(run, RunRecord())

    def report(self, event: Event, task: Task) -> None:
        """Append to the results stream."""
        self.append_report(keys.write_report(event, task))

    def append_report(self, content: bytes) -> None:
        """Append what anybody wrote to the results stream."""
        results, entry = self.content().results, self.identity()
        results.entries[entry] = content
        results.unread.append(entry)
        self.news.set()

    def is_draining(self, worker: str) -> bool:
        """Return whether the flag of a worker stands and has not expired."""
        return self.content().draining.get(worker, 0.0) > self.clock()

    def running(self, queue: str) -> tuple[str, ...]:
        """Return the workers that hold leases of a queue, in the order in which these end."""
        leases = sorted((until, member) for member, until in self.content().leases[queue].items())
        return tuple(member.partition(" ")[2] for until, member in leases if until > self.clock())

    def pace(self, queue: str) -> Pace | None:
        """Return the pace of a queue, if it has not expired."""
        pace = self.content().paces.get(queue)
        return None if pace is None or pace.expires <= self.clock() else pace

    def lists_of(self, queue: str) -> Iterator[deque[bytes]]:
        """Yield the lists of a queue, most urgent first; in each, the newest message is the leftmost."""
        return (self.content().lists[key] for key in keys.queue_keys(queue))
