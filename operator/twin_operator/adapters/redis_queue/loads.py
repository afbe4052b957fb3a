"""What queues hold and who works on them, for the scaling of pools; and the flags of workers that are to drain."""

from collections import Counter
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.bad_records import Answer, BadRecord, KeyTypes, RecordKind
from twin_operator.adapters.redis_queue.broker import drop_delivered
from twin_operator.services.pools.ports import QueueReading

COUNT_DIGITS: Final = 18  # of a number that Redis counts: more does not fit into 64 bits
LONGEST_PACE: Final = 31 * 86_400.0  # seconds that a task may take: more than any lease and deadline allows


@dataclass(frozen=True)
class Loads:
    """Readings of queues in one pipeline each.

    Args:
        redis: connection with `decode_responses` off that gives up soon: a late reading is of no use.
        types: removes keys of another type, and counts records that cannot be read, on the same connection.
    """

    redis: Redis
    types: KeyTypes

    async def read(self, queues: Collection[str]) -> tuple[QueueReading, ...]:
        """Read queues, in the order given.

        Raises:
            ConnectionError: Redis does not answer.
        """
        order = list(queues)
        answers = await _answer(self.types.repaired(_types(order), lambda: self._pipeline(order)))
        (seconds, micros), published, delivered, *rest = answers
        now, size = seconds + micros / 1e6, len(rest) // len(order)
        slices = [rest[start : start + size] for start in range(0, len(rest), size)]
        readings = [
            await _answer(self._reading(queue, answers, count, now))
            for queue, answers, count in zip(order, slices, published, strict=True)
        ]
        if delivered and any(not reading.depth and not reading.workers for reading in readings):
            return _with_unclaimed(readings, await _answer(self._delivered()))
        return tuple(readings)

    async def _reading(self, queue: str, answers: Sequence[Any], published: bytes | None, now: float) -> QueueReading:
        steps = len(keys.PRIORITY_STEPS)
        lengths, oldest, (leases, pace) = answers[:steps], answers[steps : 2 * steps], answers[2 * steps :]
        waits = [now - at for at in map(_published_at, oldest) if at is not None]
        return QueueReading(
            name=queue,
            depth=sum(lengths),
            workers=tuple(await self._workers(queue, leases, now)),
            published=await self._count(queue, published),
            seconds_per_task=await self._pace(queue, pace),
            oldest_seconds=max(0.0, *waits) if waits else None,
        )

    async def _workers(self, queue: str, leases: Sequence[tuple[bytes, float]], now: float) -> list[str]:
        """Return who holds leases; members that are none leave the index."""
        key, workers, bad = keys.leases_key(queue), [], []
        for member, until in leases:
            worker = _worker(member)
            if worker is None:
                bad.append(member)
            elif until > now:
                workers.append(worker)
        if bad:
            self.types.bad.found(RecordKind.LEASE, key)
            await self.redis.zrem(key, *bad)
        return workers

    async def _count(self, queue: str, published: bytes | None) -> int:
        if published is None or (published.isdigit() and len(published) <= COUNT_DIGITS):
            return int(published or 0)
        self.types.bad.found(RecordKind.PUBLISHED, f"{keys.PUBLISHED} {queue}")
        await self.redis.hdel(keys.PUBLISHED, queue)
        return 0

    async def _pace(self, queue: str, pace: bytes | None) -> float | None:
        if pace is None:
            return None
        try:
            return keys.seconds(pace, LONGEST_PACE)
        except BadRecord:
            self.types.bad.found(RecordKind.PACE, keys.pace_key(queue))
            await self.redis.delete(keys.pace_key(queue))
            return None

    async def busy(self, queues: Collection[str]) -> frozenset[str]:
        """Return the workers that hold a lease of one of these queues."""
        return frozenset(worker for reading in await self.read(queues) for worker in reading.workers)

    async def drain(self, workers: Collection[str], seconds: int) -> None:
        """Flag workers."""
        if workers:
            async with self.redis.pipeline() as pipe:
                for worker in workers:
                    pipe.set(keys.draining_key(worker), 1, ex=seconds)
                await _answer(pipe.execute())

    async def release(self, workers: Collection[str]) -> None:
        """Take flags away."""
        if workers:
            await _answer(self.redis.delete(*(keys.draining_key(worker) for worker in workers)))

    async def _delivered(self) -> Counter[str]:
        """Count delivered messages by their queue."""
        counts: Counter[str] = Counter()
        delivered: dict[Any, Any] = await self.redis.hgetall(keys.UNACKED)
        for tag, content in delivered.items():
            try:
                counts[keys.read_delivered(content)[1]] += 1
            except BadRecord:
                await drop_delivered(self.redis, self.types.bad, tag)
        return counts

    async def _pipeline(self, queues: Sequence[str]) -> list[Any]:
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hmget(keys.PUBLISHED, queues)
            pipe.hlen(keys.UNACKED)
            for queue in queues:
                for key in keys.queue_keys(queue):
                    pipe.llen(key)
                for key in keys.queue_keys(queue):
                    pipe.lindex(key, -1)
                pipe.zrange(keys.leases_key(queue), 0, -1, withscores=True)
                pipe.hget(keys.pace_key(queue), "seconds")
            return list(await pipe.execute())


async def _answer(asked: Awaitable[Answer]) -> Answer:
    try:
        return await asked
    except (RedisError, OSError) as error:
        raise ConnectionError(f"Redis does not answer: {error}") from error


def _types(queues: Iterable[str]) -> dict[str, str]:
    found = keys.types_of(keys.PUBLISHED, keys.UNACKED, *queues)
    leases = {keys.leases_key(queue): "zset" for queue in queues}
    return found | leases | {keys.pace_key(queue): "hash" for queue in queues}


def _worker(member: bytes) -> str | None:
    """Return the worker of a member of the index, `RUN WORKER`; None where it is not written so."""
    run, _, worker = member.decode(errors="replace").partition(" ")
    return worker if run and worker and worker.isprintable() else None


def _published_at(message: bytes | None) -> float | None:
    """Return when a message was published, if it says so."""
    if message is None:
        return None
    try:
        return keys.seconds(str(orjson.loads(message)["headers"][keys.PUBLISHED_AT]), keys.LATEST)
    except (ValueError, LookupError, TypeError):
        return None  # another program's message: it counts, and says nothing of its age


def _with_unclaimed(readings: Iterable[QueueReading], counts: Mapping[str, int]) -> tuple[QueueReading, ...]:
    """Add what was delivered of queues where nothing waits or runs: kombu gives it back only where a worker is."""
    return tuple(
        reading if reading.depth or reading.workers else replace(reading, unclaimed=counts.get(reading.name, 0))
        for reading in readings
    )
