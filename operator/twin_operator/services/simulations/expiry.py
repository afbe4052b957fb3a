"""Deletes Simulations whose time to live after the end is over, once the archive has them."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.services.reconciling.ports import FinishedObject, Gone, Resources, Unreadable
from twin_operator.services.runs.times import seconds

logger = logging.getLogger(__name__)
LATER_SECONDS = 10.0  # until a Simulation that is not archived or graded yet is checked again


@dataclass
class Expiry:
    """A heap of what expires, filled at start and whenever a Simulation ends.

    Args:
        resources: the API server.
        archived: whether the archive has the Simulation with this uid.
        clock: seconds since the epoch.
    """

    resources: Resources
    archived: Callable[[str], Awaitable[bool]]
    clock: Callable[[], float]
    _due: list[tuple[float, str, str, str]] = field(default_factory=list)

    def fill(self, ended: Iterable[FinishedObject]) -> None:
        """Take note of what ended before this process began."""
        for each in ended:
            if each.ttl is not None:
                self._note((seconds(each.completed) or 0.0) + each.ttl, each.namespace, each.name, each.uid)

    def finished(self, simulation: Simulation) -> None:
        """Take note of a Simulation that just ended."""
        ttl, completed = simulation.spec.ttl_seconds_after_finished, simulation.status.completion_time
        if ttl is not None and completed is not None:
            self._note(completed.timestamp() + ttl, simulation.namespace, simulation.name, simulation.uid)

    async def sweep(self) -> None:
        """Delete what is due."""
        while self._due and self._due[0][0] <= self.clock():
            moment, namespace, name, uid = heappop(self._due)
            if await self._is_safe(namespace, name, uid):
                await self.resources.delete(Simulation, namespace, name, uid)
                logger.info("Simulation %s/%s expired.", namespace, name)
            else:
                heappush(self._due, (moment + LATER_SECONDS, namespace, name, uid))

    async def _is_safe(self, namespace: str, name: str, uid: str) -> bool:
        """Whether nothing is lost with the object: it is archived, and so is its outcome."""
        if not await self.archived(uid):
            return False
        try:
            simulation = await self.resources.read(Simulation, namespace, name)
        except Gone:
            return True
        except Unreadable:
            return False
        fidelity = simulation.status.fidelity
        graded = fidelity is not None and fidelity.grade is not None
        return simulation.uid != uid or simulation.spec.observed is None or graded

    def _note(self, due: float, namespace: str, name: str, uid: str) -> None:
        heappush(self._due, (due, namespace, name, uid))
