"""Moments in messages and statuses: RFC 3339 in UTC, and seconds since the epoch."""

from datetime import UTC, datetime


def timestamp(moment: float | None) -> str | None:
    """Return seconds since the epoch as RFC 3339, UTC, whole seconds."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(moment: str | None) -> float | None:
    """Return RFC 3339 as seconds since the epoch."""
    return None if moment is None else datetime.fromisoformat(moment).timestamp()


def moment(seconds_since_epoch: float) -> datetime:
    """Return a time of a status: UTC, whole seconds."""
    return datetime.fromtimestamp(int(seconds_since_epoch), UTC)
