"""The way to the archive: finished Simulations and tau weights, kept in a Redis stream until they are stored."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis.asyncio import Redis

from twin_operator.adapters.redis_queue import keys
from twin_operator.services.runs.run import JSON

STREAM: Final = f"{keys.PREFIX}archive"
LONGEST: Final = 200_000  # entries while the archive is down: about 1 GB; older ones are found again in the API server


@dataclass(frozen=True)
class Outbox:
    """Entries in the order they came; one reader, the leader.

    Args:
        redis: connection with `decode_responses` off.
    """

    redis: Redis

    async def put(self, entries: Sequence[JSON]) -> None:
        """Append entries in one pipeline."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for entry in entries:
                pipe.xadd(STREAM, {"entry": orjson.dumps(entry)}, maxlen=LONGEST, approximate=True)
            await pipe.execute()

    async def take(self, count: int) -> list[tuple[str, JSON]]:
        """Return the oldest entries with their identities; they stay until they are dropped."""
        answer: Any = await self.redis.xrange(STREAM, count=count)
        return [(entry.decode(), orjson.loads(fields[b"entry"])) for entry, fields in answer]

    async def drop(self, entries: Collection[str]) -> None:
        """Remove entries that are stored."""
        if entries:
            await self.redis.xdel(STREAM, *entries)

    async def length(self) -> int:
        """Return how many entries wait."""
        return int(await self.redis.xlen(STREAM))
