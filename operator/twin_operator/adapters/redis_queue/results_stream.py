"""The results stream on the operator's side: read by one consumer group, which the first reader makes.

A report of which nothing can be read is dropped. What is lost with the stream itself the resync finds in the records.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from time import time
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.bad_records import BadRecord, KeyTypes, RecordKind
from twin_operator.services.runs.run import Report

Entry = tuple[bytes, dict[bytes, bytes]]
CLOCK_SKEW_SECONDS: Final = 86_400.0  # an entry of a later time was given its id by hand


@dataclass(frozen=True)
class ResultsStream:
    """The stream and its group.

    Args:
        redis: connection with `decode_responses` off.
        types: removes what is there in place of the stream, and counts entries that cannot be read.
    """

    redis: Redis
    types: KeyTypes

    async def read(self, block_ms: int | None, count: int) -> list[Report]:
        """Read at most `count` entries: new ones after `block_ms` at the latest, or (None) those not acknowledged.

        Entries that are no reports are dropped, and the next ones read.
        """
        while entries := await self._entries(block_ms, count):
            reports = await self._sound(entries)
            if reports or block_ms is not None:
                return reports
        return []

    async def _entries(self, block_ms: int | None, count: int) -> list[Entry]:
        try:
            answer = await self.types.repaired(keys.types_of(keys.RESULTS), lambda: self._ask(block_ms, count))
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self._create_group()
            return []
        streams = answer.items() if isinstance(answer, dict) else (answer or [])
        return [entry for _stream, entries in streams for entry in _flat(entries)]

    async def _ask(self, block_ms: int | None, count: int) -> Any:  # noqa: ANN401 - its form depends on the protocol
        start = "0" if block_ms is None else ">"
        return await self.redis.xreadgroup(
            keys.GROUP, keys.CONSUMER, {keys.RESULTS: start}, count=count, block=block_ms
        )

    async def _create_group(self) -> None:
        try:
            await self.redis.xgroup_create(keys.RESULTS, keys.GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):  # another process, such as the leader before, created it meanwhile
                raise

    async def _sound(self, entries: Collection[Entry]) -> list[Report]:
        read, bad = [], []
        for entry, fields in entries:
            try:
                read.append(keys.read_report(entry.decode(), fields.get(b"report")))
            except BadRecord:
                bad.append(entry.decode())
                self._count(entry)
        await self.acknowledge(bad)
        await self._begin_again_after_future(entries)
        return read

    async def _begin_again_after_future(self, entries: Iterable[Entry]) -> None:
        """Delete a stream with an entry of the future: ids rise, so that there may be no room for a further one."""
        latest = (time() + CLOCK_SKEW_SECONDS) * 1e3
        future = [entry for entry, _fields in entries if int(entry.partition(b"-")[0]) > latest]
        for entry in future:
            self._count(entry)
        if future:
            await self.redis.delete(keys.RESULTS)

    def _count(self, entry: bytes) -> None:
        self.types.bad.found(RecordKind.REPORT, f"{keys.RESULTS} {entry.decode()}")

    async def acknowledge(self, entries: Collection[str]) -> None:
        """Drop entries whose consequences stand in the API server."""
        if entries:
            async with self.redis.pipeline(transaction=False) as pipe:
                pipe.xack(keys.RESULTS, keys.GROUP, *entries)
                pipe.xdel(keys.RESULTS, *entries)
                await pipe.execute()


def _flat(entries: Iterable[Any]) -> list[Entry]:
    flat = [entry for entry in entries if entry]
    if flat and isinstance(flat[0], list):  # RESP3 wraps the entries of a stream once more
        flat = flat[0]
    return [(entry, fields or {}) for entry, fields in flat]
