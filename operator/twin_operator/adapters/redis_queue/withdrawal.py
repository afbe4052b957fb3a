"""Removes the messages of stopped runs that no worker has taken: a message goes when its object goes."""

import asyncio
from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from redis.asyncio import Redis

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.message import run_of

PAGE: Final = 100  # messages a read: one may have a quarter of a megabyte
GATHER_SECONDS: Final = 1.0  # from a stop to the read of the queues: many objects are deleted at once


@dataclass
class StoppedRuns:
    """Runs that were stopped, and whose messages are to be removed."""

    _runs: set[str] = field(default_factory=set)
    _some: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, run: str) -> None:
        """Have the message of a run removed."""
        self._runs.add(run)
        self._some.set()

    def discard(self, run: str) -> None:
        """Keep the message of a run: it goes on."""
        self._runs.discard(run)

    async def gathered(self) -> set[str]:
        """Wait until runs were stopped, and a little longer; return them."""
        await self._some.wait()
        await asyncio.sleep(GATHER_SECONDS)
        return self._runs

    def done(self, runs: Collection[str]) -> None:
        """Drop runs whose messages were removed."""
        self._runs -= set(runs)
        if not self._runs:
            self._some.clear()


async def withdraw(redis: Redis, queues: Iterable[str], stopped: AbstractSet[str]) -> None:
    """Remove the messages of runs from queues; `stopped` may become smaller meanwhile.

    A list is read from its old end, so that what is published meanwhile moves nothing.
    """
    for queue in queues:
        for key in keys.queue_keys(queue):
            await _withdraw_from(redis, key, stopped)


async def _withdraw_from(redis: Redis, key: str, stopped: AbstractSet[str]) -> None:
    kept = 0
    while page := await redis.lrange(key, -kept - PAGE, -kept - 1):
        messages = [bytes(message) for message in page]  # type: ignore[arg-type]  # text only with decode_responses
        found = [message for message in messages if run_of(message) in stopped]
        if found:
            async with redis.pipeline(transaction=False) as pipe:
                for message in found:
                    pipe.lrem(key, -1, message)  # type: ignore[arg-type]  # it takes bytes as well
                await pipe.execute()
        kept += len(page) - len(found)
