"""The queue in memory: the port `RunQueue` on the side of the operator, and what a Celery worker does with messages.

A worker takes a message, claims its run and ends the delivery by `record`, `fail`, `give_back` or `die`. One that does
none of these has vanished: its lease ends by itself, and its message returns after the visibility timeout.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import orjson

from tests.fakes.claims import InMemoryClaims
from tests.fakes.dead_letters import InMemoryDeadLetters
from tests.fakes.redis_content import Content, Server, Unacknowledged
from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.bad_records import BadRecord, RecordKind
from twin_operator.adapters.redis_queue.delivery import Reason, Refusal
from twin_operator.adapters.redis_queue.withdrawal import StoppedRuns
from twin_operator.services.runs.run import (
    BoundVersion,
    Outcome,
    Report,
    Run,
    Stop,
    Target,
    Task,
    TaskKind,
    TaskMessage,
    object_of,
)
from twin_operator.services.runs.tracing import RunTrace, parse, traceparent_of

LEAST_PRIORITY = 9  # api.md: 9 is the most urgent; kombu takes 0 first
LEASE_SECONDS = 10.0  # as in settings.py
VISIBILITY_TIMEOUT_SECONDS = 15.0  # as a worker derives it from the lease of settings.py
RUN_TTL_SECONDS = 86_400.0  # as in settings.py


@dataclass(frozen=True)
class Delivery:
    """A message that a worker process has taken.

    Attributes:
        tag: of the delivery; each delivery of a message has another one.
        claims: of the process that took it.
    """

    tag: str
    task: Task
    queue: str
    worker: str
    message: bytes = field(repr=False)
    claims: InMemoryClaims = field(repr=False, compare=False)


class InMemoryQueue:
    """Queues, runs and results.

    Args:
        clock: seconds since the epoch.
        run_ttl_seconds: life of a run's record.
        lease_seconds: life of a claim without renewal.
        visibility_timeout: seconds after which an unacknowledged message returns.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        run_ttl_seconds: float = RUN_TTL_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
        visibility_timeout: float = VISIBILITY_TIMEOUT_SECONDS,
    ) -> None:
        self.server = Server(clock)
        self.run_ttl_seconds = run_ttl_seconds
        self.lease_seconds = lease_seconds
        self.visibility_timeout = visibility_timeout
        self.on_publish: Callable[[Collection[str]], None] = lambda _queues: None
        self.bad_records: list[str] = []
        self.dead_letters = InMemoryDeadLetters(self.server)
        self._stopped = StoppedRuns()
        self._arrived = asyncio.Event()

    @property
    def reachable(self) -> bool:
        """Whether Redis answers; while not, every call raises `redis.exceptions.ConnectionError`."""
        return self.server.reachable

    @reachable.setter
    def reachable(self, value: bool) -> None:
        self.server.reachable = value

    # The operator's side.

    async def publish(self, tasks: Collection[Task]) -> None:
        content = await self.server.round_trip()
        counts = Counter(task.queue for task in tasks)
        for task in tasks:
            key = keys.queue_key(task.queue, LEAST_PRIORITY - task.priority)
            content.lists[key].appendleft(message_of(task, self.server.clock()))
        content.published.update(counts)
        self._arrived.set()
        self.on_publish(counts)

    async def mark_queued(self, queued: Mapping[str, float]) -> None:
        await self.server.round_trip()
        for run, moment in queued.items():
            record = self.server.written_record(run)
            record.queued = moment if record.queued is None else record.queued
            record.expires = self.server.clock() + self.run_ttl_seconds

    async def bind(self, bound: Mapping[str, BoundVersion], queued: float) -> None:
        await self.server.round_trip()
        for run, version in bound.items():
            record = self.server.written_record(run)
            record.queued = queued if record.queued is None else record.queued
            record.bound = version
            record.expires = self.server.clock() + self.run_ttl_seconds

    async def runs(self, ids: Iterable[str]) -> dict[str, Run]:
        order = list(ids)
        if not order:
            return {}
        await self.server.round_trip()
        now = self.server.clock()
        records = {run: self.server.record(run) for run in order}
        return {run: Run() if record is None else record.read(now) for run, record in records.items()}

    async def stop(self, run: str, why: Stop) -> None:
        await self.server.round_trip()
        self._stop(run, why)
        self._stopped.add(run)

    async def withdraw(self) -> None:
        stopped = await self._stopped.gathered()
        taken = frozenset(stopped)
        content = await self.server.round_trip()
        for messages in content.lists.values():
            for message in [each for each in messages if _run_of(each) in stopped]:
                messages.remove(message)
        self._stopped.done(taken)

    def _stop(self, run: str, why: Stop) -> None:
        record = self.server.written_record(run)
        record.stop, record.expires = why, self.server.clock() + self.run_ttl_seconds + keys.STOP_MARGIN_SECONDS

    async def resume(self, run: str) -> None:
        self._stopped.discard(run)
        await self.server.round_trip()
        record = self.server.record(run)
        if record is not None:
            record.stop = None

    async def forget(self, runs: Collection[str]) -> None:
        if runs:
            content = await self.server.round_trip()
            for run in runs:
                content.records.pop(run, None)
                self._stop(run, Stop.CANCELLED)

    async def drop(self, run: str) -> None:
        (await self.server.round_trip()).records.pop(run, None)

    async def waiting(self, queues: Collection[str]) -> set[str]:
        self._drop_unreadable(await self.server.round_trip())
        return {run for run in map(_run_of, self._messages(queues)) if run is not None}

    async def task_messages(self, queue: str) -> dict[str, TaskMessage]:
        self._drop_unreadable(await self.server.round_trip())
        messages = [each for each in self._messages([queue]) if _run_of(each) is not None]
        tasks = [(_task(message), len(message)) for message in messages]
        others = [(task, size) for task, size in tasks if task.kind is not TaskKind.SIMULATE]
        return {task.run: TaskMessage(task.target.namespace, task.queue, size) for task, size in others}

    def _drop_unreadable(self, content: Content) -> None:
        """Drop delivered messages that are none."""
        for tag in [tag for tag, each in content.unacknowledged.items() if _run_of(each.message) is None]:
            del content.unacknowledged[tag]
            self.bad_records.append(RecordKind.DELIVERED)

    async def targets(self, followed: Collection[str]) -> dict[str, Target]:
        content = await self.server.round_trip()
        self._drop_unreadable(content)
        runs = {_run_of(message): message for message in self._messages(content.published)}
        strange = [message for run, message in runs.items() if run is not None and object_of(run) not in followed]
        return {task.run: task.target for task in map(_task, strange) if task.run.startswith(task.target.uid)}

    def _messages(self, queues: Iterable[str]) -> list[bytes]:
        standing = [message for queue in queues for messages in self.server.lists_of(queue) for message in messages]
        return standing + [each.message for each in self.server.content().unacknowledged.values()]

    async def depths(self, queues: Collection[str]) -> dict[str, int]:
        await self.server.round_trip()
        return {queue: sum(map(len, self.server.lists_of(queue))) for queue in queues}

    async def reports(self, *, pending: bool, block_ms: int = 1000, count: int = 200) -> list[Report]:
        content = await self.server.round_trip()
        if content.results.group and not pending and not content.results.unread:
            await self._wait_for_news(block_ms / 1000)
        results = self.server.content().results
        if not results.group:
            results.group = True
            return []
        if not pending:
            fresh = [results.unread.popleft() for _ in range(min(count, len(results.unread)))]
            results.pending += fresh
        read, entries = [], results.pending[:count] if pending else fresh
        for entry in entries:
            try:
                read.append(keys.read_report(entry, results.entries[entry]))
            except BadRecord:
                self.bad_records.append(RecordKind.REPORT)
                await self.acknowledge([entry])
        return read

    async def acknowledge(self, entries: Collection[str]) -> None:
        if entries:
            results = (await self.server.round_trip()).results
            dropped = set(entries)
            results.pending = [entry for entry in results.pending if entry not in dropped]
            for entry in entries:
                results.entries.pop(entry, None)

    async def ping(self) -> bool:
        await self.server.round_trip()
        return True

    async def count_dead_letters(self) -> int:
        return len((await self.server.round_trip()).dead_letters)

    async def _wait_for_news(self, seconds: float) -> None:
        self.server.news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.server.news.wait()

    # A worker's side.

    def claims(self, worker: str) -> InMemoryClaims:
        """Return the claims of a new process of a worker."""
        return InMemoryClaims(self.server, worker, self.lease_seconds, self.run_ttl_seconds)

    def take(self, queues: Collection[str], worker: str) -> Delivery | None:
        """Take the next message, the most urgent of these queues first; None without one, and for a draining worker."""
        content = self.server.content()
        self._restore_visible()
        if self.server.is_draining(worker):
            return None
        for step in keys.PRIORITY_STEPS:
            for queue in queues:
                messages = content.lists[keys.queue_key(queue, step)]
                while messages:
                    delivery = self._deliver(messages.pop(), queue, worker)
                    if delivery is not None:
                        return delivery
        return None

    def claim(self, delivery: Delivery) -> str:
        """Claim the run of a message; a message whose claim is refused is done with, as in `worker.tasks.Frame`."""
        task = delivery.task
        if task.deadline is not None and self.server.clock() > task.deadline:
            verdict = "past its deadline"
        else:
            verdict = delivery.claims.claim(task)
        if verdict == "draining":
            self._return(delivery, first=False)
        elif verdict != "claimed":
            self.settle(delivery)
        if verdict == "exhausted":
            refusal = Refusal(Reason.EXHAUSTED, "its run has had all its attempts", task.run)
            self.dead_letters.add(delivery.message, delivery.queue, refusal, delivery.worker)
        return verdict

    def claimed(self, queue: str, worker: str = "worker-1") -> Delivery:
        """Take the next message of a queue, and claim its run; fail where there is none, or the claim is refused."""
        delivery = self.take([queue], worker)
        assert delivery is not None
        assert self.claim(delivery) == "claimed"
        return delivery

    def renew(self, delivery: Delivery) -> str:
        """Renew the lease and the message's visibility; return `go on`, `lost` or a `Stop`."""
        return delivery.claims.renew(delivery.task.run, delivery.tag)

    def record(self, delivery: Delivery, outcome: Outcome) -> bool:
        """Record the result and acknowledge the message; return whether this result stands."""
        stands = delivery.claims.record(delivery.task, outcome)
        self.settle(delivery)
        return stands

    def fail(self, delivery: Delivery, error: str) -> bool:
        """Report a failed attempt and acknowledge the message; return whether the lease was still this process's."""
        reported = delivery.claims.fail_attempt(delivery.task, error)
        self.settle(delivery)
        return reported

    def give_back(self, delivery: Delivery) -> None:
        """Give the attempt back and return the message to the head of its queue: a clean stop."""
        delivery.claims.give_back(delivery.task.run)
        self._return(delivery, first=True)

    def die(self, delivery: Delivery) -> None:
        """End the lease and return the message to the end of its queue: the child died, its attempt stays counted."""
        delivery.claims.end_attempt_of_worker(delivery.task.run, delivery.queue)
        self._return(delivery, first=False)

    def push(self, queue: str, message: bytes, priority: int = 4) -> None:
        """Put any bytes into a queue, as another program may; `priority` is kombu's, 0 the most urgent."""
        self.server.content().lists[keys.queue_key(queue, priority)].appendleft(message)
        self._arrived.set()

    async def until_messages(self) -> None:
        """Return when some message stands in a queue, or was delivered and not acknowledged."""
        while not (self.server.content().unacknowledged or any(self.server.content().lists.values())):
            self._arrived.clear()
            await self._arrived.wait()

    def flush(self) -> None:
        """Lose every key."""
        self.server.flush()

    def lose_messages(self) -> None:
        """Lose messages, standing and delivered, and nothing else."""
        content = self.server.content()
        content.lists.clear()
        content.unacknowledged.clear()

    def _deliver(self, message: bytes, queue: str, worker: str) -> Delivery | None:
        try:
            task = _task(message)
        except (ValueError, TypeError, KeyError):
            refusal = Refusal(Reason.UNDECODABLE, "it is not JSON", _run_of(message))
            self.dead_letters.add(message, queue, refusal, worker)
            return None
        tag, now = self.server.identity(), self.server.clock()
        if now - _published(message) > self.run_ttl_seconds:
            self.dead_letters.add(message, queue, Refusal(Reason.OUTDATED, "it is too old", task.run), worker)
            return None
        self.server.content().unacknowledged[tag] = Unacknowledged(message, queue, now)
        return Delivery(tag, task, queue, worker, message, self.claims(worker))

    def _restore_visible(self) -> None:
        """Return what is unacknowledged for longer than the visibility timeout to the head of its queue."""
        unacknowledged, latest = self.server.content().unacknowledged, self.server.clock() - self.visibility_timeout
        overdue = [(each.since, tag) for tag, each in unacknowledged.items() if each.since <= latest]
        for _since, tag in sorted(overdue, reverse=True):
            each = unacknowledged.pop(tag)
            self._list_of(each.message, each.queue).append(each.message)

    def settle(self, delivery: Delivery) -> bool:
        """Acknowledge a message; return whether it was still this delivery's."""
        return self.server.content().unacknowledged.pop(delivery.tag, None) is not None

    def _return(self, delivery: Delivery, *, first: bool) -> None:
        if self.settle(delivery):
            messages = self._list_of(delivery.message, delivery.queue)
            (messages.append if first else messages.appendleft)(delivery.message)

    def _list_of(self, message: bytes, queue: str) -> deque[bytes]:
        return self.server.content().lists[keys.queue_key(queue, keys.priority_of(message))]


def message_of(task: Task, now: float) -> bytes:
    """Return the parts of a Celery message that are read; `default=list` as in `Messages`."""
    headers = {"id": task.run, "task": f"twinops.{task.kind}", keys.PUBLISHED_AT: now}
    if task.trace is not None:
        headers["traceparent"] = traceparent_of(task.trace.context)
    properties = {"priority": LEAST_PRIORITY - task.priority}
    return orjson.dumps({"headers": headers, "properties": properties, "body": task.to_json()}, default=list)


def _task(message: bytes) -> Task:
    envelope = orjson.loads(message)
    context = parse(envelope["headers"].get("traceparent"))
    return replace(Task.from_json(envelope["body"]), trace=None if context is None else RunTrace(context))


def _published(message: bytes) -> float:
    return float(orjson.loads(message)["headers"].get(keys.PUBLISHED_AT, math.inf))


def _run_of(message: bytes) -> str | None:
    try:
        return str(orjson.loads(message)["headers"]["id"])
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return None
