"""Readings of the queues in memory, for the scaling of pools: `services.pools.ports.QueueLoads`."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass, replace

import orjson

from tests.fakes.queue import InMemoryQueue
from tests.fakes.redis_content import Content
from twin_operator.adapters.redis_queue import keys
from twin_operator.services.pools.ports import QueueReading


@dataclass(frozen=True)
class InMemoryLoads:
    """Reads an in-memory queue; raises `ConnectionError` while that is unreachable.

    Args:
        queue: that is read.
    """

    queue: InMemoryQueue

    async def read(self, queues: Collection[str]) -> tuple[QueueReading, ...]:
        content = await self._round_trip()
        readings = [self._reading(queue) for queue in queues]
        delivered = Counter(each.queue for each in content.unacknowledged.values())
        return tuple(
            each if each.depth or each.workers else replace(each, unclaimed=delivered[each.name]) for each in readings
        )

    async def busy(self, queues: Collection[str]) -> frozenset[str]:
        return frozenset(worker for reading in await self.read(queues) for worker in reading.workers)

    async def drain(self, workers: Collection[str], seconds: int) -> None:
        if workers:
            content = await self._round_trip()
            content.draining.update(dict.fromkeys(workers, self.queue.server.clock() + seconds))

    async def release(self, workers: Collection[str]) -> None:
        if workers:
            content = await self._round_trip()
            for worker in workers:
                content.draining.pop(worker, None)

    def _reading(self, queue: str) -> QueueReading:
        server, lists = self.queue.server, list(self.queue.server.lists_of(queue))
        waits = [server.clock() - at for at in map(_oldest_published, lists) if at is not None]
        pace = server.pace(queue)
        return QueueReading(
            name=queue,
            depth=sum(map(len, lists)),
            workers=server.running(queue),
            published=server.content().published[queue],
            seconds_per_task=None if pace is None else pace.seconds,
            oldest_seconds=max(0.0, *waits) if waits else None,
        )

    async def _round_trip(self) -> Content:
        await asyncio.sleep(0)
        if not self.queue.reachable:
            raise ConnectionError("Redis does not answer: Connection refused.")
        return self.queue.server.content()


def _oldest_published(messages: deque[bytes]) -> float | None:
    try:
        return float(orjson.loads(messages[-1])["headers"][keys.PUBLISHED_AT])
    except (ValueError, LookupError, TypeError):
        return None
