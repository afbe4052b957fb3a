"""Moments as they are typed: RFC 3339 dates and date-times."""

import re
from datetime import UTC, datetime, timedelta

import typer

_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)"


def first_moment(text: str) -> datetime:
    """Read the moment at which a date, in UTC, or a date-time begins."""
    try:
        if re.fullmatch(_DATE, text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        if re.fullmatch(_DATE + _TIME, text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # the thirteenth month
        pass
    raise typer.BadParameter(f'"{text}" is no moment: write 2026-03-31 or, with its offset, 2026-03-31T12:00:00Z.')


def moment_after(text: str) -> datetime:
    """Read the first moment that is no longer within a date, in UTC; a date-time is that moment."""
    start = first_moment(text)
    return start + timedelta(days=1) if re.fullmatch(_DATE, text) else start
