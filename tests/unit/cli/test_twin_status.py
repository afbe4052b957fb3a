"""What `kubectl twin status` prints, worked out without a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from twin_operator.cli.twin_status import status_report

GRADED = {
    "model": {"version": "12"},
    "fidelity": {"grade": "Good", "score": 0.8349},
    "conditions": [
        {"type": "Ready", "status": "True", "reason": "ModelServing"},
        {"type": "Faithful", "status": "True", "reason": "ThresholdsMet"},
        {"type": "Retrainable", "status": "False", "reason": "CoolingDown"},
    ],
    "retraining": {"activeJob": "spring-7", "previousVersion": "9"},
}


def twin(status: dict[str, Any] | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"metadata": {"name": "spring", "namespace": "growth"}, "spec": {}}
    return body if status is None else {**body, "status": status}


def condition(type_: str, status: str, reason: str) -> dict[str, str]:
    return {"type": type_, "status": status, "reason": reason, "message": f"{reason}:\nsee the docs."}


def test_the_table_tells_how_models_do() -> None:
    printed = status_report([twin(GRADED), twin()], [], with_namespace=False)
    assert printed.splitlines() == [
        "NAME     VERSION   FIDELITY    FAITHFUL               RETRAINABLE           ACTIVE JOB",
        "spring   12        Good 0.83   True (ThresholdsMet)   False (CoolingDown)   spring-7",
        "spring   -         -           -                      -                     -",
    ]


def test_the_table_of_all_namespaces_names_them() -> None:
    header, row = status_report([twin()], [], with_namespace=True).splitlines()
    assert header.startswith("NAMESPACE   NAME")
    assert row.startswith("growth      spring")


def test_without_models_there_is_a_sentence() -> None:
    assert status_report([], [], with_namespace=True) == "No TwinModels found."


NOT_READY = condition("Ready", "False", "DataInvalid")
STALLED = condition("Stalled", "True", "NoOverlap")
UNFAITHFUL = condition("Faithful", "False", "CoverageDrop")


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ({"phase": "Failed", "conditions": [NOT_READY, STALLED]}, "Stalled", "NoOverlap"),
        ({"phase": "Ready", "conditions": [STALLED]}, "Stalled", "NoOverlap"),
        ({"phase": "Failed", "conditions": [NOT_READY]}, "Failed", "DataInvalid"),
        ({"phase": "Degraded", "conditions": [UNFAITHFUL]}, "Degraded", "CoverageDrop"),
    ],
)
def test_a_model_that_fails_has_a_line_with_the_reason(status: dict[str, Any], state: str, reason: str) -> None:
    header, line = status_report([twin(status), twin(GRADED)], [], with_namespace=False).splitlines()[-2:]
    assert header.split("   ")[0] == "FAILING MODEL"
    assert line.split() == ["spring", state, reason, f"{reason}:", "see", "the", "docs."]


@pytest.mark.parametrize("status", [GRADED, {"phase": "Training", "conditions": [NOT_READY]}, None])
def test_other_models_do_not_fail(status: dict[str, Any] | None) -> None:
    assert "FAILING" not in status_report([twin(status)], [], with_namespace=False)


def test_jobs_that_wait_for_approval_have_lines() -> None:
    trigger = {"type": "CoverageDrop", "message": "5 of 9 outcomes\nin their intervals."}
    spec = {"modelRef": {"name": "spring"}, "trigger": trigger}
    bare = {"modelRef": {"name": "summer"}}
    jobs = [
        {"metadata": {"name": f"job-{i}", "namespace": "growth"}, "spec": each} for i, each in enumerate((spec, bare))
    ]
    assert status_report([twin()], jobs, with_namespace=True).splitlines()[-4:] == [
        "",
        "NAMESPACE   WAITING FOR APPROVAL   MODEL    TRIGGER        MESSAGE",
        "growth      job-0                  spring   CoverageDrop   5 of 9 outcomes in their intervals.",
        "growth      job-1                  summer   -              -",
    ]
