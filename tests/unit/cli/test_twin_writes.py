"""What `kubectl twin` writes, worked out without a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from twin_operator.cli.twin_writes import (
    Impossible,
    cancellation_patch,
    decision_patch,
    outcome_patch,
    retraining_job,
    rollback_patch,
)

SERVING = {"model": {"version": "12"}, "retraining": {"previousVersion": "9"}}


def twin(status: dict[str, Any] | None = None, **spec: str) -> dict[str, Any]:
    body = {"metadata": {"name": "spring", "namespace": "growth"}, "spec": spec}
    return body if status is None else {**body, "status": status}


def asked(patch: dict[str, Any]) -> dict[str, str]:
    annotations = patch["metadata"]["annotations"]
    assert all(name.startswith("twinops.dev/rollback-") for name in annotations)
    return {name.removeprefix("twinops.dev/rollback-"): text for name, text in annotations.items()}


def test_a_decision_is_signed() -> None:
    patch = decision_patch(approved=False, by="jane", message="too early")
    assert patch == {"spec": {"approval": {"approved": False, "by": "jane", "message": "too early"}}}


def test_what_was_not_said_is_not_sent() -> None:
    assert decision_patch(approved=True, by="jane", message=None)["spec"]["approval"] == {
        "approved": True,
        "by": "jane",
    }
    assert outcome_patch(experiment="a", effect=0.0, low=None)["spec"] == {
        "observed": {"experiment": "a", "effect": 0.0}
    }
    job = retraining_job("spring", None, None, override_cooldown=False)
    assert job["spec"] == {"modelRef": {"name": "spring"}, "trigger": {"type": "Manual"}}


def test_a_retraining_can_skip_the_cooldown_and_widen_the_gate() -> None:
    spec = retraining_job("spring", "new quarter", 0.0, override_cooldown=True)["spec"]
    assert spec["trigger"] == {"type": "Manual", "message": "new quarter"}
    assert (spec["overrideCooldown"], spec["gate"]) == (True, {"maxRegression": 0.0})


def test_a_rollback_goes_to_the_version_before_the_last_promotion() -> None:
    patch = rollback_patch(twin(SERVING), None, "too hopeful", "jane")
    assert asked(patch) == {"from": "12", "to": "9", "reason": "too hopeful", "by": "jane"}


def test_a_rollback_goes_to_the_version_that_is_named() -> None:
    assert asked(rollback_patch(twin(SERVING), "3", "too hopeful", "jane"))["to"] == "3"


@pytest.mark.parametrize(
    ("model", "to", "message"),
    [
        (twin(), None, "No version of TwinModel spring serves"),
        (twin({"phase": "Pending"}), "3", "No version of TwinModel spring serves"),
        (twin({"model": {"version": "1"}}), None, "knows of no version before 1: name one with --to"),
        (twin(SERVING), "12", "Version 12 of TwinModel spring serves already"),
        (twin(SERVING, version="12"), None, "is pinned to version 12: change or remove spec.version instead"),
    ],
)
def test_an_impossible_rollback_says_what_to_do(model: dict[str, Any], to: str | None, message: str) -> None:
    with pytest.raises(Impossible, match=message):
        rollback_patch(model, to, "too hopeful", "jane")


def job(**status: object) -> dict[str, Any]:
    return {"metadata": {"name": "spring-7"}, "spec": {}, "status": status}


JOBS = [job(candidate={"version": "14"}, champion={"version": "8"}), job(), {"metadata": {"name": "spring-8"}}]


@pytest.mark.parametrize("to", ["77", "15", "0", "-3", "latest", "\u00b2"])
def test_a_rollback_to_no_version_names_those_that_are_known(to: str) -> None:
    with pytest.raises(Impossible) as refusal:
        rollback_patch(twin(SERVING), to, "too hopeful", "jane", JOBS)
    assert str(refusal.value) == f"TwinModel spring has no version {to}: known are 8, 9, 12, 14."


def test_the_version_that_was_taken_back_last_is_known() -> None:
    status = {**SERVING, "retraining": {"rolledBackVersion": "13"}}
    assert asked(rollback_patch(twin(status), "13", "not so bad", "jane"))["to"] == "13"


@pytest.mark.parametrize("to", ["14", "5"])
def test_candidates_and_forgotten_versions_can_be_rolled_back_to(to: str) -> None:
    assert asked(rollback_patch(twin(SERVING), to, "too hopeful", "jane", JOBS))["to"] == to


@pytest.mark.parametrize("phase", ["Completed", "Failed", "Rejected", "Cancelled"])
def test_a_finished_job_is_not_cancelled(phase: str) -> None:
    with pytest.raises(Impossible, match=f"^RetrainingJob spring-7 has finished \\({phase}\\)"):
        cancellation_patch(job(phase=phase))


@pytest.mark.parametrize("body", [job(phase="Training"), {"metadata": {"name": "new"}, "spec": {}}])
def test_a_job_that_has_not_finished_is_cancelled(body: dict[str, Any]) -> None:
    assert cancellation_patch(body) == {"spec": {"cancel": True}}
