"""Deletes Simulations whose time to live after the end is over, once the archive has them."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from twin_operator.services.reconciling.objects import Simulation
from twin_operator.services.reconciling.ports import FinishedObject, Gone, JSONResources
from twin_operator.services.runs.times import seconds

logger = logging.getLogger(__name__)
KIND = "Simulation"
LATER_SECONDS = 10.0  # until a Simulation that is not archived or graded yet is looked at again


@dataclass
class Expiry:
    """A heap of what expires, filled at start and whenever a Simulation ends.

    Args:
        resources: the API server.
        archived: whether the archive has the Simulation with this uid.
        clock: seconds since the epoch.
    """

    resources: JSONResources
    archived: Callable[[str], Awaitable[bool]]
    clock: Callable[[], float]
    _due: list[tuple[float, str, str, str]] = field(default_factory=list)

    def fill(self, ended: Iterable[FinishedObject]) -> None:
        """Take note of what ended before this process began."""
        for each in ended:
            if each.ttl is not None:
                self._note(each.completed, each.ttl, each.namespace, each.name, each.uid)

    def finished(self, simulation: Simulation) -> None:
        """Take note of a Simulation that just ended."""
        ttl, completed = simulation.spec.get("ttlSecondsAfterFinished"), simulation.status.get("completionTime")
        if ttl is not None and completed:
            self._note(completed, ttl, simulation.namespace, simulation.name, simulation.uid)

    async def sweep(self) -> None:
        """Delete what is due."""
        while self._due and self._due[0][0] <= self.clock():
            moment, namespace, name, uid = heappop(self._due)
            if await self._is_safe(namespace, name, uid):
                await self.resources.delete(KIND, namespace, name, uid)
                logger.info("Simulation %s/%s expired.", namespace, name)
            else:
                heappush(self._due, (moment + LATER_SECONDS, namespace, name, uid))

    async def _is_safe(self, namespace: str, name: str, uid: str) -> bool:
        """Whether nothing is lost with the object: it is archived, and so is its outcome."""
        if not await self.archived(uid):
            return False
        try:
            body = await self.resources.read(KIND, namespace, name)
        except Gone:
            return True
        waits = body["spec"].get("observed") and not (body["status"].get("fidelity") or {}).get("grade")
        return body["metadata"]["uid"] != uid or not waits

    def _note(self, completed: str, ttl: int, namespace: str, name: str, uid: str) -> None:
        heappush(self._due, ((seconds(completed) or 0.0) + ttl, namespace, name, uid))
