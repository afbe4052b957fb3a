"""What a RetrainingJob is made of: the object, its Events, its plan, its record, and since when it awaits approval."""

from typing import Any

import pytest

from tests.unit.services.retraining.resources import retraining_job, twin_model
from twin_operator.api.v1alpha1.conditions import RetrainingJobPhase
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import Algorithm
from twin_operator.services.retraining.objects import archived, event_of, new_job, result_of
from twin_operator.services.retraining.state import awaits_approval_since
from twin_operator.services.retraining.tasks import training_plan
from twin_operator.services.retraining.triggers import Wanted
from twin_operator.services.runs.run import JSON

NOW = 1_800_000_000.0
HOUR = 3600.0
ENDED = "2027-01-15T08:00:00Z"
WANTED = Wanted(Trigger.NEW_DATA, "400 rows.", "spring-newdata-1")


def status(phase: RetrainingJobPhase, **fields: Any) -> JSON:
    """A status with the conditions of a job that ended well."""
    conditions = [condition("Ready", "Succeeded", "Done."), condition("Promoted", "GatePassed", "It serves.")]
    return {"phase": phase, "conditions": conditions, **fields}


def condition(kind: str, reason: str, message: str) -> JSON:
    return {"type": kind, "status": "True", "reason": reason, "message": message}


def test_a_job_of_the_operator_belongs_to_its_model_and_goes_after_thirty_days() -> None:
    made = new_job(twin_model(), WANTED)
    (owner,) = made.metadata.owner_references
    assert (owner.kind, owner.name, owner.uid, owner.controller) == ("TwinModel", "spring", "m", True)
    assert (made.name, made.namespace) == ("spring-newdata-1", "n")
    assert made.spec.model_dump(mode="json", exclude_unset=True) == {
        "modelRef": {"name": "spring"},
        "trigger": {"type": "NewData", "message": "400 rows."},
        "ttlSecondsAfterFinished": 30 * 86_400,
    }


@pytest.mark.parametrize(("length", "labels"), [(63, 1), (64, 0)])
def test_a_name_that_is_too_long_for_a_label_gives_none(length: int, labels: int) -> None:
    assert len(new_job(twin_model("a" * length), WANTED).metadata.labels) == labels


@pytest.mark.parametrize(
    ("phase", "gate", "reason", "warning"),
    [
        ("AwaitingApproval", None, "AwaitingApproval", False),
        ("Training", None, "RetrainingStarted", False),
        ("Rejected", None, "Rejected", False),
        ("Cancelled", None, "Cancelled", False),
        ("Failed", None, "RetrainingFailed", True),
        ("Completed", {"passed": True}, "Promoted", False),
        ("Completed", {"passed": False}, "NotBetter", False),
    ],
)
def test_a_change_of_phase_that_concerns_users_is_an_event(
    phase: RetrainingJobPhase, gate: JSON | None, reason: str, *, warning: bool
) -> None:
    new = retraining_job(status=status(phase, gate=gate)).status
    event = event_of(retraining_job(), new)
    assert event is not None
    assert (event.reason, event.warning) == (reason, warning)
    assert event.message == ("It serves." if phase == "Completed" else "Done.")


@pytest.mark.parametrize("phase", ["CoolingDown", "Approved", "Validating"])
def test_other_phases_and_phases_that_stay_are_no_events(phase: RetrainingJobPhase) -> None:
    assert event_of(retraining_job(), retraining_job(status=status(phase)).status) is None
    failed = retraining_job(status=status(RetrainingJobPhase.FAILED))
    assert event_of(failed, failed.status) is None


@pytest.mark.parametrize(
    ("phase", "gate", "result"),
    [
        ("Completed", {"passed": True}, "Promoted"),
        ("Completed", {"passed": False}, "NotBetter"),
        ("Failed", None, "Failed"),
        ("Rejected", None, "Rejected"),
        ("Cancelled", None, "Cancelled"),
    ],
)
def test_the_result_of_a_job_is_whether_it_promoted_or_how_it_failed(
    phase: RetrainingJobPhase, gate: JSON | None, result: str
) -> None:
    assert result_of(retraining_job(status=status(phase, gate=gate)).status) == result


def test_a_plan_is_the_model_s_learner_with_what_the_job_asks_for() -> None:
    model = twin_model()
    job = retraining_job(learner={"algorithm": "RandomForest", "folds": 3, "seed": 4})
    wanted = training_plan(job, model, None, NOW)
    assert (wanted.algorithm, wanted.folds, wanted.seed) == (Algorithm.RANDOM_FOREST, 3, 4)
    assert training_plan(retraining_job(), model, None, NOW) == TrainingPlan(Algorithm.LINEAR, 5, 0)


@pytest.mark.parametrize(
    ("status", "since"),
    [
        ({"phase": "AwaitingApproval"}, NOW - HOUR),
        ({"phase": "AwaitingApproval", "notBefore": "2027-01-15T07:30:00Z"}, NOW - HOUR / 2),
        ({"phase": "AwaitingApproval", "notBefore": "2027-01-15T06:00:00Z"}, NOW - HOUR),
        ({"phase": "Training"}, None),
        ({}, None),
    ],
)
def test_approval_is_awaited_since_nothing_else_is_missing(status: JSON, since: float | None) -> None:
    assert awaits_approval_since(retraining_job(status=status)) == since


def test_the_record_of_a_job_keeps_its_results_and_its_spec() -> None:
    ended = status(
        RetrainingJobPhase.COMPLETED,
        traceID="0" * 32,
        observedGeneration=1,
        notBefore="2027-01-15T07:30:00Z",
        candidate={"version": "2"},
        completionTime=ENDED,
    )
    record = archived(retraining_job("again", ended), twin_model(registeredModel="mine"))
    assert (record.uid, record.namespace, record.name, record.model) == ("u", "n", "again", "spring")
    assert (record.registered_model, record.trigger, record.phase) == ("mine", "Manual", "Completed")
    assert (record.reason, record.message, record.promoted, record.completed) == ("Succeeded", "Done.", True, NOW)
    assert record.status == {
        "candidate": {"version": "2"},
        "completionTime": ENDED,
        "spec": {"modelRef": {"name": "spring"}},
    }


def test_the_record_of_a_job_has_every_field_of_its_results() -> None:
    results = {
        "plan": {"algorithm": "Linear", "folds": 5, "newestOnly": "2023-01-01T00:00:00Z", "specDigest": "s"},
        "candidate": {"version": "2", "loss": 0.4, "backtestScore": 0.1},
        "champion": {"version": "1", "loss": 0.5},
        "gate": {"passed": True, "message": "It is as good."},
        "attempts": 1,
        "approvedBy": "jane",
        "approvedTime": "2027-01-15T07:10:00Z",
        "startTime": "2027-01-15T07:20:00Z",
        "completionTime": ENDED,
    }
    job = retraining_job(status=status(RetrainingJobPhase.COMPLETED, **results), backoffLimit=1)
    spec = {"modelRef": {"name": "spring"}, "backoffLimit": 1}
    assert archived(job, None).status == {**results, "spec": spec}


def test_the_record_of_a_job_whose_model_is_gone_names_the_usual_registered_model() -> None:
    record = archived(retraining_job(status={"phase": "Failed", "completionTime": ENDED}), None)
    assert (record.registered_model, record.promoted, record.reason) == ("n.spring", False, "")
