"""RetrainingJobs: the object, its Events, plan, record, what finished ones count for, and whose turn is next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.services.retraining.resources import retraining_job, twin_model
from twin_operator.api.v1alpha1 import RetrainingJob
from twin_operator.api.v1alpha1.conditions import RetrainingJobPhase
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import Algorithm
from twin_operator.services.retraining.jobs import (
    archived,
    count_finished_jobs,
    event_of,
    new_job,
    next_turn,
    result_of,
)
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
    record = archived(retraining_job("again", ended), twin_model(registeredModel="mine"), "c")
    assert (record.uid, record.namespace, record.name, record.model) == ("u", "n", "again", "spring")
    assert record.cluster == "c"
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
    assert archived(job, None, "c").status == {**results, "spec": spec}


def test_the_record_of_a_job_whose_model_is_gone_names_the_usual_registered_model() -> None:
    record = archived(retraining_job(status={"phase": "Failed", "completionTime": ENDED}), None, "c")
    assert (record.registered_model, record.promoted, record.reason) == ("n.spring", False, "")


def job(name: str, phase: str, ended: datetime | None = None, trigger: str = "NewData", **more: Any) -> RetrainingJob:
    promoted = "True" if more.pop("promoted", False) else "False"
    override = more.pop("override", False)
    conditions = [{"type": "Promoted", "status": promoted, "reason": "NotBetter", "message": "."}]
    return retraining_job(
        name,
        {"phase": phase, "completionTime": ended, "conditions": conditions, **more},
        created=f"2026-01-01T00:00:0{len(name) % 10}Z",
        trigger={"type": trigger},
        overrideCooldown=override,
    )


ONE, TWO = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
TRIED = RetrainingState(tried_spec_digest="s", tried_data_digest="d")


def failed(times: int) -> RetrainingState:
    return RetrainingState(failed_attempts=times)


def tried(state: RetrainingState) -> tuple[str | None, str | None]:
    return state.tried_spec_digest, state.tried_data_digest


@pytest.mark.parametrize(
    ("before", "ended", "attempts", "last"),
    [
        (RetrainingState(), [job("a", "Failed", ONE)], 1, "a"),
        (failed(1), [job("a", "Rejected", ONE)], 2, "a"),
        (failed(1), [job("a", "Completed", ONE)], 2, "a"),
        (failed(2), [job("a", "Completed", ONE, promoted=True)], 0, "a"),
        (failed(2), [job("a", "Cancelled", ONE)], 2, None),
        (failed(2), [job("a", "Training")], 2, None),
        (failed(2), [job("a", "Failed", ONE, trigger="Manual")], 1, "a"),
        (failed(2), [job("a", "Failed", ONE, trigger="SpecChanged")], 1, "a"),
        (RetrainingState(), [job("b", "Failed", TWO), job("a", "Completed", ONE, promoted=True)], 1, "b"),
        (RetrainingState(), [job("b", "Completed", TWO, promoted=True), job("a", "Failed", ONE)], 0, "b"),
    ],
)
def test_jobs_count_in_the_order_of_their_end(
    before: RetrainingState, ended: list[RetrainingJob], attempts: int, last: str | None
) -> None:
    after = count_finished_jobs(before, ended)
    assert (after.failed_attempts, after.last_job) == (attempts, last)


def test_a_job_counts_once_however_often_it_is_seen() -> None:
    jobs = [job("a", "Failed", ONE), job("b", "Failed", ONE), job("c", "Rejected", TWO)]
    once = count_finished_jobs(RetrainingState(), jobs)
    assert count_finished_jobs(once, jobs) == once
    assert count_finished_jobs(count_finished_jobs(RetrainingState(), jobs[:1]), jobs) == once
    assert once.failed_attempts == 3
    assert once.last_finished_time == TWO


def test_what_was_tried_is_known_of_candidates_that_were_compared() -> None:
    plan = {"specDigest": "s", "dataDigest": "d"}
    assert tried(count_finished_jobs(RetrainingState(), [job("a", "Completed", ONE, plan=plan)])) == ("s", "d")
    assert tried(count_finished_jobs(RetrainingState(), [job("a", "Failed", ONE, plan=plan)])) == (None, None)


def test_what_was_tried_before_is_known_until_another_candidate_was_compared() -> None:
    assert tried(count_finished_jobs(TRIED, [job("a", "Completed", ONE)])) == ("s", "d")


WAITING = [job("old", "Approved", trigger="Scheduled"), job("newer", "Approved", trigger="FidelityDegraded")]


@pytest.mark.parametrize(
    ("jobs", "holder", "gone", "turn"),
    [
        ([], None, set(), None),
        ([job("a", "AwaitingApproval")], None, set(), None),
        ([job("a", "CoolingDown")], None, set(), None),
        (WAITING, None, set(), "newer"),
        ([*WAITING, job("byhand", "Approved", trigger="Manual")], None, set(), "byhand"),
        ([*WAITING, job("begun", "Training", trigger="Scheduled")], None, set(), "begun"),
        (WAITING, "old", set(), "old"),
        (WAITING, "unseen", set(), "unseen"),
        (WAITING, "unseen", {"unseen"}, "newer"),
        ([job("a", "Completed", ONE), *WAITING], "a", set(), "newer"),
        ([job("a", "Validating")], "a", set(), "a"),
    ],
)
def test_one_job_has_its_turn_until_it_ends_or_is_gone(
    jobs: list[RetrainingJob], holder: str | None, gone: set[str], turn: str | None
) -> None:
    assert next_turn(jobs, holder, gone, cooled=True) == turn


def test_in_a_cool_down_only_a_job_that_overrides_it_or_has_begun_gets_the_turn() -> None:
    urgent = job("urgent", "Approved", override=True)
    begun = job("begun", "Validating", startTime=ONE)
    assert next_turn(WAITING, None, set(), cooled=False) is None
    assert next_turn([*WAITING, urgent], None, set(), cooled=False) == "urgent"
    assert next_turn([*WAITING, urgent, begun], None, set(), cooled=False) == "begun"


def test_a_job_that_has_to_cool_down_gives_its_turn_back() -> None:
    held = job("held", "CoolingDown")
    urgent = job("urgent", "Approved", override=True)
    assert next_turn([held], "held", set(), cooled=False) is None
    assert next_turn([held, urgent], "held", set(), cooled=False) == "urgent"
