"""The status of a Simulation: what is written, what is cleared, and which conditions hold."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.ready_twin import simulation
from tests.fakes.schema import definitions
from twin_operator.api.v1alpha1.conditions import Reason, SimulationPhase
from twin_operator.services.reconciling.objects import Simulation
from twin_operator.services.runs.run import JSON, Outcome, Run
from twin_operator.services.simulations.status import FIELDS, finished, unfinished
from twin_operator.services.versions.version import Waiting

NOW = 1_800_000_000.0
RUN = Run(attempts=2, queued=NOW - 9, started=NOW - 5, finished=NOW - 1, worker="light-1")


def asked(status: JSON | None = None, **spec: Any) -> Simulation:
    body = simulation(**spec)
    body["metadata"] |= {"uid": "u", "generation": 3, "resourceVersion": "7"}
    return Simulation(body | ({} if status is None else {"status": status}))


def conditions(status: JSON) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


def test_the_facts_of_the_run_are_in_every_status() -> None:
    for status in (
        finished(asked(), RUN, Outcome(Reason.SUCCEEDED, "well"), None, NOW),
        unfinished(asked(), RUN, Waiting(SimulationPhase.RUNNING, Reason.RUNNING, "it runs"), None, NOW),
    ):
        assert (status["attempts"], status["worker"], status["observedGeneration"]) == (2, "light-1", 3)
        assert (status["queuedTime"], status["startTime"]) == ("2027-01-15T07:59:51Z", "2027-01-15T07:59:55Z")
        assert status["traceID"] == asked().trace.trace_id


def test_the_completion_is_when_the_worker_was_done() -> None:
    done = finished(asked(), RUN, Outcome(Reason.SUCCEEDED, "well"), None, NOW)
    assert done["completionTime"] == "2027-01-15T07:59:59Z"


def test_without_a_worker_the_completion_is_now() -> None:
    done = finished(asked(), Run(), Outcome(Reason.UNKNOWN_ARM, "none"), None, NOW)
    assert done["completionTime"] == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize(
    ("reason", "phase", "held"),
    [
        ("Succeeded", "Succeeded", {"Ready": ("True", "Succeeded")}),
        ("UnknownArm", "Failed", {"Ready": ("False", "UnknownArm"), "Stalled": ("True", "UnknownArm")}),
    ],
)
def test_the_end_is_ready_or_stalled(reason: str, phase: str, held: dict[str, tuple[str, str]]) -> None:
    status = finished(asked(), RUN, Outcome(Reason(reason), "so"), None, NOW)
    assert status["phase"] == phase
    assert conditions(status) == held


def test_what_waits_is_reconciling() -> None:
    status = unfinished(asked(), Run(), Waiting(SimulationPhase.PENDING, Reason.MODEL_NOT_READY, "not yet"), None, NOW)
    assert status["phase"] == "Pending"
    assert conditions(status) == {"Ready": ("False", "ModelNotReady"), "Reconciling": ("True", "ModelNotReady")}


def test_what_is_suspended_is_not_reconciling() -> None:
    status = unfinished(asked(), Run(), Waiting(SimulationPhase.SUSPENDED, Reason.SUSPENDED, "held"), None, NOW)
    assert conditions(status) == {"Ready": ("False", "Suspended")}


def test_a_transition_keeps_its_time_while_the_condition_holds() -> None:
    first = unfinished(asked(), Run(), Waiting(SimulationPhase.PENDING, Reason.MODEL_NOT_READY, "not yet"), None, NOW)
    second = unfinished(asked(first), Run(), Waiting(SimulationPhase.QUEUED, Reason.QUEUED, "waits"), None, NOW + 60)
    assert [c["lastTransitionTime"] for c in second["conditions"]] == ["2027-01-15T08:00:00Z"] * 2
    done = finished(asked(second), RUN, Outcome(Reason.SUCCEEDED, "well"), None, NOW + 90)
    assert done["conditions"][0]["lastTransitionTime"] == "2027-01-15T08:01:30Z"


def test_a_status_clears_what_an_earlier_one_may_have_said() -> None:
    status = unfinished(asked(), Run(), Waiting(SimulationPhase.PENDING, Reason.MODEL_NOT_READY, "not yet"), None, NOW)
    assert {field for field in FIELDS if status[field] is None} >= {"effect", "recommendation", "completionTime"}


def test_every_field_that_is_cleared_is_one_of_the_schema() -> None:
    properties = definitions()["Simulation"].schema["properties"]["status"]["properties"]
    assert set(FIELDS) <= set(properties)
    assert set(properties) - set(FIELDS) == {"phase", "observedGeneration", "conditions"}


def test_the_answer_of_the_worker_is_the_status() -> None:
    value = {"effect": {"estimate": 0.5}, "modelVersion": "4"}
    status = finished(asked(), RUN, Outcome(Reason.SUCCEEDED, "well", value), None, NOW)
    assert (status["effect"], status["modelVersion"]) == ({"estimate": 0.5}, "4")


@pytest.mark.parametrize(
    ("spec", "reason", "fidelity"),
    [
        ({"observed": {"experiment": "e", "effect": 1}}, "Succeeded", {"hindsight": True}),
        ({"observed": {"experiment": "e", "effect": 1}}, "UnknownArm", None),
        ({}, "Succeeded", None),
    ],
)
def test_an_outcome_that_was_there_first_is_hindsight(spec: JSON, reason: str, fidelity: JSON | None) -> None:
    assert finished(asked(**spec), RUN, Outcome(Reason(reason), "so"), None, NOW)["fidelity"] == fidelity
