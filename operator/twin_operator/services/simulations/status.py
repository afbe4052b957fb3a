"""The status that a Simulation gets: one merge patch that names every field, null where it does not apply."""

from twin_operator.api.v1alpha1.conditions import SimulationPhase
from twin_operator.services.reconciling.objects import Simulation
from twin_operator.services.reconciling.status import merge_conditions, ready, reconciling, stalled
from twin_operator.services.runs.run import JSON, Outcome, Run
from twin_operator.services.runs.times import timestamp
from twin_operator.services.versions.version import Waiting

FIELDS = (
    "modelVersion",
    "registeredModel",
    "traceID",
    "attempts",
    "cached",
    "worker",
    "queuedTime",
    "startTime",
    "completionTime",
    "effect",
    "basis",
    "outcome",
    "population",
    "subgroups",
    "heterogeneity",
    "recommendation",
    "trial",
    "fidelity",
)


def finished(simulation: Simulation, run: Run, outcome: Outcome, version: str | None, now: float) -> JSON:
    """Return the status of a Simulation that is over."""
    facts = (ready if outcome.succeeded else stalled)(outcome.reason, outcome.message)
    return {
        **_common(simulation, run, version),
        "phase": SimulationPhase.SUCCEEDED if outcome.succeeded else SimulationPhase.FAILED,
        "completionTime": timestamp(run.finished or now),
        **outcome.value,
        "fidelity": _hindsight(simulation, outcome),
        "conditions": merge_conditions(simulation.body, facts, now),
    }


def _hindsight(simulation: Simulation, outcome: Outcome) -> JSON | None:
    """Say of an outcome that is there before its prediction that it does not count; the grade comes later."""
    return {"hindsight": True} if outcome.succeeded and simulation.spec.get("observed") else None


def unfinished(simulation: Simulation, run: Run, waiting: Waiting, version: str | None, now: float) -> JSON:
    """Return the status of a Simulation that waits, is queued, runs, or is suspended."""
    facts = reconciling(waiting.reason, waiting.message)
    if waiting.phase == SimulationPhase.SUSPENDED:
        facts = facts[:1]
    conditions = merge_conditions(simulation.body, facts, now)
    return {**_common(simulation, run, version), "phase": waiting.phase, "conditions": conditions}


def _common(simulation: Simulation, run: Run, version: str | None) -> JSON:
    return {
        **dict.fromkeys(FIELDS),
        "observedGeneration": simulation.body["metadata"].get("generation", 1),
        "modelVersion": version,
        "traceID": simulation.trace.trace_id,
        "attempts": run.attempts,
        "worker": run.worker,
        "queuedTime": timestamp(run.queued),
        "startTime": timestamp(run.started),
    }
