"""The status of a Simulation while it is under way and after its end."""

from datetime import datetime

from pydantic import ValidationError

from twin_operator.api.v1alpha1 import Simulation, SimulationStatus
from twin_operator.api.v1alpha1.conditions import Reason, SimulationPhase
from twin_operator.api.v1alpha1.simulation_status import PredictionFidelity
from twin_operator.services.reconciling.status import conditions_of, ready, reconciling, stalled
from twin_operator.services.runs.messages import SimulationResult
from twin_operator.services.runs.run import Outcome, Run
from twin_operator.services.runs.times import moment
from twin_operator.services.runs.tracing import trace_of
from twin_operator.services.versions import Waiting


def finished(simulation: Simulation, run: Run, outcome: Outcome, now: float) -> SimulationStatus:
    """Return the status of a Simulation that is over; `now` in seconds since the epoch."""
    result = _result_of(outcome)
    if isinstance(result, Outcome):
        outcome, result = result, SimulationResult()
    facts = (ready if outcome.succeeded else stalled)(outcome.reason, outcome.message)
    return SimulationStatus(
        observed_generation=simulation.metadata.generation,
        conditions=conditions_of(simulation, facts, now),
        phase=SimulationPhase.SUCCEEDED if outcome.succeeded else SimulationPhase.FAILED,
        model_version=result.model_version or _version(simulation, run),
        model_run_id=_run_id(simulation, run),
        registered_model=result.registered_model or _registered_model(simulation, run),
        trace_id=trace_of(simulation.metadata).trace_id,
        attempts=run.attempts,
        worker=run.worker,
        queued_time=_moment(run.queued),
        start_time=_moment(run.started),
        completion_time=moment(run.finished or now),
        fidelity=_hindsight(simulation) if outcome.succeeded else None,
        effect=result.effect,
        basis=result.basis,
        outcome=result.outcome,
        population=result.population,
        subgroups=result.subgroups,
        heterogeneity=result.heterogeneity,
        recommendation=result.recommendation,
        trial=result.trial,
    )


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
    return SimulationStatus(
        observed_generation=simulation.metadata.generation,
        conditions=conditions_of(simulation, facts, now),
        phase=waiting.phase,
        model_version=_version(simulation, run),
        model_run_id=_run_id(simulation, run),
        registered_model=_registered_model(simulation, run),
        trace_id=trace_of(simulation.metadata).trace_id,
        attempts=run.attempts,
        worker=run.worker,
        queued_time=_moment(run.queued),
        start_time=_moment(run.started),
    )


def _version(simulation: Simulation, run: Run) -> str | None:
    return run.bound.version if run.bound else simulation.status.model_version


def _run_id(simulation: Simulation, run: Run) -> str | None:
    return run.bound.run_id if run.bound else simulation.status.model_run_id


def _registered_model(simulation: Simulation, run: Run) -> str | None:
    return run.bound.registered_model if run.bound else simulation.status.registered_model


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)


def _hindsight(simulation: Simulation) -> PredictionFidelity | None:
    """Return that an outcome which was there before its prediction does not count; the grade comes later."""
    return PredictionFidelity(hindsight=True) if simulation.spec.observed else None
