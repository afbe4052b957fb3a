"""The statuses of Simulations: what they say while one is under way and after its end, and how they are written."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from twin_operator.api.v1alpha1 import Simulation, SimulationStatus
from twin_operator.api.v1alpha1.conditions import ConditionType, Reason, SimulationPhase
from twin_operator.api.v1alpha1.simulation_status import PredictionFidelity
from twin_operator.services.reconciling.metrics import SimulationFigures, SimulationMeters
from twin_operator.services.reconciling.ports import Changed, Gone, Refused, Resources
from twin_operator.services.reconciling.queue import Pace
from twin_operator.services.reconciling.status import conditions_of, ready, reconciling, stalled, write_status
from twin_operator.services.runs.messages import SimulationResult
from twin_operator.services.runs.run import Outcome, Run
from twin_operator.services.runs.times import moment
from twin_operator.services.runs.tracing import trace_of
from twin_operator.services.versions import Waiting

logger = logging.getLogger(__name__)
CREATION_SECONDS = 1.0  # resolution of metadata.creationTimestamp


def finished(simulation: Simulation, run: Run, outcome: Outcome, now: float) -> SimulationStatus:
    """Return the status of a Simulation that is over; `now` in seconds since the epoch."""
    result = _result_of(outcome)
    if isinstance(result, Outcome):
        outcome = result
    facts = (ready if outcome.succeeded else stalled)(outcome.reason, outcome.message)
    status = _of_run(simulation, run).replace(
        phase=SimulationPhase.SUCCEEDED if outcome.succeeded else SimulationPhase.FAILED,
        conditions=conditions_of(simulation, facts, now),
        completion_time=moment(run.finished or now),
        fidelity=_hindsight(simulation) if outcome.succeeded else None,
    )
    return _answered(status, result) if isinstance(result, SimulationResult) else status


def _result_of(outcome: Outcome) -> SimulationResult | Outcome:
    """Return the answer of a worker; why there is none, also where a value of it is none that a status can have."""
    if not outcome.succeeded:
        return outcome
    try:
        return SimulationResult.model_validate(outcome.value)
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        message = f"The worker's answer cannot be written: status.{field} cannot have its value."
        return Outcome(Reason.INTERNAL_ERROR, message)


def unfinished(simulation: Simulation, run: Run, waiting: Waiting, now: float) -> SimulationStatus:
    """Return the status of a Simulation that waits, is queued, runs, or is suspended."""
    facts = reconciling(waiting.reason, waiting.message)
    if waiting.phase is SimulationPhase.SUSPENDED:
        facts = facts[:1]
    return _of_run(simulation, run).replace(phase=waiting.phase, conditions=conditions_of(simulation, facts, now))


def _of_run(simulation: Simulation, run: Run) -> SimulationStatus:
    bound = run.bound
    return SimulationStatus(
        observed_generation=simulation.metadata.generation,
        model_version=bound.version if bound else simulation.status.model_version,
        registered_model=bound.registered_model if bound else simulation.status.registered_model,
        trace_id=trace_of(simulation.metadata).trace_id,
        attempts=run.attempts,
        worker=run.worker,
        queued_time=None if run.queued is None else moment(run.queued),
        start_time=None if run.started is None else moment(run.started),
    )


def _answered(status: SimulationStatus, result: SimulationResult) -> SimulationStatus:
    return status.replace(
        model_version=result.model_version or status.model_version,
        registered_model=result.registered_model or status.registered_model,
        effect=result.effect,
        basis=result.basis,
        outcome=result.outcome,
        population=result.population,
        subgroups=result.subgroups,
        heterogeneity=result.heterogeneity,
        recommendation=result.recommendation,
        trial=result.trial,
    )


def _hindsight(simulation: Simulation) -> PredictionFidelity | None:
    """Return that an outcome which was there before its prediction does not count; the grade comes later."""
    return PredictionFidelity(hindsight=True) if simulation.spec.observed else None


@dataclass
class Tracked:
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
        on_finish: called with a Simulation after its final status was written.
        on_trace: called with it, its run and when it was seen first (seconds since the epoch).
    """

    resources: Resources
    pace: Pace
    clock: Callable[[], float]
    meters: SimulationMeters
    on_finish: Callable[[Simulation], None]
    on_trace: Callable[[Simulation, Run, float], None]
    tracked: dict[str, Tracked] = field(default_factory=dict)
    """Every unfinished Simulation, by uid."""

    async def write_unfinished(self, tracked: Tracked, run: Run, waiting: Waiting) -> None:
        """Write where a Simulation is, at most at the rate that the pace allows."""
        await self.pace.turn()
        simulation = tracked.simulation
        if simulation.uid not in self.tracked or tracked.writing:
            return
        changed = simulation.replace(status=unfinished(simulation, run, waiting, self.clock()))
        try:
            tracked.simulation = await self.resources.update_status(simulation, changed)
        except (Changed, Gone):
            tracked.reason = None  # the watch event that is on its way has it decided on again

    async def write_finished(self, tracked: Tracked, run: Run, outcome: Outcome) -> None:
        """Write the final status; one that cannot be written now is written after the next resync."""
        tracked.writing = True
        try:
            written = await self._write(tracked, run, outcome)
        except Gone:
            written = None
        except Changed:
            return
        finally:
            tracked.writing = False
        self.tracked.pop(tracked.simulation.uid, None)
        if written is not None:
            self.meters.finished(figures_of(written, run, tracked.seen, self.clock()))
            self.on_finish(written)
            self.on_trace(written, run, tracked.seen)

    async def _write(self, tracked: Tracked, run: Run, outcome: Outcome) -> Simulation | None:
        def decide(simulation: Simulation) -> Simulation | None:
            tracked.simulation = simulation
            if simulation.status.phase.finished:
                return None
            return simulation.replace(status=finished(simulation, run, outcome, self.clock()))

        try:
            return await write_status(self.resources, tracked.simulation, decide)
        except Refused as error:
            name = "/".join(tracked.simulation.key)
            logger.exception("The answer of %s was refused.", name)
            outcome = Outcome(Reason.INTERNAL_ERROR, f"The answer could not be written: {error}")
            return await write_status(self.resources, tracked.simulation, decide)


def figures_of(simulation: Simulation, run: Run, seen: float, now: float) -> SimulationFigures:
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
    return SimulationFigures(
        namespace=simulation.namespace,
        phase=status.phase,
        reason=ready.reason if ready else "",
        duration=max(0.0, now - _created(simulation, seen)),
        queue=simulation.spec.task_queue,
        wait=max(0.0, (run.started or 0.0) - (run.queued or 0.0)) if started else None,
        recommendation=(advice.action, advice.reason) if advice else None,
    )


def _created(simulation: Simulation, seen: float) -> float:
    """Return when the object was created: its timestamp has whole seconds, being seen at once tells the rest."""
    created = simulation.metadata.creation_timestamp
    return seen if created is None else min(seen, created.timestamp() + CREATION_SECONDS)
