"""Cron schedules in time zones."""

from __future__ import annotations

from datetime import datetime

import pytest

from twin_operator.api.v1alpha1.twin_model import RetrainingPolicy
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.retraining.schedule import ScheduledTimes, next_time, scheduled_times


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


NIGHTLY = RetrainingPolicy(schedule="0 3 * * *")
THREE, NEXT = moment("2026-11-25T03:00:00Z"), moment("2026-11-26T03:00:00Z")


@pytest.mark.parametrize(
    ("policy", "planned", "now", "times"),
    [
        (RetrainingPolicy(), THREE, THREE, ScheduledTimes()),
        (NIGHTLY, None, THREE - 1, ScheduledTimes(upcoming=THREE)),
        (NIGHTLY, THREE, THREE - 1, ScheduledTimes(upcoming=THREE)),
        (NIGHTLY, THREE, THREE, ScheduledTimes(due=THREE, upcoming=NEXT)),
        (NIGHTLY, THREE - 86_400, THREE, ScheduledTimes(due=THREE - 86_400, upcoming=NEXT)),
    ],
)
def test_a_schedule_is_due_once_at_its_planned_time(
    policy: RetrainingPolicy, planned: float | None, now: float, times: ScheduledTimes
) -> None:
    assert scheduled_times(policy, planned, now) == times
