"""Lets Simulations in, as many of a namespace as the operator keeps in memory; the others wait in the API server."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.api.v1alpha1.conditions import Reason, SimulationPhase
from twin_operator.services.reconciling.ports import Changed, Gone, Resources, Unreadable
from twin_operator.services.reconciling.queue import Pace
from twin_operator.services.runs.run import Run
from twin_operator.services.simulations.admission import Admission, Applicant
from twin_operator.services.simulations.controller import Simulations
from twin_operator.services.simulations.decide import message_size
from twin_operator.services.simulations.status import unfinished
from twin_operator.services.versions import Waiting

logger = logging.getLogger(__name__)
RETRY_SECONDS = 1.0  # after the API server did not answer


@dataclass
class Reception:
    """Passes on Simulations that are kept, and reads the others when it is their turn.

    Args:
        resources: the API server.
        simulations: follows those that are kept.
        admission: knows what is kept.
        pace: limits the rate of statuses of unfinished Simulations.
        clock: seconds since the epoch.
    """

    resources: Resources
    simulations: Simulations
    admission: Admission
    pace: Pace
    clock: Callable[[], float]
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def observe(self, simulation: Simulation, *, deleted: bool) -> None:
        """Take note of what the watch says."""
        if deleted or simulation.status.phase.finished:
            self.admission.release(simulation.uid, simulation.namespace)
            self._wake.set()
        elif not self.admission.admit(applicant(simulation)):
            self._wake.set()
            return
        await self.simulations.observe(simulation, deleted=deleted)

    async def run(self) -> None:
        """Let parked Simulations in when there is room, and write into the status of the others that they wait."""
        while True:
            try:
                await self._step()
            except Exception:
                logger.exception("A Simulation that waits for its turn could not be read; retrying in 1 s.")
                await asyncio.sleep(RETRY_SECONDS)

    async def _step(self) -> None:
        if (first := self.admission.next_with_room()) is not None:
            await self._let_in(first)
        elif (waiting := self.admission.next_unannounced()) is not None:
            await self._announce(waiting)
        else:
            await self._wake.wait()
            self._wake.clear()

    async def _let_in(self, parked: Applicant) -> None:
        simulation = await self._read(parked)
        self.admission.release(parked.uid, parked.namespace)
        if simulation is not None:
            self.admission.keep(applicant(simulation))
            await self.simulations.observe(simulation, deleted=False)

    async def _announce(self, parked: Applicant) -> None:
        """Write that a Simulation waits; it is read for that, as nothing but its name is kept."""
        await self.pace.turn(parked.namespace)
        simulation = await self._read(parked)
        if simulation is None:
            self.admission.release(parked.uid, parked.namespace)
            return
        waiting = Waiting(SimulationPhase.PENDING, Reason.WAITING_FOR_TURN, self._message(parked.namespace))
        changed = simulation.replace(status=unfinished(simulation, Run(), waiting, self.clock()))
        try:
            await self.resources.update_status(simulation, changed)
        except (Changed, Gone):
            logger.debug("Simulation %s changed meanwhile.", parked.name)

    def _message(self, namespace: str) -> str:
        return (
            f"Namespace {namespace} has as many unfinished Simulations, or bytes of them, as the operator takes at a "
            "time; this one is taken when others have ended."
        )

    async def _read(self, parked: Applicant) -> Simulation | None:
        """Return a parked Simulation; None where it is gone, has ended, or is followed because its answer came."""
        if parked.uid in self.simulations.answers.followed:
            return None
        try:
            found = await self.resources.read(Simulation, parked.namespace, parked.name)
        except (Gone, Unreadable):
            return None
        return found if found.uid == parked.uid and not found.status.phase.finished else None


def applicant(simulation: Simulation) -> Applicant:
    """Return what is kept of a Simulation that waits for its turn."""
    return Applicant(simulation.uid, simulation.namespace, simulation.name, message_size(simulation))
