"""What a RetrainingJob is made of: the object, its Events, its plan, its record, and when a person has to act."""

from typing import Any

import pytest

from tests.unit.services.letters import COLUMNS
from twin_operator.api.v1alpha1 import RetrainingJob, TwinModel
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import Algorithm
from twin_operator.services.retraining.objects import archived, event_of, job_manifest
from twin_operator.services.retraining.policy import RetrainingPolicy
from twin_operator.services.retraining.state import waits_for_a_person_since
from twin_operator.services.retraining.tasks import training_plan
from twin_operator.services.retraining.triggers import Wanted
from twin_operator.services.runs.run import JSON

NOW = 1_800_000_000.0
HOUR, DAY = 3600.0, 86_400.0
LEARNER = {"algorithm": "Linear", "folds": 5, "seed": 0}
WANTED = Wanted(Trigger.NEW_DATA, "400 rows.", "letters-newdata-1")


def model(name: str = "letters", **spec: Any) -> JSON:
    full = {"data": {"uri": "s3://shop/past.csv"}, "learner": LEARNER, "columns": COLUMNS, **spec}
    return {"metadata": {"name": name, "namespace": "n", "uid": "m"}, "spec": full}


def job(status: JSON | None = None, **spec: Any) -> JSON:
    full = {"modelRef": {"name": "letters"}, "trigger": {"type": "Manual"}, **spec}
    metadata = {"name": "again", "namespace": "n", "uid": "u", "creationTimestamp": "2027-01-15T07:00:00Z"}
    return {"metadata": metadata, "spec": full, "status": status or {}}


def test_a_job_of_the_operator_belongs_to_its_model_and_goes_after_thirty_days() -> None:
    made = job_manifest(model(), WANTED)
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("TwinModel", "letters", "m", True)
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("letters-newdata-1", "n")
    assert made["spec"] == {
        "modelRef": {"name": "letters"},
        "trigger": {"type": "NewData", "message": "400 rows."},
        "ttlSecondsAfterFinished": 30 * 86_400,
    }


@pytest.mark.parametrize(("length", "labels"), [(63, 1), (64, 0)])
def test_a_name_that_is_too_long_for_a_label_gives_none(length: int, labels: int) -> None:
    assert len(job_manifest(model("a" * length), WANTED)["metadata"]["labels"]) == labels


def condition(kind: str, reason: str, message: str) -> JSON:
    return {"type": kind, "status": "True", "reason": reason, "message": message}


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
    phase: str, gate: JSON | None, reason: str, *, warning: bool
) -> None:
    conditions = [condition("Ready", "x", "It is ready."), condition("Promoted", "x", "It serves.")]
    event = event_of(job({"phase": "Pending"}), {"phase": phase, "gate": gate, "conditions": conditions})
    assert event is not None
    assert (event.reason, event.warning) == (reason, warning)
    assert event.message == ("It serves." if phase == "Completed" else "It is ready.")


@pytest.mark.parametrize("phase", ["CoolingDown", "Approved", "Validating"])
def test_other_phases_and_phases_that_stay_are_no_events(phase: str) -> None:
    assert event_of(job({"phase": "Pending"}), {"phase": phase, "conditions": []}) is None
    assert event_of(job({"phase": "Failed"}), {"phase": "Failed", "conditions": []}) is None


def test_a_plan_is_the_model_s_learner_with_what_the_job_asks_for() -> None:
    twin = TwinModel.model_validate(model())
    other = RetrainingJob.model_validate(job(learner={"algorithm": "RandomForest", "folds": 3, "seed": 4}))
    wanted = training_plan(other, twin, None, NOW)
    assert (wanted.algorithm, wanted.folds, wanted.seed) == (Algorithm.RANDOM_FOREST, 3, 4)
    same = training_plan(RetrainingJob.model_validate(job()), twin, None, NOW)
    assert same == TrainingPlan(Algorithm.LINEAR, 5, 0)


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
def test_a_person_is_waited_for_since_nothing_else_is_missing(status: JSON, since: float | None) -> None:
    assert waits_for_a_person_since(job(status)) == since


def test_the_record_of_a_job_keeps_what_it_found_and_its_spec() -> None:
    conditions = [condition("Ready", "Succeeded", "Done."), condition("Promoted", "GatePassed", "It serves.")]
    status = {
        "phase": "Completed",
        "completionTime": "2027-01-15T08:00:00Z",
        "conditions": conditions,
        "candidate": {"version": "2"},
        "traceID": "t",
    }
    record = archived(job(status), model(registeredModel="mine"))
    assert (record.uid, record.namespace, record.name, record.model) == ("u", "n", "again", "letters")
    assert (record.registered_model, record.trigger, record.phase) == ("mine", "Manual", "Completed")
    assert (record.reason, record.message, record.promoted, record.completed) == ("Succeeded", "Done.", True, NOW)
    assert record.status == {
        "candidate": {"version": "2"},
        "completionTime": "2027-01-15T08:00:00Z",
        "spec": job()["spec"],
    }


def test_the_record_of_a_job_whose_model_is_gone_names_the_usual_registered_model() -> None:
    status = {"phase": "Failed", "completionTime": "2027-01-15T08:00:00Z"}
    record = archived(job(status), None)
    assert (record.registered_model, record.promoted, record.reason) == ("n.letters", False, "")


def test_a_policy_that_says_nothing_has_defaults() -> None:
    assert RetrainingPolicy.of({}) == RetrainingPolicy(
        suspend=False,
        cooldown=DAY,
        automatic=False,
        auto_approve_below=0.5,
        max_attempts=3,
        min_samples=1000,
        max_data_age=90 * DAY,
        schedule=None,
        zone="Etc/UTC",
    )


def test_every_field_of_a_policy_is_read_in_seconds_and_counts() -> None:
    value = {
        "suspend": True,
        "cooldown": "90m",
        "approval": "Automatic",
        "autoApproveBelow": 0.25,
        "maxAttempts": 7,
        "minSamples": 12,
        "maxDataAge": "48h",
        "schedule": "0 3 * * *",
        "timeZone": "Europe/Berlin",
    }
    assert RetrainingPolicy.of({"retraining": value}) == RetrainingPolicy(
        suspend=True,
        cooldown=5400.0,
        automatic=True,
        auto_approve_below=0.25,
        max_attempts=7,
        min_samples=12,
        max_data_age=2 * DAY,
        schedule="0 3 * * *",
        zone="Europe/Berlin",
    )
