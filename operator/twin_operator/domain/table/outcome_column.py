"""The outcome column, read as numbers: events as 0 and 1, quantities as they are. Nothing about other columns."""

import numpy as np

from twin_operator.domain.errors import DataInvalid
from twin_operator.domain.table.arrays import Floats, RawColumn
from twin_operator.domain.table.columns import Columns
from twin_operator.domain.table.raw_columns import TRUTHS, Labels, read_labels, read_numbers


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
