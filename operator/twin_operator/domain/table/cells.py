"""The cells of one column with the numbers of their rows, and what a single cell is: a label, a number or missing.

Data rows are counted from 1: the header and empty lines of a CSV are not counted, rows without an arm or an outcome
are. A message names the column and the number of the row, never the cell: it may be about a patient.
"""

import math
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from twin_operator.domain.errors import DataInvalid
from twin_operator.domain.table.arrays import Identifiers, Integers, Mask, RawColumn

MISSING_NUMBERS: Final = frozenset({"NA", "NaN"})
"""Texts that mean a missing number, a missing time or a missing event; for labels only the empty text does."""

TRUTHS: Final = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0, "y": 1.0, "n": 0.0, "t": 1.0, "f": 0.0}
# What Python and the readers of files agree on: Python alone also takes 1_000 and digits of other alphabets.
_NUMBER: Final = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Cells:
    """(n,) raw `values` of the column `name`, and the (n,) numbers of their rows."""

    name: str
    values: RawColumn
    row_numbers: Identifiers

    def distinct(self) -> tuple[list[Hashable], Integers]:
        """Return the distinct values, and the (n,) position of each row's: files repeat a few values many times."""
        index: dict[Hashable, int] = {}
        values: list[Hashable] = self.values.tolist()
        positions = [index.setdefault(_missing_as_none(value), len(index)) for value in values]
        return list(index), np.array(positions, dtype=np.int32)

    def refusal(self, wrong: Mask, sentence: str) -> DataInvalid:
        """Return the refusal of the first row of an (n,) mask; `sentence` goes on after its number."""
        return DataInvalid(f'Column "{self.name}", row {self.row_numbers[np.argmax(wrong)]}: {sentence}')


def cells_of(raw: Mapping[str, RawColumn]) -> dict[str, Cells]:
    """Return the cells of all rows of a table, by column."""
    columns = {name: np.asarray(values) for name, values in raw.items()}
    row_numbers = np.arange(1, 1 + max(values.size for values in columns.values()))
    return {name: Cells(name, values, row_numbers) for name, values in columns.items()}


def only_rows(table: Mapping[str, Cells], chosen: Mask) -> Mapping[str, Cells]:
    """Return the cells of the rows in the (n,) mask; they keep the numbers of their rows."""
    if chosen.all():
        return table
    row_numbers = 1 + np.flatnonzero(chosen)
    return {name: Cells(name, cells.values[chosen], row_numbers) for name, cells in table.items()}


def label_of(value: Hashable) -> str | None:
    """Return a value as a label: 1.0 is "1", True is "true", blanks around it are trimmed, an empty text is None."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() or None


def number_of(text: str) -> float | None:
    """Return the number that a text writes, rounded to the nearest float64; None where it writes none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def _missing_as_none(value: Hashable) -> Hashable:
    return None if isinstance(value, float) and math.isnan(value) else value
