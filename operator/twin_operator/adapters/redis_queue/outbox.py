"""The way to the archive: finished Simulations and tau weights, kept in a Redis stream until they are stored."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis.asyncio import Redis

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.bad_records import Answer, BadRecord, KeyTypes, RecordKind
from twin_operator.services.runs.run import JSON

LONGEST: Final = 200_000  # entries while the archive is down: about 1 GB; older ones are found again in the API server


@dataclass(frozen=True)
class Outbox:
    """Entries in the order they came; one reader, the leader.

    Args:
        redis: connection with `decode_responses` off.
        types: removes what is there in place of the stream.
    """

    redis: Redis
    types: KeyTypes

    async def put(self, entries: Sequence[JSON]) -> None:
        """Append entries in one pipeline."""
        await self._asked(lambda: self._put(entries))

    async def _put(self, entries: Sequence[JSON]) -> None:
        async with self.redis.pipeline(transaction=False) as pipe:
            for entry in entries:
                pipe.xadd(keys.ARCHIVE, {"entry": orjson.dumps(entry)}, maxlen=LONGEST, approximate=True)
            await pipe.execute()

    async def take(self, count: int) -> list[tuple[str, JSON]]:
        """Return the oldest entries with their identities; they stay until they are dropped.

        One that cannot be read is dropped at once.
        """
        answer: Any = await self._asked(lambda: self.redis.xrange(keys.ARCHIVE, count=count))
        read, bad = [], []
        for entry, fields in answer:
            try:
                read.append((entry.decode(), _read(fields)))
            except BadRecord:
                self.types.bad.found(RecordKind.ARCHIVE, f"{keys.ARCHIVE} {entry.decode()}")
                bad.append(entry.decode())
        await self.drop(bad)
        return read

    async def drop(self, entries: Collection[str]) -> None:
        """Remove entries that are stored."""
        if entries:
            await self._asked(lambda: self.redis.xdel(keys.ARCHIVE, *entries))

    async def length(self) -> int:
        """Return how many entries wait."""
        return int(await self._asked(lambda: self.redis.xlen(keys.ARCHIVE)))

    async def _asked(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        return await self.types.repaired({keys.ARCHIVE: keys.TYPES[keys.ARCHIVE]}, ask)


def _read(fields: Mapping[bytes, bytes]) -> JSON:
    try:
        entry = orjson.loads(fields[b"entry"])
    except (ValueError, LookupError) as error:
        raise BadRecord("It is not JSON.") from error
    if not isinstance(entry, dict):
        raise BadRecord("It is no entry for the archive.")
    return entry
