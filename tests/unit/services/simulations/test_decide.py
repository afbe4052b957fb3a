"""What is next for a Simulation, case by case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.api.v1alpha1.conditions import Reason, SimulationPhase
from twin_operator.domain.table.columns import FeatureType
from twin_operator.domain.twin import Contrast
from twin_operator.services.runs.run import Outcome, Run
from twin_operator.services.simulations.decide import Enqueue, Finish, Running, decide
from twin_operator.services.versions import Refusal, Version, Waiting

NOW = 1_000_000.0
CONTRAST = Contrast.from_dict(
    {
        **Contrast(
            arm="B",
            against="A",
            experiments=("e",),
            y=np.array([0.1]),
            v=np.array([0.01]),
            pi=np.array([1.0]),
            sd0=1.0,
        ).as_dict()
    }
)
VERSION = Version("default.twin", "3", "run-3", ("A", "B", "C"), {"age": FeatureType.NUMERIC}, (CONTRAST,), (), None)
WAITING = Waiting(SimulationPhase.PENDING, Reason.MODEL_NOT_READY, "not yet")


def simulation(**spec: Any) -> Simulation:
    metadata = {"uid": "u", "namespace": "n", "name": "s", "resourceVersion": "1", "generation": 1}
    body = {"metadata": metadata, "spec": {"modelRef": {"name": "m"}, "intervention": {"arm": "B"}, **spec}}
    return Simulation.model_validate(body)


def next_for(
    run: Run = Run(),  # noqa: B008 - frozen
    model: Version | Waiting | Refusal = VERSION,
    *,
    published: bool = False,
    served: bool = True,
    **spec: Any,
) -> Any:
    return decide(simulation(**spec), run, model, published=published, served=served, now=NOW)


def test_what_is_recorded_is_written_whatever_else_holds() -> None:
    outcome = Outcome(Reason.SUCCEEDED, "done")
    assert next_for(Run(outcome=outcome), WAITING, suspend=True) == Finish(outcome)


def test_a_model_that_is_not_there_is_waited_for() -> None:
    assert next_for(model=WAITING) == WAITING


def test_a_ready_model_is_asked_at_once() -> None:
    assert next_for() == Enqueue(VERSION, NOW)


def test_a_suspended_one_waits_even_while_it_is_queued() -> None:
    assert next_for(published=True, suspend=True).reason == "Suspended"


def test_what_is_published_is_not_published_again() -> None:
    assert next_for(published=True) == Running(
        SimulationPhase.QUEUED, Reason.QUEUED, "Waits in queue simulations for a worker."
    )


def test_a_queue_without_workers_is_named() -> None:
    assert next_for(published=True, served=False).reason == "NoWorkers"


def test_what_runs_names_its_worker() -> None:
    running = next_for(Run(attempts=2, leased=True, worker="light-1"))
    assert (running.phase, running.message) == ("Running", "Attempt 2 runs on light-1.")


@pytest.mark.parametrize(("attempts", "wait"), [(1, 1), (2, 2), (3, 4)])
def test_a_failed_attempt_is_repeated_after_a_wait_that_doubles(attempts: int, wait: float) -> None:
    run = Run(attempts=attempts, failed=NOW - 0.5, error="boom")
    assert next_for(run) == Enqueue(VERSION, NOW - 0.5 + wait)


def test_the_last_attempt_ends_it_with_its_cause() -> None:
    outcome = next_for(Run(attempts=2, failed=NOW, error="ValueError: boom"), backoffLimit=1).outcome
    assert outcome.reason == "BackoffLimitExceeded"
    assert "boom" in outcome.message


@pytest.mark.parametrize(("queued", "over"), [(NOW - 9, False), (NOW - 10, True)])
def test_the_deadline_counts_from_queueing(queued: float, over: bool) -> None:  # noqa: FBT001 - a case of the table
    decision = next_for(Run(queued=queued), published=True, activeDeadlineSeconds=10)
    assert isinstance(decision, Finish) is over


def test_a_deadline_does_not_run_before_queueing() -> None:
    assert next_for(model=WAITING, activeDeadlineSeconds=1) == WAITING


@pytest.mark.parametrize(
    ("intervention", "reason"),
    [
        ({"arm": "D"}, "UnknownArm"),
        ({"arm": "B", "against": "D"}, "UnknownArm"),
        ({"arm": "A"}, "UnknownArm"),
        ({"arm": "C"}, "ArmsNotCompared"),
    ],
)
def test_arms_that_cannot_be_compared_are_refused_without_a_worker(intervention: dict[str, str], reason: str) -> None:
    assert next_for(intervention=intervention).outcome.reason == reason


@pytest.mark.parametrize(
    "spec",
    [
        {"subgroups": ["age"]},
        {"population": {"match": [{"feature": "age", "mean": 40}]}},
        {"trial": {"unitsPerArm": 9}},
    ],
)
def test_what_is_not_built_is_said(spec: dict[str, Any]) -> None:
    assert next_for(**spec).outcome.reason == "NotSupported"
