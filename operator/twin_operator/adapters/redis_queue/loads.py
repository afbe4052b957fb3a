"""What queues hold and who works on them, for the scaling of pools; and the flags of workers that are to drain."""

from collections import Counter
from collections.abc import Awaitable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from twin_operator.adapters.redis_queue import keys
from twin_operator.services.pools.ports import QueueReading

UNACKED: Final = f"{keys.PREFIX}unacked"  # kombu: delivered messages of all queues, by delivery tag

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Loads:
    """Readings of queues in one pipeline each.

    Args:
        redis: connection with `decode_responses` off that gives up soon: a late reading is of no use.
    """

    redis: Redis

    async def read(self, queues: Collection[str]) -> tuple[QueueReading, ...]:
        """Read queues, in the order given.

        Raises:
            ConnectionError: Redis does not answer.
        """
        order = list(queues)
        (seconds, micros), published, delivered, *rest = await _answer(self._pipeline(order))
        now, size = seconds + micros / 1e6, len(rest) // len(order)
        slices = [rest[start : start + size] for start in range(0, len(rest), size)]
        readings = [
            _reading(queue, answers, int(count or 0), now)
            for queue, answers, count in zip(order, slices, published, strict=True)
        ]
        if delivered and any(not reading.depth and not reading.workers for reading in readings):
            return _with_unclaimed(readings, await _answer(self._delivered()))
        return tuple(readings)

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

    async def _delivered(self) -> list[Any]:
        return list(await self.redis.hvals(UNACKED))

    async def _pipeline(self, queues: Sequence[str]) -> list[Any]:
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hmget(keys.PUBLISHED, queues)
            pipe.hlen(UNACKED)
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


def _reading(queue: str, answers: Sequence[Any], published: int, now: float) -> QueueReading:
    steps = len(keys.PRIORITY_STEPS)
    lengths, oldest, (leases, pace) = answers[:steps], answers[steps : 2 * steps], answers[2 * steps :]
    waits = [now - at for at in map(_published_at, oldest) if at is not None]
    return QueueReading(
        name=queue,
        depth=sum(lengths),
        workers=tuple(member.decode().partition(" ")[2] for member, until in leases if until > now),
        published=published,
        seconds_per_task=float(pace) if pace is not None else None,
        oldest_seconds=max(0.0, *waits) if waits else None,
    )


def _published_at(message: bytes | None) -> float | None:
    """Return when a message was published, if it says so."""
    if message is None:
        return None
    try:
        return float(orjson.loads(message)["headers"][keys.PUBLISHED_AT])
    except (ValueError, KeyError, TypeError):
        return None  # another program's message: it counts, and says nothing of its age


def _with_unclaimed(readings: Iterable[QueueReading], delivered: Iterable[bytes]) -> tuple[QueueReading, ...]:
    """Add what was delivered of queues where nothing waits or runs: kombu gives it back only where a worker is."""
    counts = Counter(orjson.loads(content)[2] for content in delivered)
    return tuple(
        reading if reading.depth or reading.workers else replace(reading, unclaimed=counts[reading.name])
        for reading in readings
    )
