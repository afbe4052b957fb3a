"""How commands answer: a table, JSON or the models of `kubectl twin status`, and a sentence where they cannot."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from twin_operator.services.runs.credentials import without_credentials

_UNBOUNDED: Final = 10_000  # characters a line where no terminal sets a width: nothing wraps for grep and less -S
JSON = dict[str, Any]
MODEL_COLUMNS: Final = ("NAME", "VERSION", "FIDELITY", "FAITHFUL", "RETRAINABLE", "ACTIVE JOB")
_ABSENT: Final = "-"
_GAP: Final = "   "  # between columns, as kubectl prints


class Output(StrEnum):
    """How something is printed."""

    TABLE = "table"
    JSON = "json"


def print_line(sentence: str) -> None:
    """Print a sentence as it is."""
    _console().print(Text(sentence))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table without lines, as kubectl does."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(value) for value in row))
    _console().print(table)


def fail(sentence: str, code: int = 1) -> NoReturn:
    """End the command with a sentence for the user who ran it: exit code 1, or 2 where its configuration is wrong."""
    typer.echo(without_credentials(sentence), err=True)
    raise typer.Exit(code)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _UNBOUNDED)


def model_table(models: Sequence[JSON], *, with_namespace: bool) -> str:
    """Return a line for each TwinModel under a line of headers."""
    rows = [MODEL_COLUMNS, *(_model_row(body) for body in models)]
    if with_namespace:
        places = ["NAMESPACE", *(body["metadata"]["namespace"] for body in models)]
        rows = [(place, *row) for place, row in zip(places, rows, strict=True)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = (_GAP.join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _model_row(body: JSON) -> tuple[str, ...]:
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
