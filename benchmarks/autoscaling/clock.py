"""Simulated time: what is to happen, in its order. Knows nothing of queues and workers."""

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[], None]


class Clock:
    """Runs actions at their times; equal times in the order in which they were asked for."""

    def __init__(self) -> None:
        self.now = 0.0  # seconds since the start
        self._agenda: list[tuple[float, int, Action]] = []
        self._order = count()

    def at(self, moment: float, action: Action) -> None:
        """Run an action at a moment that is not before now."""
        heapq.heappush(self._agenda, (moment, next(self._order), action))

    def after(self, seconds: float, action: Action) -> None:
        """Run an action some seconds from now."""
        self.at(self.now + seconds, action)

    def every(self, seconds: float, phase: float, action: Action) -> None:
        """Run an action for ever, first at `phase`."""

        def again() -> None:
            action()
            self.after(seconds, again)

        self.at(phase, again)

    def run(self, until: float, done: Callable[[], bool]) -> None:
        """Let time pass until a moment, or until there is nothing to wait for any more."""
        while self._agenda and self._agenda[0][0] <= until and not done():
            self.now, _, action = heapq.heappop(self._agenda)
            action()
