"""The operator's side of Redis: publish tasks, read results and records, stop runs."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from secrets import randbits
from time import time
from typing import Any, Final

import orjson
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.event_channel import SentEvents
from twin_operator.adapters.redis_queue.message import Messages, run_of, target_of
from twin_operator.services.runs.run import BoundVersion, Report, Run, Stop, Target, Task, object_of
from twin_operator.services.runs.spans import publication
from twin_operator.services.runs.tracing import SPAN_BITS, Tracer

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
    """

    redis: Redis
    run_ttl_seconds: int
    on_publish: Callable[[Collection[str]], None]
    messages: Messages
    sent: SentEvents | None

    async def publish(self, tasks: Collection[Task]) -> None:
        """Put tasks into their queues as Celery messages (protocol 2), in one pipeline.

        The first time of queueing is kept in the run's record.
        """
        async with self.redis.pipeline(transaction=False) as pipe:
            for task in tasks:
                if self.sent:  # before the message: a worker may be quicker than the rest of the pipeline
                    pipe.publish(*self.sent.write(task, time()))
                pipe.execute_command("LPUSH", *self.messages.write(task))
            counts = Counter(task.queue for task in tasks)
            for queue, count in counts.items():
                pipe.hincrby(keys.PUBLISHED, queue, count)
            await pipe.execute()
        self.on_publish(counts)

    async def mark_queued(self, queued: Mapping[str, float]) -> None:
        """Write the time of queueing of runs that have none; seconds since the epoch by run."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for run, moment in queued.items():
                pipe.hsetnx(keys.run_key(run), "queued", repr(moment))
                pipe.expire(keys.run_key(run), self.run_ttl_seconds)
            await pipe.execute()

    async def bind(self, bound: Mapping[str, BoundVersion], queued: float) -> None:
        """Write which version answers each run, and the time of queueing (seconds since the epoch) of those without."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for run, version in bound.items():
                pipe.hsetnx(keys.run_key(run), "queued", repr(queued))
                pipe.hset(keys.run_key(run), items=keys.version_items(version))
                pipe.expire(keys.run_key(run), self.run_ttl_seconds)
            await pipe.execute()

    async def runs(self, ids: Iterable[str]) -> dict[str, Run]:
        """Read the records of runs; a run that Redis does not know is an empty record."""
        order = list(ids)
        if not order:
            return {}
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for run in order:
                pipe.hgetall(keys.run_key(run))
            (seconds, micros), *hashes = await pipe.execute()
        now = seconds + micros / 1e6
        return {run: keys.read_run(fields, now) for run, fields in zip(order, hashes, strict=True)}

    async def stop(self, run: str, why: Stop) -> None:
        """Make the worker end the run at its next renewal, and later claims be refused.

        The stop is kept longer than any message of the run: workers take none that is older than a run's record.
        """
        async with self.redis.pipeline() as pipe:
            self._stop(pipe, run, why)
            await pipe.execute()

    def _stop(self, pipe: Pipeline, run: str, why: Stop) -> None:
        pipe.hset(keys.run_key(run), "stop", why)
        pipe.expire(keys.run_key(run), self.run_ttl_seconds + keys.STOP_MARGIN_SECONDS)

    async def resume(self, run: str) -> None:
        """Let a stopped run be claimed again."""
        await self.redis.hdel(keys.run_key(run), "stop")

    async def forget(self, runs: Collection[str]) -> None:
        """Drop the records of runs; messages of theirs that still exist are refused until `resume`."""
        if runs:
            async with self.redis.pipeline() as pipe:
                for run in runs:
                    pipe.delete(keys.run_key(run))
                    self._stop(pipe, run, Stop.CANCELLED)
                await pipe.execute()

    async def waiting(self, queues: Collection[str]) -> set[str]:
        """Return the runs whose message stands in a queue or is delivered and not yet acknowledged."""
        found = {run_of(message) async for message in self._messages(queues)}
        return {run for run in found if run is not None}

    async def targets(self, followed: Collection[str]) -> dict[str, Target]:
        """Return the objects of runs with a message in any queue or unacknowledged, but for uids that are followed."""
        names: Any = await self.redis.hkeys(keys.PUBLISHED)
        found: dict[str, Target] = {}
        async for message in self._messages([name.decode() for name in names]):
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
        async for _tag, content in self.redis.hscan_iter(f"{keys.PREFIX}unacked", count=PAGE):
            yield orjson.dumps(orjson.loads(content)[0])

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
        start = "0" if pending else ">"
        try:
            answer: Any = await self.redis.xreadgroup(
                keys.GROUP, keys.CONSUMER, {keys.RESULTS: start}, count=count, block=None if pending else block_ms
            )
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self._create_group()
            return []
        streams = answer.items() if isinstance(answer, dict) else (answer or [])
        return [report for _stream, entries in streams for report in _reports(entries)]

    async def _create_group(self) -> None:
        try:
            await self.redis.xgroup_create(keys.RESULTS, keys.GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):  # another process, such as the leader before, created it meanwhile
                raise

    async def acknowledge(self, entries: Collection[str]) -> None:
        """Drop entries whose consequences stand in the API server."""
        if entries:
            async with self.redis.pipeline(transaction=False) as pipe:
                pipe.xack(keys.RESULTS, keys.GROUP, *entries)
                pipe.xdel(keys.RESULTS, *entries)
                await pipe.execute()

    async def _list(self, key: str) -> AsyncIterator[bytes]:
        start = 0
        while page := await self.redis.lrange(key, start, start + PAGE - 1):
            for message in page:
                yield bytes(message)  # type: ignore[arg-type]  # text only where decode_responses is on
            start += PAGE


@dataclass
class TracedBroker(Broker):
    """A broker that records a PRODUCER span for each message, where traces are recorded.

    Args:
        tracer: takes spans.
    """

    tracer: Tracer

    async def publish(self, tasks: Collection[Task]) -> None:
        """Put tasks into their queues, with the span of their publication as parent of what workers do."""
        traces = {
            task.run: task.trace.decided(sampled=self.tracer.sampled(task.trace))
            for task in tasks
            if task.trace is not None
        }
        published = {
            run: trace.child(randbits(SPAN_BITS)) for run, trace in traces.items() if trace.context.trace_flags.sampled
        }
        places = traces | published
        start = time()
        await super().publish([replace(task, trace=places.get(task.run)) for task in tasks])
        end = time()
        for task in tasks:
            if task.run in published:
                self.tracer.record(publication(task, published[task.run], start, end))


def _reports(entries: Iterable[Any]) -> list[Report]:
    flat = [entry for entry in entries if entry]
    if flat and isinstance(flat[0], list):  # RESP3 wraps the entries of a stream once more
        flat = flat[0]
    return [keys.read_report(entry.decode(), fields[b"report"]) for entry, fields in flat if fields]


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
