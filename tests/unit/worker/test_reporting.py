"""A verdict of the frame becomes the Celery event that is true of the run."""

from __future__ import annotations

import pytest

from twin_operator.services.tasks import Stop
from twin_operator.worker.reporting import event_of


@pytest.mark.parametrize(
    ("verdict", "event", "error"),
    [
        ("recorded", "task-succeeded", ""),
        ("refused: UnknownArm", "task-failed", "UnknownArm"),
        ("to be tried again: TryAgain", "task-retried", "TryAgain"),
        ("attempt failed: ValueError", "task-retried", "ValueError"),
        ("last attempt failed: ValueError", "task-failed", "ValueError"),
        ("past its deadline", "task-revoked", ""),
        ("recorded by another", "task-rejected", ""),
        ("finished", "task-rejected", ""),
        ("leased", "task-rejected", ""),
        ("exhausted", "task-rejected", ""),
        ("a refusal of a later version", "task-rejected", ""),
        *((stop.value, "task-revoked", "") for stop in Stop),
    ],
)
def test_every_verdict_has_its_event(verdict: str, event: str, error: str) -> None:
    assert event_of(verdict) == (event, error)
