"""What waits for the archive, in memory: `services.archive.archiving.Outbox`."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

import orjson

from tests.fakes.queue import InMemoryQueue
from tests.fakes.redis_content import Server
from twin_operator.services.runs.run import JSON


class InMemoryOutbox:
    """Entries in the order in which they came.

    Args:
        queue: shares its Redis, and with it `flush` and `reachable`; None for a Redis of the outbox's own.
    """

    def __init__(self, queue: InMemoryQueue | None = None) -> None:
        self.server = Server(lambda: 0.0) if queue is None else queue.server

    async def put(self, entries: Sequence[JSON]) -> None:
        content = await self.server.round_trip()
        content.outbox.update({self.server.identity(): orjson.dumps(entry) for entry in entries})

    async def take(self, count: int) -> list[tuple[str, JSON]]:
        content = await self.server.round_trip()
        return [(entry, orjson.loads(text)) for entry, text in itertools.islice(content.outbox.items(), count)]

    async def drop(self, entries: Collection[str]) -> None:
        if entries:
            content = await self.server.round_trip()
            for entry in entries:
                content.outbox.pop(entry, None)

    async def length(self) -> int:
        return len((await self.server.round_trip()).outbox)
