"""Columns as they come in real files, read into labels and numbers.

Blanks around labels are trimmed and counted, Yes/No and true/false work as numbers. Outcomes and times have modules of
their own; what any other column means is decided elsewhere.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from twin_operator.domain.table.arrays import Floats, Integers
from twin_operator.domain.table.cells import MISSING_NUMBERS, TRUTHS, Cells, label_of, number_of


@dataclass(frozen=True)
class Labels:
    """A column of texts: (n,) codes into sorted `levels`, -1 where missing, and how many had blanks around them."""

    codes: Integers
    levels: tuple[str, ...]
    trimmed: int

    @property
    def missing(self) -> int:
        """How many rows have no label."""
        return int(np.count_nonzero(self.codes < 0))


def read_labels(cells: Cells) -> Labels:
    """Read (n,) raw values as labels; only an empty cell is missing."""
    values, positions = cells.distinct()
    texts = [label_of(value) for value in values]
    levels, codes = encoded(texts)
    blank = np.array([isinstance(value, str) and value != value.strip() for value in values], dtype=bool)
    return Labels(codes[positions], levels, int(np.count_nonzero(blank[positions])))


def encoded(texts: list[str | None]) -> tuple[tuple[str, ...], Integers]:
    """Return the sorted levels of (m,) texts, and their (m,) codes, -1 for None."""
    levels = tuple(sorted({text for text in texts if text is not None}))
    index: dict[str | None, int] = {level: code for code, level in enumerate(levels)} | {None: -1}
    return levels, np.array([index[text] for text in texts], dtype=np.int32)


def read_numbers(cells: Cells) -> Floats:
    """Read (n,) raw values as float64 with NaN where missing.

    Raises:
        DataInvalid: naming the first row that holds no number, or an infinite one.
    """
    numbers = unbounded_numbers(cells)
    infinite = np.isinf(numbers)
    if infinite.any():
        raise cells.refusal(infinite, "the value is infinite; replace it or leave the cell empty.")
    return numbers


def unbounded_numbers(cells: Cells) -> Floats:
    """Read (n,) raw values as float64 with NaN where missing; they may be infinite.

    Raises:
        DataInvalid: naming the first row that holds no number.
    """
    if cells.values.dtype.kind in "fiub":
        return cells.values.astype(np.float64, copy=False)
    values, positions = cells.distinct()
    numbers = [_number(value) for value in values]
    wrong = np.array([number is None for number in numbers], dtype=bool)[positions]
    if wrong.any():
        raise cells.refusal(
            wrong, "a number is needed; correct the value, leave the cell empty, or declare the column Categorical."
        )
    return np.array(numbers, dtype=np.float64)[positions]


def _number(value: Hashable) -> float | None:
    """NaN where the value is missing, None where it is no number."""
    text = label_of(value)
    if text is None or text in MISSING_NUMBERS:
        return math.nan
    truth = TRUTHS.get(text.lower())
    return number_of(text) if truth is None else truth
