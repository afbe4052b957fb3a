"""Plain tables and figures in words, without their content."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

_WIDTH = 110  # characters of a line
_LABEL = 18  # characters before the text of a line
_GAP = "   "  # between columns, as kubectl has it


def points(value: float) -> str:
    """Render a share's difference in percentage points."""
    return f"{100 * value:+.2f}"


def interval(low: float, high: float) -> str:
    """Render an interval of such differences."""
    return f"{points(low)} to {points(high)}"


def labelled(label: str, text: str) -> str:
    """Put a label before a text of any length."""
    indent = " " * (_LABEL + 2)
    return textwrap.fill(
        text, _WIDTH, initial_indent=f"  {label:<{_LABEL}}", subsequent_indent=indent, break_on_hyphens=False
    )


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Put rows of equally many cells under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (_GAP.join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
