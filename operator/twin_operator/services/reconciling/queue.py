"""A queue of keys to reconcile: coalescing, one at a time per key, backoff with jitter, periodic resync."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from twin_operator.services.reconciling.turns import NamespaceTurns

K = TypeVar("K", bound=Hashable)
logger = logging.getLogger(__name__)
FIRST_BACKOFF_SECONDS = 0.5  # after one failure; doubles
LONGEST_BACKOFF_SECONDS = 60.0
MOST_DOUBLINGS = 64  # beyond any cap; a double overflows after 1,023, which a day of failures reaches
AT_ONCE = 16  # keys of a kind: as many as there are connections to the API server; more would only wait for those
OF_ONE_NAMESPACE = 4  # of these: a namespace that changes much keeps neither turns nor the CPU from the others


def exponential_backoff(failures: int, base: float, cap: float) -> float:
    """Return the wait after a number of failures in a row: `base` seconds after the first, doubling up to `cap`."""
    return min(cap, base * 2.0 ** min(max(0, failures - 1), MOST_DOUBLINGS))


@dataclass
class DirtyKeys(Generic[K]):
    """Keys that are to be reconciled; equal ones are one."""

    _keys: set[K] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def mark(self, key: K) -> None:
        """Have `key` reconciled soon."""
        self._keys.add(key)
        self._wake.set()

    async def wait(self) -> None:
        """Wait until a key was marked, or `wake` was called, since the last wait."""
        await self._wake.wait()
        self._wake.clear()

    def wake(self) -> None:
        """Have the consumer check the keys again."""
        self._wake.set()

    def take(self, busy: AbstractSet[K]) -> set[K]:
        """Remove and return the keys that are not busy."""
        free = self._keys - busy
        self._keys -= free
        return free


@dataclass
class ReconcileQueue(Generic[K]):
    """Calls `reconcile` for each dirty key; a key that is marked while it runs, runs once more.

    Args:
        keys: those to reconcile.
        reconcile: returns after how many seconds to reconcile again, or None.
        kind: of a key; those of one kind do not wait for a dependency of another kind, such as the registry.
        namespace: of a key; the keys of one namespace do not wait for all those of another one.
    """

    keys: DirtyKeys[K]
    reconcile: Callable[[K], Awaitable[float | None]]
    kind: Callable[[K], str]
    namespace: Callable[[K], str]
    _busy: set[K] = field(default_factory=set)
    _failures: dict[K, int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _timers: dict[K, asyncio.TimerHandle] = field(default_factory=dict)
    _random: random.Random = field(default_factory=random.Random)
    _turns: dict[str, NamespaceTurns] = field(default_factory=dict)

    async def run(self) -> None:
        """Reconcile for ever."""
        while True:
            await self.keys.wait()
            for key in self.keys.take(self._busy):
                self._busy.add(key)
                task = asyncio.create_task(self._one(key))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _one(self, key: K) -> None:
        try:
            turns = self._turns.setdefault(self.kind(key), NamespaceTurns(AT_ONCE, OF_ONE_NAMESPACE))
            async with turns.turn(self.namespace(key)):
                again = await self.reconcile(key)
            self._failures.pop(key, None)
        except Exception:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            again = exponential_backoff(failures, FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS)
            again *= self._random.uniform(0.5, 1.0)
            logger.exception("%s could not be reconciled; the next attempt is in %.1f s.", key, again)
        finally:
            self._busy.discard(key)
            self.keys.wake()
        if again is not None:
            self._later(key, again)

    def _later(self, key: K, seconds: float) -> None:
        """Mark `key` after some seconds; one timer a key, the soonest: else each early reconciliation would add one."""
        loop, pending = asyncio.get_running_loop(), self._timers.get(key)
        if pending is not None and not pending.cancelled() and pending.when() <= loop.time() + seconds:
            return
        if pending is not None:
            pending.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.keys.mark(key)


@dataclass
class Pace:
    """Gives at most `per_second` turns a second, round-robin over namespaces."""

    per_second: float
    _next: float = 0.0
    _turns: NamespaceTurns = field(default_factory=lambda: NamespaceTurns(at_once=1, of_one=1))

    async def turn(self, namespace: str) -> None:
        """Wait for one's turn."""
        async with self._turns.turn(namespace):
            loop = asyncio.get_running_loop()
            if (wait := self._next - loop.time()) > 0:
                await asyncio.sleep(wait)
            self._next = max(loop.time(), self._next) + 1 / self.per_second
