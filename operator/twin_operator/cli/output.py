"""How commands answer: a table or JSON, and a sentence where they cannot."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from twin_operator.services.runs.credentials import without_credentials

_UNBOUNDED: Final = 10_000  # characters a line where no terminal sets a width: nothing wraps for grep and less -S


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
