"""The outcome column read as numbers: events as 0 and 1, quantities as they are."""

from typing import Final

import numpy as np

from twin_operator.domain.errors import DataInvalid
from twin_operator.domain.table.arrays import Floats
from twin_operator.domain.table.cells import MISSING_NUMBERS, TRUTHS, Cells, label_of, number_of
from twin_operator.domain.table.columns import Columns
from twin_operator.domain.table.known_levels import known_levels
from twin_operator.domain.table.raw_columns import encoded, read_labels, unbounded_numbers

LARGEST_OUTCOME: Final = 1e15
"""In units of the outcome: the fields of status take no larger effect, and fill values of other programs are larger."""


def read_outcome(cells: Cells, columns: Columns) -> Floats:
    """Return (n,) outcomes with NaN where missing.

    Raises:
        DataInvalid: they are not of the declared type, or beyond `LARGEST_OUTCOME` in absolute value.
    """
    return _events(cells, columns) if columns.binary else _quantities(cells)


def require_varying(outcome: Floats, columns: Columns) -> None:
    """Refuse (n,) outcomes that are all the same, or none at all."""
    if outcome.size == 0:
        raise DataInvalid(f'No row has both an outcome ("{columns.outcome}") and an arm ("{columns.treatment}").')
    if outcome.min() == outcome.max():
        raise _constant(columns.outcome, outcome.size)


def _quantities(cells: Cells) -> Floats:
    outcome = unbounded_numbers(cells)
    huge = np.abs(outcome) > LARGEST_OUTCOME
    if huge.any():
        raise cells.refusal(
            huge,
            "the outcome is beyond 1e15 in absolute value. Is it a missing value written as a huge number? "
            "Leave such cells empty.",
        )
    return outcome


def _constant(name: str, rows: int) -> DataInvalid:
    return DataInvalid(f'Outcome column "{name}" is constant (one value in all {rows} rows): nothing can be learned.')


def _events(cells: Cells, columns: Columns) -> Floats:
    labels = read_labels(cells)
    levels, codes = encoded([_event_text(level) for level in labels.levels])
    rows = int(np.count_nonzero(np.append(codes, -1)[labels.codes] >= 0))
    if len(levels) > 2:  # noqa: PLR2004 - an event happens or does not
        raise DataInvalid(
            f'Binary outcome column "{columns.outcome}" has more than two values ({known_levels(levels, rows)}): '
            "a Binary outcome has two; declare it Continuous or correct the values."
        )
    if len(levels) == 1:
        raise _constant(columns.outcome, rows)
    positive = _positive_level(levels, rows, columns)
    meaning = np.array([*(float(level == positive) for level in levels), np.nan])
    return np.asarray(meaning[np.append(codes, -1)[labels.codes]], dtype=np.float64)


def _event_text(text: str) -> str | None:
    """An event's text whatever the format of the file: 1.0 and 1 are the same event, True and true too."""
    if text in MISSING_NUMBERS:
        return None
    if text.lower() in {"true", "false"}:
        return text.lower()
    number = number_of(text)
    return text if number is None else label_of(number)


def _positive_level(levels: tuple[str, ...], rows: int, columns: Columns) -> str:
    if columns.positive is not None:
        positive = _event_text(columns.positive.strip())
        if positive is None or positive not in levels:
            raise DataInvalid(
                f'Outcome column "{columns.outcome}" never has the positive level "{columns.positive}": '
                f"it has {known_levels(levels, rows)}."
            )
        return positive
    truths = {_truth(level): level for level in levels}
    if None in truths:
        raise DataInvalid(
            f'Binary outcome column "{columns.outcome}" has the values {known_levels(levels, rows)}: '
            "name the one that counts as 1 in columns.outcome.positive."
        )
    return truths.get(1.0, "")


def _truth(level: str) -> float | None:
    return {"1": 1.0, "0": 0.0}.get(level, TRUTHS.get(level.lower()))
