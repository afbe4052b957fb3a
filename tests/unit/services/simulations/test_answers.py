"""What monitoring shows of a Simulation that ended."""

from __future__ import annotations

from typing import Any

import pytest

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.services.runs.run import Run
from twin_operator.services.runs.times import timestamp
from twin_operator.services.simulations.answers import ended_simulation

CREATED = 1_800_000_000.0


def graded(status: dict[str, Any], **spec: Any) -> Simulation:
    metadata = {"namespace": "growth", "name": "s", "uid": "u", "creationTimestamp": timestamp(CREATED)}
    ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": ""}
    asked = {"modelRef": {"name": "spring"}, "intervention": {"arm": "letter"}, **spec}
    written = {"phase": "Succeeded", "conditions": [ready], **status}
    return Simulation.model_validate({"metadata": metadata, "spec": asked, "status": written})


@pytest.mark.parametrize(
    ("seen", "duration"),
    [
        (CREATED + 0.7, 0.3),  # seen at once: the timestamp was cut to whole seconds
        (CREATED + 60.0, 0.0),  # seen late, by an operator that was down: at most a second is missing
        (CREATED - 5.0, 6.0),  # the clocks differ
    ],
)
def test_the_time_to_an_answer_begins_with_the_creation(seen: float, duration: float) -> None:
    ended = ended_simulation(graded({}), Run(), seen, CREATED + 1.0)
    assert ended.duration == pytest.approx(duration)


def test_the_wait_in_queue_is_that_of_the_last_attempt_and_absent_where_none_began() -> None:
    run = Run(queued=CREATED, started=CREATED + 2.5)
    assert ended_simulation(graded({}, queue="trials"), run, CREATED, CREATED + 9).wait == pytest.approx(2.5)
    assert ended_simulation(graded({}, queue="trials"), run, CREATED, CREATED + 9).queue == "trials"
    assert ended_simulation(graded({}), Run(queued=CREATED), CREATED, CREATED + 9).wait is None


def test_the_recommendation_and_the_reason_are_those_of_the_status() -> None:
    advice = {"action": "Refine", "reason": "Inconclusive", "message": "..."}
    ended = ended_simulation(graded({"recommendation": advice}), Run(), CREATED, CREATED)
    assert ended.recommendation == ("Refine", "Inconclusive")
    assert ended.reason == "Succeeded"
    assert ended_simulation(graded({"recommendation": None}), Run(), CREATED, CREATED).recommendation is None
