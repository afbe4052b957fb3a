"""Writes the statuses of Simulations: where one is while it is under way, and its answer."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from twin_operator.api.v1alpha1 import Simulation, TwinModel
from twin_operator.api.v1alpha1.conditions import ConditionType, Reason
from twin_operator.services.reconciling.metrics import EndedSimulation, SimulationMeters
from twin_operator.services.reconciling.ports import Changed, Gone, Refused, Resources, Unreadable, write_status
from twin_operator.services.reconciling.queue import Pace
from twin_operator.services.reconciling.refusals import refusal_message, stalled_by, write_first_accepted
from twin_operator.services.reconciling.twin_checks import TwinChecks
from twin_operator.services.runs.run import Outcome, Run
from twin_operator.services.simulations.decide import Running
from twin_operator.services.simulations.status import answered_by, failed_by, finished, unfinished
from twin_operator.services.versions import Twins, Waiting

logger = logging.getLogger(__name__)
CREATION_SECONDS = 1.0  # resolution of metadata.creationTimestamp
MOST_ENDED = 10_000  # uids that are remembered, 1 MB; the object of an older one is read again


@dataclass
class FollowedSimulation:
    """What the operator remembers of an unfinished Simulation.

    Attributes:
        simulation: as it was seen last.
        seen: when it was seen first, seconds since the epoch.
        published: when its task was published, seconds since the epoch; None where that is not known.
        reason: of the status that was written last.
        writing: whether its final status is being written.
    """

    simulation: Simulation
    seen: float
    published: float | None = None
    reason: str | None = None
    writing: bool = False


@dataclass(frozen=True)
class Answers:
    """Writes statuses.

    Args:
        resources: the API server.
        pace: limits the rate of statuses of unfinished Simulations.
        clock: seconds since the epoch.
        meters: counts Simulations that ended.
        twins: what is known of TwinModels and their versions.
        on_finish: called with a Simulation after its final status was written.
        on_trace: called with it, its run and when it was seen first (seconds since the epoch).
    """

    resources: Resources
    pace: Pace
    clock: Callable[[], float]
    meters: SimulationMeters
    twins: Twins
    on_finish: Callable[[Simulation], None]
    on_trace: Callable[[Simulation, Run, float], None]
    followed: dict[str, FollowedSimulation] = field(default_factory=dict)
    """Every unfinished Simulation, by uid."""
    ended: dict[str, None] = field(default_factory=dict)
    """The uids of the last Simulations that ended here: their report may come later."""

    def unfinished(self) -> int:
        """Return how many Simulations are followed."""
        return len(self.followed)

    def oldest(self) -> float:
        """Return for how many seconds the oldest unfinished one has been followed; 0 where there is none."""
        return self.clock() - min((followed.seen for followed in self.followed.values()), default=self.clock())

    async def write_unfinished(self, followed: FollowedSimulation, run: Run, waiting: Waiting | Running) -> None:
        """Write where a Simulation is, at most at the rate that the pace allows."""
        await self.pace.turn(followed.simulation.namespace)
        simulation = followed.simulation
        if simulation.uid not in self.followed or followed.writing:
            return
        changed = simulation.replace(status=unfinished(simulation, run, waiting, self.clock()))
        try:
            followed.simulation = await self.resources.update_status(simulation, changed)
        except (Changed, Gone):
            followed.reason = None  # the watch event that is on its way has it decided on again
        except Refused as refused:
            with suppress(Changed, Gone):
                smaller = [stalled_by(simulation, refused, self.clock())]
                followed.simulation = await write_first_accepted(self.resources, simulation, refused, smaller)

    async def write_finished(self, followed: FollowedSimulation, run: Run, outcome: Outcome) -> None:
        """Write the final status; one that cannot be written now is written after the next resync."""
        followed.writing = True
        try:
            written = await self._write(followed, run, outcome)
        except Gone:
            written = None
        except (Changed, Unreadable):
            return
        except ConnectionError as error:
            logger.warning("The answer of %s/%s waits: %s", *followed.simulation.key, error)
            return
        finally:
            followed.writing = False
        self.followed.pop(followed.simulation.uid, None)
        self._remember(followed.simulation.uid)
        if written is not None:
            self.meters.finished(ended_simulation(written, run, followed.seen, self.clock()))
            self.on_finish(written)
            self.on_trace(written, run, followed.seen)

    def _remember(self, uid: str) -> None:
        self.ended[uid] = None
        if len(self.ended) > MOST_ENDED:
            self.ended.pop(next(iter(self.ended)))

    async def _write(self, followed: FollowedSimulation, run: Run, outcome: Outcome) -> Simulation | None:
        checks = await self._checks(followed.simulation, run, outcome)

        def decide(simulation: Simulation) -> Simulation | None:
            followed.simulation = simulation
            if simulation.status.phase.finished:
                return None
            return simulation.replace(status=finished(simulation, run, outcome, checks, self.clock()))

        try:
            return await write_status(self.resources, followed.simulation, decide)
        except Refused as refused:
            logger.exception("The answer of %s was refused.", "/".join(followed.simulation.key))
            outcome = Outcome(Reason.INTERNAL_ERROR, refusal_message(refused))
        try:
            return await write_status(self.resources, followed.simulation, decide)
        except Refused as refused:
            smaller = [failed_by(followed.simulation, refused, self.clock())]
            return await write_first_accepted(self.resources, followed.simulation, refused, smaller)

    async def _checks(self, simulation: Simulation, run: Run, outcome: Outcome) -> TwinChecks | None:
        """Return what is known against the version that answered; None where none did."""
        if not outcome.succeeded:
            return None
        model = await self._model_of(simulation)
        return await self.twins.checks(model, answered_by(simulation, run, outcome))

    async def _model_of(self, simulation: Simulation) -> TwinModel | None:
        """Return the TwinModel; it is read where the watch of a new leader has not shown it yet."""
        key = simulation.namespace, simulation.spec.model_ref.name
        try:
            return self.twins.known(key) or await self.resources.read(TwinModel, *key)
        except (Gone, Unreadable):
            return None


def ended_simulation(simulation: Simulation, run: Run, seen: float, now: float) -> EndedSimulation:
    """Return what monitoring shows of a Simulation whose final status was written just now.

    Args:
        simulation: with that status.
        run: the record of its run.
        seen: when the operator first saw it, seconds since the epoch.
        now: seconds since the epoch.
    """
    status = simulation.status
    ready, advice = status.condition(ConditionType.READY), status.recommendation
    started = run.started is not None and run.queued is not None
    return EndedSimulation(
        namespace=simulation.namespace,
        phase=status.phase,
        reason=ready.reason if ready else "",
        duration=max(0.0, now - _created(simulation, seen)),
        queue=simulation.spec.task_queue,
        wait=max(0.0, (run.started or 0.0) - (run.queued or 0.0)) if started else None,
        recommendation=(advice.action, advice.reason) if advice else None,
    )


def _created(simulation: Simulation, seen: float) -> float:
    """Return when the object was created: its timestamp has whole seconds, `seen` limits it more closely."""
    created = simulation.metadata.creation_timestamp
    return seen if created is None else min(seen, created.timestamp() + CREATION_SECONDS)
