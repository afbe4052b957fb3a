"""Turns for work that many namespaces request: bounded, and round-robin over the namespaces."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


def in_turns(items: Iterable[T], namespace: Callable[[T], str]) -> list[T]:
    """Return items round-robin over their namespaces, those of each namespace in the order they came."""
    of_namespace: dict[str, list[T]] = {}
    for item in items:
        of_namespace.setdefault(namespace(item), []).append(item)
    ranked = [(rank, item) for same in of_namespace.values() for rank, item in enumerate(same)]
    return [item for _, item in sorted(ranked, key=lambda each: each[0])]


@dataclass
class NamespaceTurns:
    """Gives turns to work of namespaces: the namespace whose last turn is the longest ago comes first.

    Args:
        at_once: most turns that are held at the same time.
        of_one: most of them that one namespace holds, so that the first work of another one finds a turn at once.
    """

    at_once: int
    of_one: int
    _held: Counter[str] = field(default_factory=Counter)
    _waiting: dict[str, deque[asyncio.Future[None]]] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    _granted: int = 0

    @asynccontextmanager
    async def turn(self, namespace: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it during the block."""
        await self._acquire(namespace)
        try:
            yield
        finally:
            self._release(namespace)

    async def _acquire(self, namespace: str) -> None:
        request = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(request)
        self._grant()
        try:
            await request
        except asyncio.CancelledError:
            if not request.cancelled():
                self._release(namespace)  # it was granted and cancelled in the same step of the loop
            raise

    def _release(self, namespace: str) -> None:
        self._held[namespace] -= 1
        self._grant()
        self._forget_idle(namespace)

    def _grant(self) -> None:
        while self._held.total() < self.at_once and (namespace := self._next()) is not None:
            request = self._waiting[namespace].popleft()
            if not self._waiting[namespace]:
                del self._waiting[namespace]
            if not request.cancelled():
                request.set_result(None)
                self._held[namespace] += 1
                self._granted += 1
                self._last[namespace] = self._granted

    def _next(self) -> str | None:
        free = (name for name in self._waiting if self._held[name] < self.of_one)
        return min(free, key=lambda name: self._last.get(name, 0), default=None)

    def _forget_idle(self, namespace: str) -> None:
        if not self._held[namespace] and namespace not in self._waiting:
            del self._held[namespace]
            self._last.pop(namespace, None)
