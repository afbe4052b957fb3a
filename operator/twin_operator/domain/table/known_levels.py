"""Known levels of a column as a message shows them: a few, and never one that stands for a single row."""

from collections.abc import Sequence
from typing import Final

_MOST_SHOWN: Final = 5
# With fewer rows per level on average the column may hold names or identifiers: its levels are cells of rows.
_LEAST_ROWS_OF_A_LEVEL: Final = 2


def known_levels(levels: Sequence[str], rows: int) -> str:
    """Return up to five of the levels of a column of `rows` rows, quoted, or only how many there are."""
    if len(levels) * _LEAST_ROWS_OF_A_LEVEL > rows:
        return f"{len(levels)} different values in {rows} rows"
    return quoted(levels)


def quoted(names: Sequence[str]) -> str:
    """Return up to five of the names, quoted, and how many more there are."""
    shown = ", ".join(f'"{name}"' for name in names[:_MOST_SHOWN])
    return shown if len(names) <= _MOST_SHOWN else f"{shown} and {len(names) - _MOST_SHOWN} more"
