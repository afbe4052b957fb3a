"""Which runs have a message in a queue: one read of the queue for all reconciliations that need it at the same time."""

import asyncio
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from twin_operator.services.reconciling.ports import RunQueue


@dataclass
class QueuedRuns:
    """Reads queues, each once at a time: who asks during a read gets the next one, together with all others who do.

    An answer is never older than its question, and a thousand objects of one queue do not read it a thousand times.

    Args:
        queue: the queues.
    """

    queue: RunQueue
    _next: dict[str, asyncio.Task[AbstractSet[str]]] = field(default_factory=dict)
    _reading: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def has(self, queue: str, run: str) -> bool:
        """Whether the message of a run is in the queue or unacknowledged."""
        if queue not in self._next:
            self._next[queue] = asyncio.create_task(self._read(queue))
        return run in await asyncio.shield(self._next[queue])

    async def _read(self, queue: str) -> AbstractSet[str]:
        async with self._reading.setdefault(queue, asyncio.Lock()):
            del self._next[queue]  # who asks from now on gets a later read
            found = await self.queue.waiting([queue])
        if queue not in self._next:
            self._reading.pop(queue, None)
        return found
