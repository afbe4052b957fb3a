"""Deletes Simulations whose time to live after the end is over."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush

from twin_operator.services.lifecycle import Simulation
from twin_operator.services.ports import Resources

logger = logging.getLogger(__name__)
KIND = "Simulation"


@dataclass
class Expiry:
    """A heap of what expires, filled at start and whenever a Simulation ends.

    Args:
        resources: the API server.
        clock: seconds since the epoch.
    """

    resources: Resources
    clock: Callable[[], float]
    _due: list[tuple[float, str, str, str]] = field(default_factory=list)

    async def fill(self) -> None:
        """Take note of what ended before this process began."""
        async for namespace, name, uid, completed, ttl in self.resources.expiring(KIND):
            heappush(self._due, (_seconds(completed) + ttl, namespace, name, uid))

    def finished(self, simulation: Simulation) -> None:
        """Take note of a Simulation that just ended."""
        ttl, completed = simulation.spec.get("ttlSecondsAfterFinished"), simulation.status.get("completionTime")
        if ttl is not None and completed:
            entry = (_seconds(completed) + ttl, simulation.namespace, simulation.name, simulation.uid)
            heappush(self._due, entry)

    async def sweep(self) -> None:
        """Delete what is due."""
        while self._due and self._due[0][0] <= self.clock():
            _, namespace, name, uid = heappop(self._due)
            await self.resources.delete(KIND, namespace, name, uid)
            logger.info("Simulation %s/%s expired.", namespace, name)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
