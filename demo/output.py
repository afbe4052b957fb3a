"""What the demo prints: lines with the seconds since its start, and tables; plain text where nothing is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

PROJECT = Path(__file__).resolve().parents[1]
_WIDTH_OF_LOGS = 160  # characters
_STARTED = time.monotonic()

console = Console(width=None if sys.stdout.isatty() else _WIDTH_OF_LOGS, markup=False, emoji=False, highlight=False)


def say(line: str) -> None:
    """Print a line with the seconds since the start of the demo."""
    console.print(Text.assemble((f"{time.monotonic() - _STARTED:6.1f} s  ", "dim"), line), soft_wrap=True)


def show(text: str) -> None:
    """Print text as it is, such as the output of kubectl."""
    console.print(text.rstrip(), soft_wrap=True)


def show_message(text: str) -> None:
    """Print a sentence, wrapped at the width of the terminal."""
    console.print(f"\n{text}")


def show_title(title: str) -> None:
    """Begin a chapter."""
    console.print()
    console.rule(Text(title, "bold"), align="left")


def show_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a header."""
    console.print()
    table = Table(*header, title=title, title_justify="left", title_style="bold", box=SIMPLE)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def points(value: float) -> str:
    """Render a difference of shares in percentage points."""
    return f"{100 * value:+.2f}"


def interval(low: float, high: float) -> str:
    """Render an interval of such differences."""
    return f"{points(low)} to {points(high)}"
