"""The operator's side of Redis: publish tasks, read results and records, stop runs."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import time
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.bad_records import (
    Answer,
    BadRecord,
    BadRecords,
    KeyTypes,
    RecordKind,
    is_wrong_type,
)
from twin_operator.adapters.redis_queue.event_channel import SentEvents
from twin_operator.adapters.redis_queue.message import Messages, run_of, target_of, task_message_of
from twin_operator.adapters.redis_queue.results_stream import ResultsStream
from twin_operator.adapters.redis_queue.withdrawal import StoppedRuns, withdraw
from twin_operator.services.runs.run import BoundVersion, Report, Run, Stop, Target, Task, TaskMessage, object_of

NO_INTEGER: Final = "is not an integer"  # how Redis names a count that it cannot add to
PAGE: Final = 500  # messages a read: a resync must not hold Redis for long


@dataclass
class Broker:
    """Asynchronous access to queues, runs and the results stream.

    Args:
        redis: connection with `decode_responses` off.
        run_ttl_seconds: life of a run's record.
        on_publish: called with the queues that tasks went into.
        messages: writes them, signed where the installation has a key.
        sent: sends the event that a task was sent; None where Celery's events are off.
        types: removes keys of another type, and counts records that cannot be read.
    """

    redis: Redis
    run_ttl_seconds: int
    on_publish: Callable[[Collection[str]], None]
    messages: Messages
    sent: SentEvents | None
    types: KeyTypes
    _stopped: StoppedRuns = field(default_factory=StoppedRuns)

    async def publish(self, tasks: Collection[Task]) -> None:
        """Put tasks into their queues as Celery messages (protocol 2), in one pipeline.

        The first time of queueing is kept in the run's record.
        """
        counts = Counter(task.queue for task in tasks)
        messages = [self.messages.write(task) for task in tasks]
        uncounted = await self.types.repaired(
            keys.types_of(*{task.queue for task in tasks}), lambda: self._publish(tasks, messages, counts)
        )
        for queue in uncounted:
            self.types.bad.found(RecordKind.PUBLISHED, f"{keys.PUBLISHED} {queue}")
            await self.types.repaired(keys.types_of(keys.PUBLISHED), partial(self._begin_count, queue, counts[queue]))
        self.on_publish(counts)

    async def _publish(
        self, tasks: Collection[Task], messages: Collection[tuple[str, bytes]], counts: Mapping[str, int]
    ) -> list[str]:
        """Put messages into their lists; return the queues whose count of publications cannot be read."""
        async with self.redis.pipeline(transaction=False) as pipe:
            if self.sent:  # before the messages: a worker may be quicker than the rest of the pipeline
                for task in tasks:
                    pipe.publish(*self.sent.write(task, time()))
            for key, message in messages:
                pipe.execute_command("LPUSH", key, message)
            for queue, count in counts.items():
                pipe.hincrby(keys.PUBLISHED, queue, count)
            answers = await pipe.execute(raise_on_error=False)
        counted = dict(zip(counts, answers[-len(counts) :], strict=True)) if counts else {}
        uncounted = [queue for queue, answer in counted.items() if is_wrong_type(answer) or NO_INTEGER in str(answer)]
        _raise_first([*answers[: len(answers) - len(counts)], *(counted[queue] for queue in counts.keys() - uncounted)])
        return uncounted

    async def _begin_count(self, queue: str, count: int) -> None:
        await self.redis.hset(keys.PUBLISHED, queue, str(count))

    async def mark_queued(self, queued: Mapping[str, float]) -> None:
        """Write the time of queueing of runs that have none; seconds since the epoch by run."""
        await self._of_runs(queued, lambda: self._mark_queued(queued))

    async def _mark_queued(self, queued: Mapping[str, float]) -> None:
        async with self.redis.pipeline(transaction=False) as pipe:
            for run, moment in queued.items():
                pipe.hsetnx(keys.run_key(run), "queued", repr(moment))
                pipe.expire(keys.run_key(run), self.run_ttl_seconds)
            await pipe.execute()

    async def bind(self, bound: Mapping[str, BoundVersion], queued: float) -> None:
        """Write which version answers each run, and the time of queueing (seconds since the epoch) of those without."""
        await self._of_runs(bound, lambda: self._bind(bound, queued))

    async def _bind(self, bound: Mapping[str, BoundVersion], queued: float) -> None:
        async with self.redis.pipeline(transaction=False) as pipe:
            for run, version in bound.items():
                pipe.hsetnx(keys.run_key(run), "queued", repr(queued))
                pipe.hset(keys.run_key(run), items=keys.version_items(version))
                pipe.expire(keys.run_key(run), self.run_ttl_seconds)
            await pipe.execute()

    async def runs(self, ids: Iterable[str]) -> dict[str, Run]:
        """Read the records of runs; a run that Redis does not know is an empty record.

        A record that cannot be read is dropped: its run begins again, and the others do not wait.
        """
        order = list(ids)
        if not order:
            return {}
        (seconds, micros), *hashes = await self._of_runs(order, lambda: self._records(order))
        now, read, bad = seconds + micros / 1e6, {}, []
        for run, fields in zip(order, hashes, strict=True):
            try:
                read[run] = keys.read_run(fields, now)
            except BadRecord:
                read[run] = Run()
                bad.append(keys.run_key(run))
        await self._drop_records(bad)
        return read

    async def _records(self, runs: Collection[str]) -> list[Any]:
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for run in runs:
                pipe.hgetall(keys.run_key(run))
            return list(await pipe.execute())

    async def _drop_records(self, bad: Collection[str]) -> None:
        for key in bad:
            self.types.bad.found(RecordKind.RUN, key)
        if bad:
            await self.redis.delete(*bad)

    async def _of_runs(self, runs: Iterable[str], ask: Callable[[], Awaitable[Answer]]) -> Answer:
        return await self.types.repaired({keys.run_key(run): "hash" for run in runs}, ask)

    async def stop(self, run: str, why: Stop) -> None:
        """Make the worker end the run at its next renewal, and later claims be refused.

        The stop is kept longer than any message of the run: workers take none that is older than a run's record.
        """
        await self._of_runs([run], lambda: self._stop_run(run, why))
        self._stopped.add(run)

    async def _stop_run(self, run: str, why: Stop) -> None:
        async with self.redis.pipeline() as pipe:
            self._stop(pipe, run, why)
            await pipe.execute()

    def _stop(self, pipe: Pipeline, run: str, why: Stop) -> None:
        pipe.hset(keys.run_key(run), "stop", why)
        pipe.expire(keys.run_key(run), self.run_ttl_seconds + keys.STOP_MARGIN_SECONDS)

    async def resume(self, run: str) -> None:
        """Let a stopped run be claimed again."""
        self._stopped.discard(run)
        await self._of_runs([run], lambda: self._resume(run))

    async def _resume(self, run: str) -> None:
        await self.redis.hdel(keys.run_key(run), "stop")

    async def withdraw(self) -> None:
        """Wait until runs are stopped; remove their messages, but for those that a worker has taken."""
        stopped = await self._stopped.gathered()
        taken = frozenset(stopped)
        queues = await self.types.repaired(keys.types_of(keys.PUBLISHED), self._queues)
        await self.types.repaired(keys.types_of(*queues), lambda: withdraw(self.redis, queues, stopped))
        self._stopped.done(taken)

    async def _queues(self) -> list[str]:
        names: Any = await self.redis.hkeys(keys.PUBLISHED)
        return [name.decode(errors="replace") for name in names]

    async def forget(self, runs: Collection[str]) -> None:
        """Drop the records of runs; messages of theirs that still exist are refused until `resume`."""
        if runs:
            async with self.redis.pipeline() as pipe:
                for run in runs:
                    pipe.delete(keys.run_key(run))
                    self._stop(pipe, run, Stop.CANCELLED)
                await pipe.execute()

    async def drop(self, run: str) -> None:
        """Drop the record of a run that never had a message: a stop of it would be kept for a day."""
        await self.redis.delete(keys.run_key(run))

    async def waiting(self, queues: Collection[str]) -> set[str]:
        """Return the runs whose message stands in a queue or is delivered and not yet acknowledged."""
        kinds = keys.types_of(keys.PUBLISHED, keys.UNACKED, *queues)
        return await self.types.repaired(kinds, lambda: self._waiting(queues))

    async def _waiting(self, queues: Collection[str]) -> set[str]:
        used = set(queues).intersection(await self._queues())  # not every name that a user gave a queue
        found = {run_of(message) async for message in self._messages(used)}
        return {run for run in found if run is not None}

    async def task_messages(self, queue: str) -> dict[str, TaskMessage]:
        """Return what is in a queue, or unacknowledged in any, by run; but for the messages of Simulations."""
        kinds = keys.types_of(keys.PUBLISHED, keys.UNACKED, queue)
        return await self.types.repaired(kinds, lambda: self._task_messages(queue))

    async def _task_messages(self, queue: str) -> dict[str, TaskMessage]:
        used = {queue}.intersection(await self._queues())
        found = [task_message_of(message) async for message in self._messages(used)]
        return dict(each for each in found if each is not None)

    async def targets(self, followed: Collection[str]) -> dict[str, Target]:
        """Return the objects of runs with a message in any queue or unacknowledged, but for uids that are followed."""
        return await self.types.repaired(keys.types_of(keys.PUBLISHED, keys.UNACKED), lambda: self._targets(followed))

    async def _targets(self, followed: Collection[str]) -> dict[str, Target]:
        found: dict[str, Target] = {}
        async for message in self._messages(await self._queues()):
            run = run_of(message)
            target = None if run is None or object_of(run) in followed else target_of(message)
            if run is not None and target is not None and run.startswith(target.uid):
                found[run] = target
        return found

    async def _messages(self, queues: Collection[str]) -> AsyncIterator[bytes]:
        for queue in queues:
            for key in keys.queue_keys(queue):
                async for message in self._list(key):
                    yield message
        async for tag, content in self.redis.hscan_iter(keys.UNACKED, count=PAGE):
            try:
                yield keys.read_delivered(content)[0]
            except BadRecord:
                await drop_delivered(self.redis, self.types.bad, tag)

    async def depths(self, queues: Collection[str]) -> dict[str, int]:
        """Return how many messages stand in each queue, over its priorities."""
        return await queue_depths(self.redis, queues)

    async def reports(self, *, pending: bool, block_ms: int = 1000, count: int = 200) -> list[Report]:
        """Read entries of the results stream.

        Args:
            pending: what was delivered before and never acknowledged, in place of what is new.
            block_ms: longest wait for news, milliseconds.
            count: most entries a read.
        """
        return await ResultsStream(self.redis, self.types).read(None if pending else block_ms, count)

    async def acknowledge(self, entries: Collection[str]) -> None:
        """Drop entries whose consequences stand in the API server."""
        await ResultsStream(self.redis, self.types).acknowledge(entries)

    async def _list(self, key: str) -> AsyncIterator[bytes]:
        start = 0
        while page := await self.redis.lrange(key, start, start + PAGE - 1):
            for message in page:
                yield bytes(message)  # type: ignore[arg-type]  # text only where decode_responses is on
            start += PAGE


def _raise_first(answers: Iterable[object]) -> None:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer


async def drop_delivered(redis: Redis, bad: BadRecords, tag: bytes) -> None:
    """Remove a delivered message that cannot be read: a worker cannot return it to its queue either."""
    bad.found(RecordKind.DELIVERED, f"{keys.UNACKED} {tag.decode(errors='replace')}")
    await redis.hdel(keys.UNACKED, tag)


async def queue_depths(redis: Redis, queues: Collection[str]) -> dict[str, int]:
    """Return how many messages stand in each queue, over its priorities."""
    names = [(queue, key) for queue in queues for key in keys.queue_keys(queue)]
    async with redis.pipeline(transaction=False) as pipe:
        for _queue, key in names:
            pipe.llen(key)
        lengths = await pipe.execute()
    depths = dict.fromkeys(queues, 0)
    for (queue, _key), length in zip(names, lengths, strict=True):
        depths[queue] += length
    return depths
