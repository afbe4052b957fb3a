"""Scalar types that several resources share: texts, times, durations and numbers, each with its bounds.

A type belongs here when its bounds have a reason that does not depend on one field. CEL cost
estimates need the bound of every string, list and map.
"""

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, TypeVar

from pydantic import AwareDatetime, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from twin_operator.api.v1alpha1.schema import Rule, rules

QUANTITY_LIMIT: Final = 1e15
"""In the outcome's units, or in rows. Above it a double cannot represent every whole number."""
SIGNIFICANT_DIGITS: Final = 6
"""Of numbers in status: more than any interval here can resolve, few enough to read."""
SECONDS_LIMIT: Final = 315_360_000
"""Ten years: longer waits are typing errors, and sums of two still fit in 32 bits."""
SEED_LIMIT: Final = 2_147_483_647
"""The largest signed 32-bit integer, so that every client's integer type can carry a seed."""
FIGURES_LIMIT: Final = 64
"""Named numbers in one map: what a training measures, not one a feature."""
RESERVED_QUEUES: Final = ["archive", "dead-letters", "published", "results", "unacked"]
"""What follows the prefix in names of the operator's own keys in Redis, where a queue's list would stand."""
SENTENCE_LIMIT: Final = 1024
"""Characters: a few sentences; what is longer belongs in a log."""

_DURATION = r"([0-9]{1,7}(\.[0-9]{1,6})?(h|m|s|ms))"
_DURATION_PATTERN = f"^{_DURATION}{{1,4}}$"
_DURATION_LIMIT = 64
_SECONDS_PER_UNIT = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


T = TypeVar("T")


def _cron_field(value: str) -> str:
    part = rf"(\*|{value}(-{value})?)(/[1-9][0-9]?)?"
    return f"{part}(,{part})*"


_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_WEEKDAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"
CRON_PATTERN: Final = (
    "^"
    + " ".join(
        _cron_field(value)
        for value in (
            "[0-5]?[0-9]",
            "([01]?[0-9]|2[0-3])",
            "(0?[1-9]|[12][0-9]|3[01])",
            f"(0?[1-9]|1[0-2]|{_MONTHS})",
            f"([0-7]|{_WEEKDAYS})",
        )
    )
    + "$"
)


def parse_duration(text: str | timedelta) -> timedelta:
    """Read a Go duration such as ``24h`` or ``1h30m``.

    Raises:
        ValueError: the text is not a Go duration of h, m, s and ms.

    """
    if isinstance(text, timedelta):
        return text
    if not re.fullmatch(_DURATION_PATTERN[1:-1], text):
        raise ValueError(f"{text!r} is not a duration: write hours, minutes and seconds such as 24h or 1h30m")
    parts = re.findall(r"([0-9.]+)(ms|h|m|s)", text)
    return timedelta(seconds=sum(float(number) * _SECONDS_PER_UNIT[unit] for number, unit in parts))


def format_duration(duration: timedelta) -> str:
    """Write a duration in Go's form in the largest unit that keeps it whole: a day is ``24h``."""
    milliseconds = round(duration / timedelta(milliseconds=1))
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def round_figure(value: T) -> T | float | None:
    """Round to six significant digits; what is not finite is absent (None), what is no number stays for its check."""
    if not isinstance(value, int | float):
        return value
    if not math.isfinite(value):
        return None
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def round_figures(values: Mapping[str, float | None]) -> dict[str, float]:
    """Round a map of numbers, leaving out what is absent or not finite."""
    rounded = {name: round_figure(value) for name, value in values.items() if value is not None}
    return {name: value for name, value in rounded.items() if value is not None}


def shorten(text: str) -> str:
    """Cut a text to the length of a sentence, so that a long cause never makes a status write fail."""
    return text if len(text) <= SENTENCE_LIMIT else text[: SENTENCE_LIMIT - 1] + "…"


GoDuration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN, "maxLength": _DURATION_LIMIT}),
]
Timestamp = AwareDatetime
# What users write: `format: date-time` alone takes the year 0 and offsets above a day, which no clock has.
_DATE = "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
WrittenTimestamp = Annotated[
    AwareDatetime, WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_DATE}[Tt]{_TIME}$"})
]
Cron = Annotated[str, Field(min_length=9, max_length=128, pattern=CRON_PATTERN)]
TimeZone = Annotated[
    str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$")
]

ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"),
]
QueueName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
        json_schema_extra=rules(
            Rule(
                f"!(self in {RESERVED_QUEUES})",
                f"{', '.join(RESERVED_QUEUES)} are names of the operator's own keys in Redis: choose another queue",
            )
        ),
    ),
]
ColumnName = Annotated[str, Field(min_length=1, max_length=256)]
Label = Annotated[str, Field(min_length=1, max_length=256)]
ModelVersion = Annotated[str, Field(min_length=1, max_length=18, pattern="^[1-9][0-9]*$")]
RegisteredModelName = Annotated[str, Field(min_length=1, max_length=256, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
TraceId = Annotated[str, Field(min_length=32, max_length=32, pattern="^[0-9a-f]{32}$")]
Identifier = Annotated[str, Field(min_length=1, max_length=256)]
Sentence = Annotated[str, BeforeValidator(shorten), Field(max_length=SENTENCE_LIMIT)]

Quantity = Annotated[float, Field(ge=-QUANTITY_LIMIT, le=QUANTITY_LIMIT)]
Proportion = Annotated[float, Field(ge=0, le=1)]
Confidence = Annotated[float, Field(ge=0.5, le=0.999)]
Seconds = Annotated[int, Field(ge=1, le=SECONDS_LIMIT)]
Count = Annotated[int, Field(ge=0, le=QUANTITY_LIMIT)]

# In status: rounded, absent rather than not finite.
Figure = Annotated[Quantity | None, BeforeValidator(round_figure)]
Spread = Annotated[Annotated[float, Field(ge=0, le=QUANTITY_LIMIT)] | None, BeforeValidator(round_figure)]
Probability = Annotated[Proportion | None, BeforeValidator(round_figure)]
Figures = Annotated[dict[str, Quantity], Field(max_length=FIGURES_LIMIT), BeforeValidator(round_figures)]
