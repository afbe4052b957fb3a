"""The status of a Simulation while it is under way and after its end."""

from datetime import datetime

from pydantic import ValidationError

from twin_operator.api.v1alpha1 import Simulation, SimulationStatus
from twin_operator.api.v1alpha1.conditions import Reason, SimulationPhase
from twin_operator.api.v1alpha1.simulation_status import PredictionFidelity
from twin_operator.services.reconciling.ports import Refused
from twin_operator.services.reconciling.refusals import stalled_by
from twin_operator.services.reconciling.status import Fact, conditions_of, ready, reconciling, stalled
from twin_operator.services.reconciling.twin_checks import TwinChecks
from twin_operator.services.runs.run import BoundVersion, Outcome, Run
from twin_operator.services.runs.simulation_messages import SimulationResult
from twin_operator.services.runs.times import moment
from twin_operator.services.runs.tracing import trace_of
from twin_operator.services.simulations.decide import Running
from twin_operator.services.simulations.recommendation import Conclusion, Unwritable, conclude
from twin_operator.services.versions import Waiting


def finished(
    simulation: Simulation, run: Run, outcome: Outcome, checks: TwinChecks | None, now: float
) -> SimulationStatus:
    """Return the status of a Simulation that is over.

    Args:
        simulation: the object.
        run: the record of its run.
        outcome: how the run ended.
        checks: what is known now against the version that answered; None where the run failed.
        now: seconds since the epoch.
    """
    result, conclusion = SimulationResult(), None
    try:
        if outcome.succeeded:
            result = _read(outcome)
            conclusion = None if checks is None else conclude(simulation, result, checks)
    except Unwritable as error:
        result, outcome = SimulationResult(), Outcome(Reason.INTERNAL_ERROR, str(error))
    status = _of_run(simulation, run, result).replace(
        phase=SimulationPhase.SUCCEEDED if outcome.succeeded else SimulationPhase.FAILED,
        conditions=conditions_of(simulation, _facts(outcome, conclusion), now),
        completion_time=moment(run.finished or now),
        fidelity=_hindsight(simulation) if outcome.succeeded else None,
    )
    return status if conclusion is None else _with_conclusion(status, conclusion)


def answered_by(simulation: Simulation, run: Run, outcome: Outcome) -> BoundVersion | None:
    """Return the version whose answer an outcome is; None where that is not known."""
    try:
        result = _read(outcome)
    except Unwritable:
        return None
    name, version = result.registered_model or _registered_model(simulation, run), result.model_version
    if name is None or version is None:
        return run.bound
    same = run.bound is not None and (run.bound.registered_model, run.bound.version) == (name, version)
    return run.bound if same else BoundVersion(name, version, None)


def _of_run(simulation: Simulation, run: Run, result: SimulationResult) -> SimulationStatus:
    """Return what a run and the numbers of its result say."""
    return SimulationStatus(
        observed_generation=simulation.metadata.generation,
        model_version=result.model_version or _version(simulation, run),
        model_run_id=_run_id(simulation, run),
        registered_model=result.registered_model or _registered_model(simulation, run),
        trace_id=trace_of(simulation.metadata).trace_id,
        attempts=run.attempts,
        worker=run.worker,
        queued_time=_moment(run.queued),
        start_time=_moment(run.started),
        effect=result.effect,
        basis=result.basis,
        outcome=result.outcome,
        population=result.population,
        subgroups=result.subgroups,
        heterogeneity=result.heterogeneity,
        trial=result.trial,
    )


def _facts(outcome: Outcome, conclusion: Conclusion | None) -> list[Fact]:
    if not outcome.succeeded:
        return stalled(outcome.reason, outcome.message)
    if conclusion is None:
        return ready(outcome.reason, outcome.message)
    return [*ready(outcome.reason, conclusion.recommendation.message), conclusion.trustworthy]


def _with_conclusion(status: SimulationStatus, conclusion: Conclusion) -> SimulationStatus:
    effect = status.effect and status.effect.replace(calibrated=conclusion.calibrated)
    return status.replace(effect=effect, recommendation=conclusion.recommendation, warnings=conclusion.warnings)


def _read(outcome: Outcome) -> SimulationResult:
    """Return the answer of a worker; raise `Unwritable` where a value of it is none that a status can have."""
    try:
        return SimulationResult.model_validate(outcome.value)
    except ValidationError as error:
        raise Unwritable(".".join(map(str, error.errors()[0]["loc"]))) from error


def unfinished(simulation: Simulation, run: Run, waiting: Waiting | Running, now: float) -> SimulationStatus:
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


def failed_by(simulation: Simulation, refused: Refused, now: float) -> Simulation:
    """Return a Simulation that ended as the API server accepts neither its answer nor a status of its run."""
    stuck = stalled_by(simulation, refused, now)
    return stuck.replace(status=stuck.status.replace(phase=SimulationPhase.FAILED, completion_time=moment(now)))


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
