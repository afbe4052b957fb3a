"""A steady rate of turns, first come first served."""

import asyncio
from dataclasses import dataclass, field


@dataclass
class Pace:
    """Gives at most `per_second` turns a second, in the order they are asked for."""

    per_second: float
    _next: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def turn(self) -> None:
        """Wait for one's turn."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            wait = self._next - now
            self._next = max(now, self._next) + 1 / self.per_second
        if wait > 0:
            await asyncio.sleep(wait)
