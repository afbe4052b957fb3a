"""What `kubectl twin` sends and prints, worked out without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from twin_operator.adapters.kubernetes_api.client import ApiError
from twin_operator.cli.kubectl_twin import (
    Impossible,
    app,
    decision_patch,
    outcome_patch,
    retraining_job,
    rollback_patch,
    sentence,
)
from twin_operator.cli.output import model_table

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
    patch = rollback_patch(twin(GRADED), None, "too hopeful", "jane")
    assert asked(patch) == {"from": "12", "to": "9", "reason": "too hopeful", "by": "jane"}


def test_a_rollback_goes_to_the_version_that_is_named() -> None:
    assert asked(rollback_patch(twin(GRADED), "3", "too hopeful", "jane"))["to"] == "3"


@pytest.mark.parametrize(
    ("model", "to", "message"),
    [
        (twin(), None, "No version of TwinModel spring serves"),
        (twin({"phase": "Pending"}), "3", "No version of TwinModel spring serves"),
        (twin({"model": {"version": "1"}}), None, "knows of no version before 1: name one with --to"),
        (twin(GRADED), "12", "Version 12 of TwinModel spring serves already"),
        (twin(GRADED, version="12"), None, "is pinned to version 12: change or remove spec.version instead"),
    ],
)
def test_an_impossible_rollback_says_what_to_do(model: dict[str, Any], to: str | None, message: str) -> None:
    with pytest.raises(Impossible, match=message):
        rollback_patch(model, to, "too hopeful", "jane")


def test_the_table_tells_how_models_do() -> None:
    printed = model_table([twin(GRADED), twin()], with_namespace=False)
    assert printed.splitlines() == [
        "NAME     VERSION   FIDELITY    FAITHFUL               RETRAINABLE           ACTIVE JOB",
        "spring   12        Good 0.83   True (ThresholdsMet)   False (CoolingDown)   spring-7",
        "spring   -         -           -                      -                     -",
    ]


def test_the_table_of_all_namespaces_names_them() -> None:
    header, row = model_table([twin()], with_namespace=True).splitlines()
    assert header.startswith("NAMESPACE   NAME")
    assert row.startswith("growth      spring")


def test_a_refusal_by_the_policy_is_its_own_sentence() -> None:
    own = "spec.approval.by must be your own user name: write ed"
    preface = "retrainingjobs.twinops.dev is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: "
    assert sentence(ApiError(403, preface + own)) == own


def test_any_other_refusal_is_told_as_it_came() -> None:
    assert sentence(ApiError(404, 'twinmodels.twinops.dev "a" not found')) == 'twinmodels.twinops.dev "a" not found'


@pytest.mark.parametrize("content", [None, "", "a: [", ":::", "kind: Config\n"])
def test_a_kubeconfig_that_says_nothing_is_told_in_a_sentence(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    answer = CliRunner().invoke(app, ["status", "--kubeconfig", str(path)])
    assert answer.exit_code == 1
    assert answer.stderr.startswith("error: No cluster to talk to: ")
