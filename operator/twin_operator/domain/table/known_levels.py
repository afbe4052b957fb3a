"""Known levels of a column as a message shows them: a few, and never one that stands for a single row."""

from collections.abc import Sequence
from typing import Final

_MOST_SHOWN: Final = 5
_LONGEST_SHOWN: Final = 64  # characters of one of them
# With fewer rows per level on average the column may hold names or identifiers: its levels are cells of rows.
_LEAST_ROWS_OF_A_LEVEL: Final = 2


def known_levels(levels: Sequence[str], rows: int) -> str:
    """Return up to five of the levels of a column of `rows` rows, quoted, or only how many there are."""
    return quoted(levels) if may_be_shown(levels, rows) else f"{len(levels)} different values in {rows} rows"


def may_be_shown(levels: Sequence[str], rows: int) -> bool:
    """Whether the levels of a column of `rows` rows are shared by so many rows that they are no one's cells."""
    return len(levels) * _LEAST_ROWS_OF_A_LEVEL <= rows


def quoted(names: Sequence[str]) -> str:
    """Return up to five of the names, quoted, the long ones cut, and how many more there are."""
    shown = ", ".join(f'"{_cut(name)}"' for name in names[:_MOST_SHOWN])
    return shown if len(names) <= _MOST_SHOWN else f"{shown} and {len(names) - _MOST_SHOWN} more"


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_SHOWN else f"{name[: _LONGEST_SHOWN - 1]}…"
