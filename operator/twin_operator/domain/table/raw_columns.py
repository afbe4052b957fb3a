"""Values as they come in real files, read into labels, numbers and times.

Blanks around labels are trimmed and counted, Yes/No and true/false work as numbers. The outcome is read as numbers:
events as 0 and 1, quantities as they are. What any other column means is decided elsewhere.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from twin_operator.domain.errors import DataInvalid
from twin_operator.domain.table.arrays import Floats, Integers, RawColumn
from twin_operator.domain.table.columns import Columns

TRUTHS = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0, "y": 1.0, "n": 0.0, "t": 1.0, "f": 0.0}
_NANOSECONDS = 1e9


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


def read_labels(column: RawColumn) -> Labels:
    """Read (n,) raw values as labels: 1.0 is "1", True is "true", an empty text is missing."""
    values, positions = _distinct(column)
    texts = [_label(value) for value in values]
    levels = tuple(sorted({text for text in texts if text is not None}))
    index: dict[str | None, int] = {level: code for code, level in enumerate(levels)} | {None: -1}
    codes = np.array([index[text] for text in texts], dtype=np.int32)
    blank = np.array([isinstance(value, str) and value != value.strip() for value in values], dtype=bool)
    return Labels(codes[positions], levels, int(np.count_nonzero(blank[positions])))


def read_numbers(column: RawColumn, name: str) -> Floats:
    """Read (n,) raw values as float64 with NaN where missing; `DataInvalid` names the first value that is no number."""
    if column.dtype.kind in "fiub":
        numbers = column.astype(np.float64)
    else:
        values, positions = _distinct(column)
        numbers = np.array([_number(value, name) for value in values], dtype=np.float64)[positions]
    if np.isinf(numbers).any():
        raise DataInvalid(f'Column "{name}" has infinite values: replace them or leave them empty.')
    return numbers


def read_times(column: RawColumn, name: str) -> Floats:
    """Read (n,) datetime64 values, or texts of ISO 8601, as seconds since 1970 with NaN where missing."""
    try:
        moments = _moments(column)
    except ValueError as error:
        raise DataInvalid(f'Column "{name}" has values that are not times of the form 2026-03-01T12:00:00.') from error
    seconds = moments.astype(np.int64) / _NANOSECONDS
    return np.where(np.isnat(moments), np.nan, seconds)


def _moments(column: RawColumn) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    if column.dtype.kind == "M":
        return column.astype("datetime64[ns]")
    labels = read_labels(column)
    levels = np.array([*(level.removesuffix("Z") for level in labels.levels), "NaT"], dtype="datetime64[ns]")
    return levels[labels.codes]


def _distinct(column: RawColumn) -> tuple[list[Hashable], Integers]:
    """The distinct values and the (n,) position of each row's among them; files repeat a few values many times."""
    index: dict[Hashable, int] = {}
    values: list[Hashable] = column.tolist()
    positions = [index.setdefault(_missing_as_none(value), len(index)) for value in values]
    return list(index), np.array(positions, dtype=np.int32)


def _missing_as_none(value: Hashable) -> Hashable:
    return None if isinstance(value, float) and math.isnan(value) else value


def _label(value: Hashable) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() or None


def _number(value: Hashable, name: str) -> float:
    text = _label(value)
    if text is None:
        return math.nan
    try:
        return TRUTHS[text.lower()] if text.lower() in TRUTHS else float(text)
    except ValueError as error:
        raise DataInvalid(
            f'Column "{name}" should hold numbers but has "{text}": correct the value, or declare it Categorical.'
        ) from error


def read_outcome(column: RawColumn, columns: Columns) -> Floats:
    """(n,) outcomes with NaN where missing; `DataInvalid` where they are not of the declared type."""
    if columns.binary:
        return _events(read_labels(column), columns)
    return read_numbers(column, columns.outcome)


def require_varying(outcome: Floats, columns: Columns) -> None:
    """Refuse (n,) outcomes that are all the same, or none at all."""
    if outcome.size == 0:
        raise DataInvalid(f'No row has both an outcome ("{columns.outcome}") and an arm ("{columns.treatment}").')
    if outcome.min() == outcome.max():
        raise _constant(columns.outcome, f"{outcome[0]:g}", outcome.size)


def _constant(name: str, value: str, rows: int) -> DataInvalid:
    return DataInvalid(f'Outcome column "{name}" is constant ({value} in all {rows} rows): nothing can be learned.')


def _events(labels: Labels, columns: Columns) -> Floats:
    levels = labels.levels
    if len(levels) > 2:  # noqa: PLR2004 - an event happens or does not
        raise DataInvalid(
            f'Binary outcome column "{columns.outcome}" has {len(levels)} values ({_listed(levels)}): '
            "a Binary outcome has two; declare it Continuous or correct the values."
        )
    if len(levels) == 1:
        raise _constant(columns.outcome, f'"{levels[0]}"', labels.codes.size - labels.missing)
    positive = _positive_level(levels, columns)
    meaning = np.array([*(float(level == positive) for level in levels), np.nan])
    return np.asarray(meaning[labels.codes], dtype=np.float64)


def _positive_level(levels: tuple[str, ...], columns: Columns) -> str:
    if columns.positive is not None:
        if columns.positive.strip() not in levels:
            raise DataInvalid(
                f'Outcome column "{columns.outcome}" never has the positive level "{columns.positive}": '
                f"it has {_listed(levels)}."
            )
        return columns.positive.strip()
    truths = {_truth(level): level for level in levels}
    if None in truths:
        raise DataInvalid(
            f'Binary outcome column "{columns.outcome}" has the values {_listed(levels)}: '
            "name the one that counts as 1 in columns.outcome.positive."
        )
    return truths.get(1.0, "")


def _truth(level: str) -> float | None:
    return {"1": 1.0, "0": 0.0}.get(level, TRUTHS.get(level.lower()))


def _listed(levels: tuple[str, ...], most: int = 6) -> str:
    shown = ", ".join(f'"{level}"' for level in levels[:most])
    return shown if len(levels) <= most else f"{shown} and {len(levels) - most} more"
