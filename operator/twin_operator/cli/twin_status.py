"""What `kubectl twin status` prints: models, those that fail, and the jobs that wait for approval.

Pure functions of the objects that the command has read.
"""

from collections.abc import Sequence
from typing import Any, Final

from twin_operator.api.v1alpha1.conditions import RetrainingJobPhase, TwinModelPhase

JSON = dict[str, Any]
WAITING: Final = f"status.phase={RetrainingJobPhase.AWAITING_APPROVAL}"
"""Field selector of the RetrainingJobs that wait for approval."""
_MODELS: Final = ("NAME", "VERSION", "FIDELITY", "FAITHFUL", "RETRAINABLE", "ACTIVE JOB")
_FAILING: Final = ("FAILING MODEL", "STATE", "REASON", "MESSAGE")
_JOBS: Final = ("WAITING FOR APPROVAL", "MODEL", "TRIGGER", "MESSAGE")
_ABSENT: Final = "-"
_GAP: Final = "   "  # between columns, as kubectl prints


def status_report(models: Sequence[JSON], jobs: Sequence[JSON], *, with_namespace: bool) -> str:
    """Return the table of TwinModels, and below it one of those that fail and one of `jobs`, where there are any.

    Args:
        models: TwinModels.
        jobs: RetrainingJobs that wait for approval.
        with_namespace: whether each line begins with the namespace of its object.
    """
    failing = [body for body in models if _failure(body)]
    rows = [
        (_MODELS, models, list(map(_model_row, models))),
        (_FAILING, failing, list(map(_failing_row, failing))),
        (_JOBS, jobs, list(map(_job_row, jobs))),
    ]
    tables = [_table(*each, with_namespace=with_namespace) for each in rows if each[1]]
    return "\n\n".join(tables if models else ["No TwinModels found.", *tables])


def _table(
    heads: Sequence[str], bodies: Sequence[JSON], lines: Sequence[Sequence[str]], *, with_namespace: bool
) -> str:
    """Return a line for each object under a line of headers."""
    rows = [tuple(heads), *map(tuple, lines)]
    if with_namespace:
        places = ["NAMESPACE", *(body["metadata"]["namespace"] for body in bodies)]
        rows = [(place, *row) for place, row in zip(places, rows, strict=True)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(_GAP.join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _model_row(body: JSON) -> tuple[str, ...]:
    status = body.get("status") or {}
    return (
        body["metadata"]["name"],
        (status.get("model") or {}).get("version") or _ABSENT,
        _fidelity(status.get("fidelity") or {}),
        _verdict(status, "Faithful"),
        _verdict(status, "Retrainable"),
        (status.get("retraining") or {}).get("activeJob") or _ABSENT,
    )


def _fidelity(fidelity: JSON) -> str:
    grade, score = fidelity.get("grade"), fidelity.get("score")
    parts = [grade] if grade else []
    if score is not None:
        parts.append(f"{score:.2f}")
    return " ".join(parts) or _ABSENT


def _verdict(status: JSON, type_: str) -> str:
    condition = _condition(status, type_)
    return f"{condition['status']} ({condition['reason']})" if condition else _ABSENT


def _failing_row(body: JSON) -> tuple[str, ...]:
    state, condition = _failure(body) or (_ABSENT, {})
    return body["metadata"]["name"], state, condition.get("reason", _ABSENT), _line(condition.get("message"))


def _failure(body: JSON) -> tuple[str, JSON] | None:
    """Return how a TwinModel fails, and the condition that says why: Stalled first, as only a user can end it."""
    status = body.get("status") or {}
    phase = status.get("phase")
    if (stalled := _condition(status, "Stalled", "True")) is not None:
        return "Stalled", stalled
    if phase == TwinModelPhase.FAILED:
        return str(phase), _condition(status, "Ready", "False") or {}
    if phase == TwinModelPhase.DEGRADED:
        return str(phase), _condition(status, "Faithful", "False") or {}
    return None


def _job_row(body: JSON) -> tuple[str, ...]:
    spec = body["spec"]
    trigger = spec.get("trigger") or {}
    return (
        body["metadata"]["name"],
        spec["modelRef"]["name"],
        trigger.get("type") or _ABSENT,
        _line(trigger.get("message")),
    )


def _condition(status: JSON, type_: str, value: str | None = None) -> JSON | None:
    """Return the condition of a type, with this status where one is given."""
    conditions: list[JSON] = status.get("conditions") or []
    return next((each for each in conditions if each["type"] == type_ and value in {None, each["status"]}), None)


def _line(text: str | None) -> str:
    """Return a text in one line."""
    return " ".join((text or "").split()) or _ABSENT
