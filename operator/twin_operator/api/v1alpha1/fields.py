"""Scalar types that several resources share: texts, times, durations and numbers, each with its bounds.

A type belongs here when its bounds have a reason that does not depend on one field. CEL cost
estimates need the bound of every string, list and map.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, PlainSerializer, WithJsonSchema

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
LABEL_LIMIT: Final = 256
"""Characters of a label or an identifier."""
DIGEST_DIGITS: Final = 8
"""Hexadecimal digits behind a label that is cut: of a thousand such labels, two have the same with 1 in 10,000."""

_DURATION = r"([0-9]{1,7}(\.[0-9]{1,6})?(h|m|s|ms))"
_DURATION_PATTERN = f"^{_DURATION}{{1,4}}$"
_DURATION_LIMIT = 64
_DURATION_ADVICE = "is not a duration: write hours, minutes and seconds, such as 30m, 24h or 1h30m; a week is 168h"
_CRON_ADVICE = 'is not a schedule: write minute, hour, day of month, month and weekday, such as "0 3 * * 0"'
_SECONDS_PER_UNIT = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_UNSEEN: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode's control, format and surrogate characters, and separators
_JOINERS: Final = "\u200c\u200d"  # of letters in Persian and Indic scripts, and of emoji


T = TypeVar("T")


def _cron_field(value: str) -> str:
    part = rf"(\*|{value}(-{value})?)(/[1-9][0-9]?)?"
    return f"{part}(,{part})*"


_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_WEEKDAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"
_CRON_PATTERN: Final = (
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
        raise ValueError(f"{text!r} {_DURATION_ADVICE}")
    parts = re.findall(r"([0-9.]+)(ms|h|m|s)", text)
    return timedelta(seconds=sum(float(number) * _SECONDS_PER_UNIT[unit] for number, unit in parts))


def _check_cron(text: str) -> str:
    if not re.fullmatch(_CRON_PATTERN[1:-1], text):
        raise ValueError(f"{text!r} {_CRON_ADVICE}")
    return text


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


def within(value: T, least: float, most: float) -> T | None:
    """Return a number within its bounds; outside it is absent (None), and what is no number stays for its check."""
    return value if not isinstance(value, int | float) or least <= value <= most else None


def quantity(value: T) -> T | float | None:
    """Round a number of a status; beyond 1e15 it is absent."""
    return within(round_figure(value), -QUANTITY_LIMIT, QUANTITY_LIMIT)


def _spread(value: T) -> T | float | None:
    return within(round_figure(value), 0, QUANTITY_LIMIT)


def _probability(value: T) -> T | float | None:
    return within(round_figure(value), 0, 1)


def _tally(value: T) -> T | None:
    return within(value, 0, QUANTITY_LIMIT)


def round_figures(values: Mapping[str, float | None]) -> dict[str, float]:
    """Round a map of numbers, leaving out what is absent, not finite or beyond 1e15."""
    rounded = {name: quantity(value) for name, value in values.items() if value is not None}
    return {name: value for name, value in rounded.items() if value is not None}


def cut(text: str, limit: int) -> str:
    """Cut a text to at most `limit` characters, with an ellipsis as the last where something is left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def visible(text: str, keep: str = "") -> str:
    r"""Write the characters of a text that a terminal obeys or does not show as escapes such as ``\x1b``.

    Texts from data and specs stand in conditions, Events and logs: an escape sequence could change a terminal, a line
    break could pass for another line of a log, and a mark of direction could turn a sentence around. A break becomes a
    space.

    Args:
        text: any, also with lone surrogates, which no status can hold.
        keep: characters that stay as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if each in keep else _visible(each) for each in text)


def _visible(character: str) -> str:
    if character in "\r\n\t":
        return " "
    if unicodedata.category(character) not in _UNSEEN or character in _JOINERS:
        return character
    return character.encode("unicode_escape").decode()


def sentence(text: T) -> T | str:
    """Make a text visible and cut it to the length of a sentence, so that no cause makes a status write fail."""
    return cut(visible(text), SENTENCE_LIMIT) if isinstance(text, str) else text


def abbreviate(text: str) -> str:
    """Return what stands for a label or an identifier: of a long one, its beginning and a digest of the whole."""
    if len(text) <= LABEL_LIMIT:
        return text
    digest = sha256(text.encode(errors="surrogatepass")).hexdigest()[:DIGEST_DIGITS]
    return cut(text, LABEL_LIMIT - DIGEST_DIGITS) + digest


GoDuration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": _DURATION_LIMIT,
            **rules(Rule(f"self.matches(r'{_DURATION_PATTERN}')", f"this {_DURATION_ADVICE}")),
        }
    ),
]
Timestamp = AwareDatetime
# What users write: `format: date-time` alone takes the year 0 and offsets above a day, which no clock has.
_DATE = "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
WrittenTimestamp = Annotated[
    AwareDatetime, WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_DATE}[Tt]{_TIME}$"})
]
Cron = Annotated[
    str,
    AfterValidator(_check_cron),
    Field(max_length=128, json_schema_extra=rules(Rule(f"self.matches(r'{_CRON_PATTERN}')", f"this {_CRON_ADVICE}"))),
]
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
Label = Annotated[str, Field(min_length=1, max_length=LABEL_LIMIT)]
ModelVersion = Annotated[str, Field(min_length=1, max_length=18, pattern="^[1-9][0-9]*$")]
RegisteredModelName = Annotated[str, Field(min_length=1, max_length=256, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
TraceId = Annotated[str, Field(min_length=32, max_length=32, pattern="^[0-9a-f]{32}$")]
Identifier = Annotated[str, Field(min_length=1, max_length=LABEL_LIMIT)]
Sentence = Annotated[str, BeforeValidator(sentence), Field(max_length=SENTENCE_LIMIT)]

Quantity = Annotated[float, Field(ge=-QUANTITY_LIMIT, le=QUANTITY_LIMIT)]
Proportion = Annotated[float, Field(ge=0, le=1)]
Confidence = Annotated[float, Field(ge=0.5, le=0.999)]
Seconds = Annotated[int, Field(ge=1, le=SECONDS_LIMIT)]
Count = Annotated[int, Field(ge=0, le=QUANTITY_LIMIT)]

# In status, where values follow from data: labels abbreviated; numbers rounded, absent rather than not finite or out of
# bounds. A status is then never refused for one of them.
ShownLabel = Annotated[Label, BeforeValidator(abbreviate)]
ShownIdentifier = Annotated[Identifier, BeforeValidator(abbreviate)]
Figure = Annotated[Quantity | None, BeforeValidator(quantity)]
Spread = Annotated[Annotated[float, Field(ge=0, le=QUANTITY_LIMIT)] | None, BeforeValidator(_spread)]
Probability = Annotated[Proportion | None, BeforeValidator(_probability)]
Tally = Annotated[Count | None, BeforeValidator(_tally)]
Figures = Annotated[dict[str, Quantity], Field(max_length=FIGURES_LIMIT), BeforeValidator(round_figures)]
