"""The table of `kubectl twin status`: whether each model is faithful, and what its retraining waits for. Pure."""

from collections.abc import Sequence
from typing import Any, Final

JSON = dict[str, Any]
COLUMNS: Final = ("NAME", "VERSION", "FIDELITY", "FAITHFUL", "RETRAINABLE", "ACTIVE JOB")
_ABSENT: Final = "-"
_GAP: Final = "   "  # between columns, as kubectl prints


def model_table(models: Sequence[JSON], *, with_namespace: bool) -> str:
    """Return a line for each TwinModel under a line of headers."""
    rows = [COLUMNS, *(_row(body) for body in models)]
    if with_namespace:
        places = ["NAMESPACE", *(body["metadata"]["namespace"] for body in models)]
        rows = [(place, *row) for place, row in zip(places, rows, strict=True)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = (_GAP.join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _row(body: JSON) -> tuple[str, ...]:
    status = body.get("status") or {}
    return (
        body["metadata"]["name"],
        (status.get("model") or {}).get("version") or _ABSENT,
        _fidelity(status.get("fidelity") or {}),
        _condition(status, "Faithful"),
        _condition(status, "Retrainable"),
        (status.get("retraining") or {}).get("activeJob") or _ABSENT,
    )


def _fidelity(fidelity: JSON) -> str:
    grade, score = fidelity.get("grade"), fidelity.get("score")
    parts = [grade] if grade else []
    if score is not None:
        parts.append(f"{score:.2f}")
    return " ".join(parts) or _ABSENT


def _condition(status: JSON, type_: str) -> str:
    for condition in status.get("conditions") or ():
        if condition["type"] == type_:
            return f"{condition['status']} ({condition['reason']})"
    return _ABSENT
