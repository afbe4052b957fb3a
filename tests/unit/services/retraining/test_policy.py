"""Cron schedules in time zones."""

from __future__ import annotations

from datetime import datetime

import pytest

from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.retraining.policy import next_time


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("cron", "zone", "after", "due"),
    [
        ("0 3 * * 0", "Etc/UTC", "2026-11-25T12:00:00Z", "2026-11-29T03:00:00Z"),
        ("0 3 * * 0", "Europe/Berlin", "2026-11-25T12:00:00Z", "2026-11-29T02:00:00Z"),
        ("0 3 * * *", "America/New_York", "2026-06-01T00:00:00Z", "2026-06-01T07:00:00Z"),
        ("0 3 * * *", "Etc/UTC", "2026-11-25T03:00:00Z", "2026-11-26T03:00:00Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),  # 02:30 is skipped
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),  # 02:30 comes twice
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
    ],
)
def test_a_schedule_is_due_by_the_clocks_of_its_zone(cron: str, zone: str, after: str, due: str) -> None:
    assert next_time(cron, zone, moment(after)) == moment(due)


@pytest.mark.parametrize(
    ("cron", "zone"), [("0 0 31 2 *", "Etc/UTC"), ("0 3 * * *", "Mars/Olympus"), ("0 3 * * *", "Etc")]
)
def test_a_schedule_that_is_never_due_says_so(cron: str, zone: str) -> None:
    with pytest.raises(Stalled) as caught:
        next_time(cron, zone, 0.0)
    assert caught.value.reason == "InvalidSchedule"
