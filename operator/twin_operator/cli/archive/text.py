"""Rows of the archive as people read them, and as JSON."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from twin_operator.adapters.sql_archive.filters import Kind
from twin_operator.cli.output import print_line, print_table
from twin_operator.domain.twin.tau_mixture import TauWeights

Row = Mapping[str, Any]
_DIGITS: Final = 4  # significant ones: more than an interval resolves
_MOST_WEIGHT: Final = 0.0005  # below it a share of the mixture prints as 0.0 %


def as_json(rows: Sequence[Row]) -> str:
    """Return rows as a JSON list; moments as RFC 3339, numbers that are not finite as null."""
    return json.dumps([{name: _json(value) for name, value in row.items()} for row in rows], indent=2)


def print_rows(kind: Kind, rows: Sequence[Row]) -> None:
    """Print rows as a table."""
    if not rows:
        print_line(f"No {kind} found.")
        return
    print_table(list(_COLUMNS[kind]), [[_text(show(row)) for show in _COLUMNS[kind].values()] for row in rows])


def print_weights(weights: TauWeights) -> None:
    """Print a mixture over tau: what it rests on, and the values that have any weight to speak of."""
    print_line(
        f"{weights.experiments} experiments and {weights.outcomes} outcomes; median of tau {_figure(weights.median)} "
        "in units of the outcome"
    )
    pairs = zip(weights.tau.tolist(), weights.weight.tolist(), strict=True)
    print_table(["TAU", "WEIGHT"], [[_figure(t), f"{w:.1%}"] for t, w in pairs if w >= _MOST_WEIGHT])


def _model(row: Row) -> str | None:
    return f"{row['namespace']}/{row['model']}" if row["model"] else row["registered_model"]


def _predicted(row: Row) -> str | None:
    if row["estimate"] is None:
        return None
    interval = "" if row["low"] is None else f" ({_figure(row['low'])} to {_figure(row['high'])})"
    return f"{_figure(row['estimate'])}{interval}"


def _contrast(row: Row) -> str:
    return f"{row['arm']} / {row['against']}" if row["against"] else str(row["arm"])


def _grade(row: Row) -> str | None:
    return f"{row['grade']} (hindsight)" if row["hindsight"] else row["grade"]


def _of(name: str) -> Callable[[Row], Any]:
    return lambda row: row[name]


_COLUMNS: Final[dict[Kind, dict[str, Callable[[Row], Any]]]] = {
    Kind.OUTCOMES: {
        "KNOWN": _of("time"),
        "MODEL": _model,
        "VERSION": _of("model_version"),
        "SIMULATION": _of("name"),
        "EXPERIMENT": _of("experiment"),
        "ARMS": _contrast,
        "PREDICTED": _predicted,
        "OBSERVED": _of("observed"),
        "COVERED": _of("covered"),
        "GRADE": _grade,
    },
    Kind.SIMULATIONS: {
        "ENDED": _of("completed"),
        "MODEL": _model,
        "VERSION": _of("model_version"),
        "SIMULATION": _of("name"),
        "ARMS": _contrast,
        "REASON": _of("reason"),
        "PREDICTED": _predicted,
        "ACTION": _of("action"),
        "GRADE": _grade,
    },
    Kind.RETRAININGS: {
        "ENDED": _of("completed"),
        "MODEL": _model,
        "RETRAINING": _of("name"),
        "TRIGGER": _of("trigger"),
        "PHASE": _of("phase"),
        "REASON": _of("reason"),
        "CANDIDATE": _of("candidate_version"),
        "PROMOTED": _of("promoted"),
        "APPROVED BY": _of("approved_by"),
    },
}


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _figure(value)
    return "" if value is None else str(value)


def _figure(number: float) -> str:
    return f"{number:.{_DIGITS}g}"


def _json(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return None if isinstance(value, float) and not math.isfinite(value) else value
