"""What monitoring wants to know of a Simulation that ended: a pure function of object, run and clock."""

from datetime import datetime

from twin_operator.api.v1alpha1.conditions import ConditionType
from twin_operator.services.reconciling.metrics import SimulationFigures
from twin_operator.services.runs.run import JSON, Run

CREATION_SECONDS = 1.0  # resolution of metadata.creationTimestamp


def figures_of(body: JSON, run: Run, seen: float, now: float) -> SimulationFigures:
    """Return the figures of a Simulation whose final status was written just now.

    Args:
        body: the object with that status.
        run: the record of its run.
        seen: when the operator first saw it, seconds since the epoch.
        now: seconds since the epoch.
    """
    status = body["status"]
    started = run.started is not None and run.queued is not None
    return SimulationFigures(
        namespace=body["metadata"]["namespace"],
        phase=status["phase"],
        reason=_reason(status),
        duration=max(0.0, now - _created(body, seen)),
        queue=str(body["spec"].get("queue") or "simulations"),
        wait=max(0.0, (run.started or 0.0) - (run.queued or 0.0)) if started else None,
        recommendation=_recommendation(status),
    )


def _created(body: JSON, seen: float) -> float:
    """Return when the object was created: its timestamp has whole seconds, being seen at once tells the rest."""
    stamp = datetime.fromisoformat(body["metadata"]["creationTimestamp"]).timestamp()
    return min(seen, stamp + CREATION_SECONDS)


def _reason(status: JSON) -> str:
    conditions = status.get("conditions") or ()
    return next((str(each["reason"]) for each in conditions if each["type"] == ConditionType.READY), "")


def _recommendation(status: JSON) -> tuple[str, str] | None:
    given = status.get("recommendation")
    return (given["action"], given["reason"]) if given else None
