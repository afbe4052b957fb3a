"""The time column read as seconds since 1970, the same for a moment in every format of a file."""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from twin_operator.domain.table.arrays import Floats
from twin_operator.domain.table.cells import MISSING_NUMBERS, Cells, label_of, number_of

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
"""Times of other years stand for "never" or "unknown" (9999-12-31): they are missing."""

_EARLIEST: Final = np.datetime64(f"{FIRST_YEAR}-01-01")
_END: Final = np.datetime64(f"{LAST_YEAR + 1}-01-01")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000  # in microseconds
_NANOSECONDS: Final = 1e9  # of a second
_NOT_A_TIME: Final = int(np.iinfo(np.int64).min)  # what numpy stores for NaT
_MONTH: Final = re.compile(r"\d{4}-\d{2}", re.ASCII)
_DATE_DIGITS: Final = 8
_FIRST_DATE, _LAST_DATE = 19000101, 21001231
_EPOCHS: Final[dict[int, Callable[[int], int]]] = {
    10: lambda seconds: seconds * _SECOND,
    13: lambda milliseconds: milliseconds * 1000,
    16: lambda microseconds: microseconds,
    19: lambda nanoseconds: nanoseconds // 1000,
}
"""By the number of digits: microseconds of an integer that counts seconds or parts of one since 1970."""

_Moments = np.ndarray[tuple[int], np.dtype[np.datetime64]]


@dataclass(frozen=True)
class RowTimes:
    """(n,) seconds since 1970, NaN where missing, and how many times were left out for their year."""

    seconds: Floats
    out_of_range: int


def read_times(cells: Cells) -> RowTimes:
    """Read (n,) datetime64 values of UTC, texts of ISO 8601, or integers; a time without a zone is one of UTC.

    Integers of 8 digits are dates, those of 10, 13, 16 and 19 digits seconds, milli-, micro- and nanoseconds since
    1970. Times are truncated to microseconds.

    Raises:
        DataInvalid: naming the first row that holds no time.
    """
    moments = cells.values if cells.values.dtype.kind == "M" else _parsed(cells)
    out_of_range = (moments < _EARLIEST) | (moments >= _END)  # False for a missing time
    kept = np.where(out_of_range, np.datetime64("NaT"), moments).astype("datetime64[us]")
    return RowTimes(_seconds(kept), int(np.count_nonzero(out_of_range)))


def _seconds(moments: _Moments) -> Floats:
    # By way of nanoseconds, as always: the content hashes of stored versions have been made from these floats.
    seconds = moments.astype("datetime64[ns]").astype(np.int64) / _NANOSECONDS
    return np.where(np.isnat(moments), np.nan, seconds)


def _parsed(cells: Cells) -> _Moments:
    values, positions = cells.distinct()
    moments = [_microseconds(value) for value in values]
    wrong = np.array([moment is None for moment in moments], dtype=bool)[positions]
    if wrong.any():
        raise cells.refusal(
            wrong,
            "a time is needed; write it as 2026-03-01T12:00:00, as 2026-03-01 or 20260301, or as seconds since 1970.",
        )
    return np.array(moments, dtype=np.int64)[positions].view("datetime64[us]")


def _microseconds(value: Hashable) -> int | None:
    """Microseconds since 1970, `_NOT_A_TIME` where the value is missing, None where it is no time."""
    text = label_of(value)
    if text is None or text in MISSING_NUMBERS:
        return _NOT_A_TIME
    try:
        number = number_of(text)
        return _of_text(text) if number is None else _of_integer(_integer(text, number))
    except ValueError:
        return None


def _integer(text: str, number: float) -> int:
    """The integer that a text writes, exactly where it is written with digits alone."""
    if not number.is_integer():
        raise ValueError
    return int(text) if text.isdecimal() else int(number)


def _of_integer(value: int) -> int:
    digits = len(str(value))
    if digits == _DATE_DIGITS and _FIRST_DATE <= value <= _LAST_DATE:
        return _of_text(str(value))
    if value < 0 or digits not in _EPOCHS:
        raise ValueError
    return _EPOCHS[digits](value)


def _of_text(text: str) -> int:
    moment = datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
    # Differences do not overflow; a conversion of 0001-01-01 or 9999-12-31 to another zone would.
    return (moment.replace(tzinfo=UTC) - _EPOCH - (moment.utcoffset() or timedelta())) // _MICROSECOND
