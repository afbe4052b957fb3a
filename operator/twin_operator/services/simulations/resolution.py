"""From Simulations to versions without waiting: what is not in memory is read from the registry in the background.

The reads are bounded, and round-robin over namespaces: one with a thousand versions delays no other by as many reads.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.services.reconciling.turns import NamespaceTurns
from twin_operator.services.versions import Refusal, Twins, Version, Waiting

logger = logging.getLogger(__name__)
RETRY_SECONDS: Final = 1.0  # after the registry gave an answer that cannot be read
AT_ONCE: Final = 8  # reads of the registry: fewer than its connections, which reconciliations use too
OF_ONE_NAMESPACE: Final = 2  # of these
KEPT_SECONDS: Final = 60.0  # of an answer for the review after it, which does not come where the Simulation is gone


@dataclass
class Resolution:
    """Which version answers each Simulation.

    Args:
        twins: resolves models to versions.
    """

    twins: Twins
    _unreadable: dict[str, Version | Waiting | Refusal] = field(default_factory=dict)
    _reads: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _turns: NamespaceTurns = field(default_factory=lambda: NamespaceTurns(AT_ONCE, OF_ONE_NAMESPACE))

    def of(self, simulation: Simulation, review: Callable[[], None]) -> Version | Waiting | Refusal | None:
        """Return the version that answers a Simulation, or what it waits for.

        None while the registry is read: `review` is called afterwards, and the next call returns what was found.
        """
        known = self.twins.in_memory(simulation)
        uid = simulation.uid
        if known is not None:
            return known
        if (found := self._unreadable.pop(uid, None)) is not None:
            return found
        if uid not in self._reads:
            self._reads[uid] = asyncio.create_task(self._read(simulation, review))
        return None

    async def _read(self, simulation: Simulation, review: Callable[[], None]) -> None:
        uid, pause, loop = simulation.uid, 0.0, asyncio.get_running_loop()
        try:
            async with self._turns.turn(simulation.namespace):
                found = await self.twins.resolve(simulation)
            if self.twins.in_memory(simulation) is None:
                self._unreadable[uid] = found
                loop.call_later(KEPT_SECONDS, self._unreadable.pop, uid, None)
        except Exception:
            logger.exception("The version that answers %s/%s could not be resolved.", *simulation.key)
            pause = RETRY_SECONDS
        finally:
            del self._reads[uid]
        loop.call_later(pause, review)
