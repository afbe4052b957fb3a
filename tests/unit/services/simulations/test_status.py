"""The status of a Simulation: what is written, what is cleared, which conditions hold, and what is counted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.ready_twin import simulation
from twin_operator.api.v1alpha1 import Simulation, SimulationStatus
from twin_operator.api.v1alpha1.conditions import Reason, SimulationPhase
from twin_operator.api.v1alpha1.simulation_status import PredictedEffect, PredictionFidelity
from twin_operator.services.reconciling.twin_checks import TwinChecks
from twin_operator.services.runs.run import JSON, BoundVersion, Outcome, Run
from twin_operator.services.runs.times import moment
from twin_operator.services.runs.tracing import trace_of
from twin_operator.services.simulations.status import finished, unfinished
from twin_operator.services.versions import Waiting

NOW = 1_800_000_000.0
NO_CHECKS = TwinChecks((), None, None)
RUN = Run(attempts=2, queued=NOW - 9, started=NOW - 5, finished=NOW - 1, worker="light-1")


def asked(status: SimulationStatus | None = None, **spec: Any) -> Simulation:
    body = simulation(**spec)
    body["metadata"] |= {"uid": "u", "generation": 3, "resourceVersion": "7"}
    return Simulation.model_validate(body).replace(status=status or SimulationStatus())


def conditions(status: SimulationStatus) -> dict[str, tuple[str, str]]:
    return {each.type: (each.status, each.reason) for each in status.conditions}


def test_the_facts_of_the_run_are_in_every_status() -> None:
    for status in (
        finished(asked(), RUN, Outcome(Reason.SUCCEEDED, "well"), NO_CHECKS, NOW),
        unfinished(asked(), RUN, Waiting(SimulationPhase.RUNNING, Reason.RUNNING, "it runs"), NOW),
    ):
        assert (status.attempts, status.worker, status.observed_generation) == (2, "light-1", 3)
        assert (status.queued_time, status.start_time) == (moment(NOW - 9), moment(NOW - 5))
        assert status.trace_id == trace_of(asked().metadata).trace_id


def test_the_completion_is_when_the_worker_was_done() -> None:
    done = finished(asked(), RUN, Outcome(Reason.SUCCEEDED, "well"), NO_CHECKS, NOW)
    assert done.completion_time == moment(NOW - 1)


def test_without_a_worker_the_completion_is_now() -> None:
    done = finished(asked(), Run(), Outcome(Reason.UNKNOWN_ARM, "none"), NO_CHECKS, NOW)
    assert done.completion_time == moment(NOW)


@pytest.mark.parametrize(
    ("reason", "phase", "held"),
    [
        ("Succeeded", "Succeeded", {"Ready": ("True", "Succeeded")}),
        ("UnknownArm", "Failed", {"Ready": ("False", "UnknownArm"), "Stalled": ("True", "UnknownArm")}),
    ],
)
def test_the_end_is_ready_or_stalled(reason: str, phase: str, held: dict[str, tuple[str, str]]) -> None:
    status = finished(asked(), RUN, Outcome(Reason(reason), "so"), NO_CHECKS, NOW)
    assert status.phase == phase
    assert conditions(status) == held


def test_what_waits_is_reconciling() -> None:
    status = unfinished(asked(), Run(), Waiting(SimulationPhase.PENDING, Reason.MODEL_NOT_READY, "not yet"), NOW)
    assert status.phase == "Pending"
    assert conditions(status) == {"Ready": ("False", "ModelNotReady"), "Reconciling": ("True", "ModelNotReady")}


def test_what_is_suspended_is_not_reconciling() -> None:
    status = unfinished(asked(), Run(), Waiting(SimulationPhase.SUSPENDED, Reason.SUSPENDED, "held"), NOW)
    assert conditions(status) == {"Ready": ("False", "Suspended")}


def test_a_transition_keeps_its_time_while_the_condition_holds() -> None:
    first = unfinished(asked(), Run(), Waiting(SimulationPhase.PENDING, Reason.MODEL_NOT_READY, "not yet"), NOW)
    second = unfinished(asked(first), Run(), Waiting(SimulationPhase.QUEUED, Reason.QUEUED, "waits"), NOW + 60)
    assert [each.last_transition_time for each in second.conditions] == [moment(NOW)] * 2
    done = finished(asked(second), RUN, Outcome(Reason.SUCCEEDED, "well"), NO_CHECKS, NOW + 90)
    assert done.conditions[0].last_transition_time == moment(NOW + 90)


def test_a_status_says_nothing_that_an_earlier_one_said() -> None:
    before = finished(asked(), RUN, Outcome(Reason.SUCCEEDED, "well", {"effect": {"estimate": 0.5}}), NO_CHECKS, NOW)
    waiting = Waiting(SimulationPhase.PENDING, Reason.MODEL_NOT_READY, "not yet")
    status = unfinished(asked(before), Run(), waiting, NOW)
    assert (status.effect, status.completion_time) == (None, None)


def test_the_version_of_a_run_is_in_its_status_also_where_the_run_fails() -> None:
    run = Run(bound=BoundVersion("n.spring", "4", "run-4"))
    under_way = unfinished(asked(), run, Waiting(SimulationPhase.QUEUED, Reason.QUEUED, "waits"), NOW)
    failed = finished(asked(), run, Outcome(Reason.UNKNOWN_FEATURE, "none"), NO_CHECKS, NOW)
    forgotten = finished(asked(under_way), Run(), Outcome(Reason.BACKOFF_LIMIT_EXCEEDED, "none"), NO_CHECKS, NOW)
    assert [(each.registered_model, each.model_version) for each in (under_way, failed, forgotten)] == [
        ("n.spring", "4")
    ] * 3


def test_the_answer_of_the_worker_is_the_status() -> None:
    value = {"effect": {"estimate": 0.5}, "modelVersion": "4"}
    status = finished(asked(), RUN, Outcome(Reason.SUCCEEDED, "well", value), NO_CHECKS, NOW)
    assert (status.effect, status.model_version) == (PredictedEffect(estimate=0.5), "4")


@pytest.mark.parametrize(
    ("spec", "reason", "fidelity"),
    [
        ({"observed": {"experiment": "e", "effect": 1}}, "Succeeded", PredictionFidelity(hindsight=True)),
        ({"observed": {"experiment": "e", "effect": 1}}, "UnknownArm", None),
        ({}, "Succeeded", None),
    ],
)
def test_an_outcome_that_was_there_first_is_hindsight(
    spec: JSON, reason: str, fidelity: PredictionFidelity | None
) -> None:
    assert finished(asked(**spec), RUN, Outcome(Reason(reason), "so"), NO_CHECKS, NOW).fidelity == fidelity
