"""Who may decide about RetrainingJobs: people ask a real API server, and its admission policy answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.chart.people import DRY, KUBECTL_DRY, Manifest, People, job

NEEDS_APPROVE = "needs the RBAC verb approve on this RetrainingJob"
OPERATOR = "the operator"
YES = {"approved": True}
WIDE = {"maxRegression": 0.1}


@pytest.fixture(scope="module", autouse=True)
def jobs(people: People) -> None:
    """Jobs of an editor, one of them approved, and one of the operator's."""
    for name in ("undecided", "named", "decided"):
        assert not people.create("ed", job(name))
    assert not people.change("ann", "RetrainingJob/decided", {"spec": {"approval": {**YES, "by": "ann"}}})
    assert not people.create(people.operator, job("degraded", trigger={"type": "FidelityDegraded"}))


def asking(people: People, user: str) -> str:
    return people.operator if user == OPERATOR else user


@pytest.mark.parametrize(
    ("user", "manifest"),
    [
        ("ed", job()),
        ("ed", job("spring-")),
        ("ed", job(learner={"algorithm": "Linear"}, ttlSecondsAfterFinished=0, gate={"maxRegression": 0})),
        ("ed", job(trigger={"type": "Manual", "message": "new quarter"})),
        ("emma", job()),
        ("ann", job(approval={**YES, "by": "ann"})),
        ("ann", job("spring-", approval={**YES, "by": "ann"})),
        ("ann", job(approval={"approved": False, "by": "ann"})),
        ("ann", job(overrideCooldown=True, gate=WIDE)),
        ("adam", job("spring-", approval={**YES, "by": "adam"}, overrideCooldown=True, gate=WIDE)),
        ("nell", job("named-by-nell")),
        (OPERATOR, job(trigger={"type": "NewData"})),
    ],
)
def test_a_job_is_created_by_those_who_may(people: People, user: str, manifest: Manifest) -> None:
    assert people.create(asking(people, user), manifest, DRY) == ""


@pytest.mark.parametrize(
    ("user", "manifest", "sentence"),
    [
        ("ed", job(approval={**YES, "by": "ed"}), NEEDS_APPROVE),
        ("ed", job(approval={**YES, "by": "ann"}), NEEDS_APPROVE),
        ("ed", job(approval={"approved": False, "by": "ed"}), NEEDS_APPROVE),
        ("ed", job("spring-", approval={**YES, "by": "ed"}), NEEDS_APPROVE),
        ("ed", job(overrideCooldown=True), NEEDS_APPROVE),
        ("ed", job("spring-", overrideCooldown=True), NEEDS_APPROVE),
        ("ed", job(gate=WIDE), NEEDS_APPROVE),
        ("emma", job(approval={**YES, "by": "emma"}), NEEDS_APPROVE),
        ("nell", job("other", approval={**YES, "by": "nell"}), NEEDS_APPROVE),
        ("nell", job("named-", approval={**YES, "by": "nell"}), NEEDS_APPROVE),
        ("ann", job(approval={**YES, "by": "adam"}), "spec.approval.by must be your own user name: write ann"),
        ("", job(approval={**YES, "by": "ann"}), "spec.approval.by must be your own user name: write "),
        ("ed", job(trigger={"type": "NewData"}), "the trigger NewData is the operator's own"),
        ("ann", job(trigger={"type": "Scheduled"}), "the trigger Scheduled is the operator's own"),
        ("", job(trigger={"type": "SpecChanged"}), "write spec.trigger.type: Manual, and in spec.trigger.message why"),
        (OPERATOR, job(trigger={"type": "NewData"}, approval={**YES, "by": "policy"}), NEEDS_APPROVE),
        (OPERATOR, job(trigger={"type": "NewData"}, overrideCooldown=True), NEEDS_APPROVE),
        (OPERATOR, job(trigger={"type": "NewData"}, gate=WIDE), NEEDS_APPROVE),
        ("vera", job(), 'cannot create resource "retrainingjobs"'),
    ],
)
def test_a_job_is_refused_with_what_to_do_instead(people: People, user: str, manifest: Manifest, sentence: str) -> None:
    assert sentence in people.create(asking(people, user), manifest, DRY)


@pytest.mark.parametrize(
    ("user", "approval", "sentence"),
    [
        ("ann", {**YES, "by": "ann", "message": "looks right"}, ""),
        ("ann", {"approved": False, "by": "ann"}, ""),
        ("adam", {**YES, "by": "adam"}, ""),
        ("ann", {**YES, "by": "ed"}, "write ann"),
        ("ed", {**YES, "by": "ed"}, NEEDS_APPROVE),
        ("ed", {"approved": False, "by": "ed"}, NEEDS_APPROVE),
        ("emma", {**YES, "by": "emma"}, NEEDS_APPROVE),
        ("nell", {**YES, "by": "nell"}, NEEDS_APPROVE),
        ("vera", {**YES, "by": "vera"}, 'cannot patch resource "retrainingjobs"'),
        (OPERATOR, {**YES, "by": "policy"}, 'cannot patch resource "retrainingjobs"'),
    ],
)
def test_a_job_is_decided_by_an_approver_in_the_own_name(
    people: People, user: str, approval: Manifest, sentence: str
) -> None:
    refusal = people.change(asking(people, user), "RetrainingJob/degraded", {"spec": {"approval": approval}}, DRY)
    assert sentence in refusal
    assert bool(refusal) is bool(sentence)


def test_approve_can_be_given_for_a_single_job(people: People) -> None:
    assert people.change("nell", "RetrainingJob/named", {"spec": {"approval": {**YES, "by": "nell"}}}, DRY) == ""


@pytest.mark.parametrize("how", [("apply",), ("apply", "--server-side", "--field-manager=git"), ("replace",)])
def test_apply_and_replace_are_held_to_the_same(people: People, how: tuple[str, ...]) -> None:
    written = json.loads(people.run("", "get", "retrainingjob", "undecided", "-o", "json"))
    del written["status"]
    written["spec"]["approval"] = {**YES, "by": "ed"}
    assert NEEDS_APPROVE in people.refusal("ed", *how, "-f", "-", KUBECTL_DRY, manifest=written)
    written["spec"]["approval"]["by"] = "ann"
    assert people.refusal("ann", *how, "-f", "-", KUBECTL_DRY, manifest=written) == ""


@pytest.mark.parametrize("user", ["ed", "ann", "adam", ""])
@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"approval": {"approved": False}}, "approval can be set once"),
        ({"approval": {"by": "adam"}}, "approval can be set once"),
        ({"approval": None}, "approval can be set once"),
        ({"gate": WIDE}, "gate cannot be changed"),
        ({"overrideCooldown": True}, "overrideCooldown cannot be changed"),
        ({"learner": {"folds": 2}}, "learner cannot be changed"),
        ({"trigger": {"type": "NewData"}}, "trigger cannot be changed"),
    ],
)
def test_nothing_changes_after_the_approval(people: People, user: str, spec: dict[str, Any], sentence: str) -> None:
    assert sentence in people.change(user, "RetrainingJob/decided", {"spec": spec}, DRY)


@pytest.mark.parametrize("name", ["decided", "degraded"])
@pytest.mark.parametrize(
    "patch",
    [{"spec": {"cancel": True}}, {"spec": {"ttlSecondsAfterFinished": 60}}, {"metadata": {"labels": {"a": "b"}}}],
)
def test_an_editor_may_cancel_expire_and_label_any_job(people: People, name: str, patch: Manifest) -> None:
    assert people.change("ed", f"RetrainingJob/{name}", patch, DRY) == ""


def test_the_operator_writes_status_whatever_was_decided(people: People) -> None:
    for name in ("undecided", "decided"):
        status = {"status": {"phase": "Training", "attempts": 1}}
        assert people.change(people.operator, f"RetrainingJob/{name}/status", status, DRY) == ""


@pytest.mark.parametrize("user", ["ed", "ann", "adam"])
def test_nobody_else_writes_status(people: People, user: str) -> None:
    status = {"status": {"phase": "Completed", "approvedBy": "policy"}}
    assert "forbidden" in people.change(user, "RetrainingJob/undecided/status", status, DRY).lower()


@pytest.mark.parametrize("policy", ["twin-operator-retraining-jobs", "twin-operator-twin-models"])
def test_the_type_checker_has_nothing_to_say(people: People, policy: str) -> None:
    def checked() -> Any:
        status = people.kube.get("validatingadmissionpolicy", policy).get("status", {})
        return status.get("typeChecking")

    assert people.kube.until(lambda: checked() is not None)
    assert checked() == {}


def test_other_namespaces_than_those_watched_are_left_alone(people: People) -> None:
    elsewhere = job(approval={**YES, "by": "jane"})
    elsewhere["metadata"]["namespace"] = "default"
    assert people.create("", elsewhere, DRY, namespace="default") == ""
