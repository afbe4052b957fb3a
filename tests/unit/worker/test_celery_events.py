"""A verdict of the frame becomes the Celery event that is true of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from celery import signals

from tests.unit.worker.celery_parts import Events, application, request_of
from tests.unit.worker.simple_task import QUEUE, RUN, task
from twin_operator.services.runs.run import Stop
from twin_operator.worker.celery_events import TruthfulRequest, event_of, tell_of_worker


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


def finished(verdict: str) -> tuple[str, Mapping[str, Any]]:
    """Return the event of a task that returned a verdict, as a child process hands it over."""
    events = Events()
    request_of(TruthfulRequest, task(), events).on_success((False, repr(verdict), 0.25))
    (event,) = events.sent
    return event


def test_a_recorded_run_succeeded_on_its_queue() -> None:
    name, fields = finished("recorded")
    assert name == "task-succeeded"
    assert (fields["uuid"], fields["name"], fields["queue"]) == (RUN, "twinops.simulate", QUEUE)
    assert fields["runtime"] == 0.25
    assert "error" not in fields


def test_a_run_whose_attempt_failed_names_the_kind_of_error() -> None:
    name, fields = finished("attempt failed: ValueError")
    assert name == "task-retried"
    assert (fields["error"], fields["exception"]) == ("ValueError", "ValueError")


def test_an_error_that_the_frame_did_not_catch_is_named_without_its_text() -> None:
    events = Events()
    request = request_of(TruthfulRequest, task(), events)
    request.send_event("task-failed", exception="MemoryError('48 GB of /data/customers')")
    ((name, fields),) = events.sent
    assert (name, fields["error"]) == ("task-failed", "MemoryError")


def test_a_task_that_was_received_is_reported_with_its_queue() -> None:
    events = Events()
    signals.task_received.send(sender=None, request=request_of(TruthfulRequest, task(), events))
    ((name, fields),) = events.sent
    assert (name, fields["queue"]) == ("task-received", QUEUE)


@pytest.mark.parametrize("events", [None, Events(enabled=False)])
def test_a_worker_without_events_sends_none(events: Events | None) -> None:
    request_of(TruthfulRequest, task(), events).send_event("task-started")
    assert events is None or events.sent == []


@dataclass
class Producer:
    """Keeps what is published."""

    published: list[Mapping[str, Any]] = field(default_factory=list)

    def publish(self, body: Mapping[str, Any], **_options: Any) -> None:
        self.published.append(body)


@pytest.mark.parametrize(("name", "own"), [("worker-heartbeat", True), ("task-started", False)])
def test_events_of_the_worker_itself_name_its_queues_and_processes(name: str, *, own: bool) -> None:
    app = application(TruthfulRequest)
    tell_of_worker(app, ["trials", "simulations"], 3)
    dispatcher: Any = app.events.Dispatcher(enabled=False)
    dispatcher.enabled, dispatcher.producer = True, Producer()
    dispatcher.send(name, uuid=RUN)
    (event,) = dispatcher.producer.published
    assert ("queues" in event) == own
    assert not own or (event["queues"], event["processes"]) == (["trials", "simulations"], 3)
