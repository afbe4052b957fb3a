"""What is next for a RetrainingJob, phase by phase: policy, history and clock in, a plan out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.services.retraining.resources import retraining_job, twin_model
from twin_operator.api.v1alpha1 import RetrainingJob, TwinModel
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason
from twin_operator.api.v1alpha1.retraining_job import Contender, GateResult, TrainingPlan
from twin_operator.domain.table.columns import Algorithm
from twin_operator.services.reconciling.errors import OutcomesIncomplete
from twin_operator.services.retraining.plan import plan
from twin_operator.services.retraining.state import JobPlan, JobSnapshot, Work
from twin_operator.services.runs.run import JSON, Outcome, Run, Stop

NOW = 1_800_000_000.0
NOW_TIME = datetime(2027, 1, 15, 8, tzinfo=UTC)
HOUR = 3600.0
ENDED = "2027-01-15T05:00:00Z"  # three hours before NOW
ENDED_AT = NOW - 3 * HOUR
TRAINED = Outcome(Reason.SUCCEEDED, "", {"version": "2", "plan": {"algorithm": "Linear"}})
SIDES = {"candidate": {"version": "2", "loss": 0.4}, "champion": {"version": "1", "loss": 0.5}}
BETTER = Outcome(Reason.SUCCEEDED, "", {**SIDES, "gate": {"passed": True, "message": "It is as good."}})
WORSE = Outcome(Reason.SUCCEEDED, "", {**SIDES, "gate": {"passed": False, "message": "It is worse."}})


def model(**changes: Any) -> TwinModel:
    """A TwinModel that serves version 1 and lets `job` run."""
    status = {"model": {"version": "1"}, "retraining": {"activeJob": "job", **changes.pop("retraining", {})}}
    status |= changes.pop("status", {})
    return twin_model(status=status, retraining={"cooldown": "24h", **changes.pop("policy", {})}, **changes)


def job(status: JSON | None = None, **spec: Any) -> RetrainingJob:
    return retraining_job(status=status, **spec)


BEGUN = {"phase": "Training", "startTime": ENDED, "approvedBy": "jane", "approvedTime": ENDED}
APPROVED = {"approval": {"approved": True, "by": "jane"}}


def next_for(
    body: RetrainingJob,
    of: TwinModel | None,
    training: Run | None = None,
    validation: Run | None = None,
    *,
    now: float = NOW,
    incomplete: OutcomesIncomplete | None = None,
    **work: Any,
) -> JobPlan:
    works = Work(training or Run(), **work), Work(validation or Run(), **work)
    return plan(JobSnapshot(body, of, *works, champion="1", incomplete=incomplete), now)


def reason(decision: JobPlan, kind: ConditionType = ConditionType.READY) -> str | None:
    condition = decision.status.condition(kind)
    return None if condition is None else condition.reason


def message(decision: JobPlan) -> str:
    condition = decision.status.condition(ConditionType.READY)
    assert condition is not None
    return condition.message


def has(decision: JobPlan, kind: ConditionType) -> bool:
    condition = decision.status.condition(kind)
    return condition is not None and condition.status is ConditionStatus.TRUE


COOLING = {"retraining": {"lastFinishedTime": ENDED, "lastJob": "earlier"}}


@pytest.mark.parametrize(
    ("body", "of", "phase", "why"),
    [
        (job(), None, "Pending", "ModelNotFound"),
        (job(), model(status={"model": None}), "Pending", "ModelNotReady"),
        (job(**APPROVED), model(suspend=True), "Pending", "ModelSuspended"),
        (job(**APPROVED), model(policy={"suspend": True}), "Pending", "ModelSuspended"),
        (job(**APPROVED), model(**COOLING), "CoolingDown", "CoolingDown"),
        (job(), model(), "AwaitingApproval", "AwaitingApproval"),
        (job(**APPROVED), model(retraining={"activeJob": "other"}), "Approved", "ModelBusy"),
        (job(**APPROVED), model(retraining={"activeJob": None}), "Approved", "Approved"),
        (job(**APPROVED), model(), "Training", "Training"),
        (job(BEGUN), model(), "Training", "Training"),
    ],
)
def test_what_a_job_waits_for_is_reconciling_never_stalled(
    body: RetrainingJob, of: TwinModel | None, phase: str, why: str
) -> None:
    decision = next_for(body, of)
    assert decision.status.phase == phase
    assert reason(decision) == reason(decision, ConditionType.RECONCILING) == why
    assert not has(decision, ConditionType.STALLED)
    assert decision.promote is None


@pytest.mark.parametrize(
    ("body", "of", "training", "phase", "why"),
    [
        (job(cancel=True), model(), Run(), "Cancelled", "Cancelled"),
        (job(BEGUN, cancel=True), model(), Run(leased=True), "Cancelled", "Cancelled"),
        (job(cancel=True), None, Run(), "Cancelled", "Cancelled"),
        (job(approval={"approved": False, "by": "jane", "message": "no"}), model(), Run(), "Rejected", "Rejected"),
        (job(BEGUN), None, Run(), "Failed", "ModelNotFound"),
        (job(BEGUN, activeDeadlineSeconds=60), model(), Run(leased=True), "Failed", "DeadlineExceeded"),
        (job(BEGUN), model(), Run(attempts=3, error="boom", failed=NOW), "Failed", "BackoffLimitExceeded"),
        (job(BEGUN), model(), Run(outcome=Outcome(Reason.DATA_INVALID, "No rows.")), "Failed", "TrainingFailed"),
    ],
)
def test_what_ends_a_job_badly_is_stalled_with_its_reason(
    body: RetrainingJob, of: TwinModel | None, training: Run, phase: str, why: str
) -> None:
    decision = next_for(body, of, training)
    assert decision.status.phase == phase
    assert reason(decision) == reason(decision, ConditionType.STALLED) == why
    assert decision.status.completion_time == NOW_TIME
    assert decision.promote is None
    assert decision.publish is None


def test_a_cancelled_job_stops_its_running_task() -> None:
    assert next_for(job(BEGUN, cancel=True), model(), Run(leased=True)).stop is Stop.CANCELLED


def test_what_a_status_says_stays_when_a_job_is_cancelled() -> None:
    compared = {**BEGUN, "phase": "Validating", "candidate": {"version": "2"}, "plan": {"folds": 5}}
    status = next_for(job(compared, cancel=True), model()).status
    assert (status.candidate, status.plan) == (Contender(version="2"), TrainingPlan(folds=5))
    assert (status.approved_by, status.start_time) == ("jane", datetime(2027, 1, 15, 5, tzinfo=UTC))


def test_a_job_without_a_cool_down_shows_no_end_of_one() -> None:
    cooling = {"phase": "CoolingDown", "notBefore": ENDED}
    assert next_for(job(cooling, overrideCooldown=True), model(**COOLING)).status.not_before is None


def test_a_rejection_names_who_and_why() -> None:
    decision = next_for(job(approval={"approved": False, "by": "jane", "message": "not in May"}), model())
    assert message(decision) == "jane rejected it: not in May"
    assert decision.status.approved_by is None


def test_a_cool_down_ends_when_it_ends() -> None:
    body, of = job(**APPROVED), model(**COOLING)
    end = ENDED_AT + 24 * HOUR
    waiting = next_for(body, of, now=end - 1)
    assert waiting.status.phase == "CoolingDown"
    assert waiting.status.not_before == datetime(2027, 1, 16, 5, tzinfo=UTC)
    assert waiting.again == end
    assert next_for(body, of, now=end).status.phase == "Training"


def test_an_override_does_not_wait_for_the_cool_down() -> None:
    assert next_for(job(overrideCooldown=True, **APPROVED), model(**COOLING)).status.phase == "Training"


@pytest.mark.parametrize(
    ("of", "who"),
    [
        (model(policy={"approval": "Automatic"}), "policy"),
        (model(status={"fidelity": {"score": 0.0}}), None),
        (model(status={"fidelity": {"score": 0.49}}, policy={"autoApproveBelow": 0.5}), "policy"),
        (model(status={"fidelity": {"score": 0.5}}, policy={"autoApproveBelow": 0.5}), None),
        (model(status={"fidelity": {"score": 0.6}}, policy={"autoApproveBelow": 0.7}), "policy"),
        (model(status={"fidelity": {"score": 0.0}}, policy={"autoApproveBelow": 0}), None),
    ],
)
def test_the_model_decides_whether_a_job_needs_a_person(of: TwinModel, who: str | None) -> None:
    decision = next_for(job(), of)
    assert decision.status.approved_by == who
    assert decision.status.phase == ("Training" if who else "AwaitingApproval")


def test_the_policy_approves_no_sooner_than_a_job_could_start() -> None:
    of = model(**COOLING, policy={"approval": "Automatic"})
    assert next_for(job(), of).status.approved_by is None
    assert next_for(job(**APPROVED), of).status.approved_by == "jane"


def test_a_start_is_written_before_the_task_is_published() -> None:
    first = next_for(job(**APPROVED), model())
    assert (first.status.start_time, first.publish) == (NOW_TIME, None)
    assert next_for(job(**APPROVED).replace(status=first.status), model()).publish == "train"


LACKING = OutcomesIncomplete(Reason.OUTCOMES_MISSING, "The archive lacks 4 graded outcomes.")


@pytest.mark.parametrize(
    ("training", "phase"), [(Run(), "Training"), (Run(outcome=TRAINED, finished=NOW), "Validating")]
)
def test_no_task_is_published_while_outcomes_are_missing(training: Run, phase: str) -> None:
    waiting = next_for(job(BEGUN), model(), training, incomplete=LACKING)
    assert (waiting.status.phase, waiting.publish) == (phase, None)
    assert (reason(waiting), message(waiting)) == ("OutcomesMissing", "The archive lacks 4 graded outcomes.")
    assert next_for(job(BEGUN), model(), training).publish is not None


def test_a_task_on_its_way_does_not_wait_for_outcomes() -> None:
    leased = Run(leased=True, attempts=1, worker="w")
    assert reason(next_for(job(BEGUN), model(), leased, incomplete=LACKING)) == "Training"
    assert reason(next_for(job(BEGUN), model(), incomplete=LACKING, published=True)) == "Training"


def test_a_job_that_waits_for_outcomes_is_reconciled_at_its_deadline() -> None:
    waiting = next_for(job(BEGUN, activeDeadlineSeconds=4 * 3600), model(), incomplete=LACKING)
    assert waiting.again == ENDED_AT + 4 * HOUR


def test_a_task_on_its_way_is_not_published_again() -> None:
    assert next_for(job(BEGUN), model(), published=True).publish is None
    assert next_for(job(BEGUN), model(), Run(leased=True, attempts=1, worker="w")).publish is None


@pytest.mark.parametrize(("attempts", "wait"), [(1, 10.0), (2, 20.0)])
def test_a_failed_attempt_is_repeated_after_a_growing_wait(attempts: int, wait: float) -> None:
    failed = Run(attempts=attempts, error="boom", failed=NOW)
    waiting = next_for(job(BEGUN), model(), failed, now=NOW + wait - 1)
    assert (waiting.publish, waiting.again) == (None, NOW + wait)
    assert next_for(job(BEGUN), model(), failed, now=NOW + wait).publish == "train"


def test_a_deadline_counts_from_the_start_of_training() -> None:
    body = job(BEGUN, activeDeadlineSeconds=4 * 3600)
    assert next_for(body, model()).again == ENDED_AT + 4 * HOUR
    assert next_for(job(activeDeadlineSeconds=1), model()).status.phase == "AwaitingApproval"


def test_a_suspended_model_stops_the_tasks_of_its_job() -> None:
    decision = next_for(job(BEGUN), model(suspend=True), Run(leased=True))
    assert (decision.stop, decision.status.phase) == (Stop.SUSPENDED, "Training")
    assert reason(decision) == "ModelSuspended"


def test_suspended_retraining_lets_a_job_that_is_at_work_finish() -> None:
    assert next_for(job(BEGUN), model(policy={"suspend": True}), Run(leased=True)).stop is None


def test_a_queue_without_workers_is_named() -> None:
    decision = next_for(job(BEGUN), model(), served=False)
    assert reason(decision) == "NoWorkers"
    assert "queue training" in message(decision)


def test_a_trained_candidate_is_compared_with_the_champion() -> None:
    decision = next_for(job(BEGUN), model(), Run(outcome=TRAINED))
    assert (decision.status.phase, decision.publish) == ("Validating", "validate")
    assert decision.status.candidate == Contender(version="2")
    assert decision.status.champion == Contender(version="1")
    assert decision.status.plan == TrainingPlan(algorithm=Algorithm.LINEAR)


def test_that_a_candidate_passed_is_written_before_it_is_promoted() -> None:
    decision = next_for(job(BEGUN), model(), Run(outcome=TRAINED), Run(outcome=BETTER))
    assert (decision.status.phase, decision.promote, decision.again) == ("Validating", None, NOW)
    assert (reason(decision), message(decision)) == ("Validating", "Version 2 passed the comparison; it is promoted.")
    assert decision.status.gate == GateResult(passed=True, message="It is as good.")
    assert decision.status.completion_time is None


PASSED: JSON = {
    **BEGUN,
    **SIDES,
    "phase": "Validating",
    "gate": {"passed": True, "message": "It is as good."},
    "plan": {"algorithm": "Linear"},
}


@pytest.mark.parametrize(
    ("spec", "of"),
    [({}, model()), ({"cancel": True}, model()), ({"activeDeadlineSeconds": 60}, model()), ({}, model(suspend=True))],
)
def test_a_candidate_whose_status_says_that_it_passed_is_promoted(spec: JSON, of: TwinModel) -> None:
    decision = next_for(job(PASSED, **spec), of)
    assert (decision.status.phase, decision.promote, decision.stop) == ("Completed", "2", None)
    assert (reason(decision), reason(decision, ConditionType.PROMOTED)) == ("Succeeded", "GatePassed")
    assert decision.status.gate == GateResult(passed=True, message="It is as good.")
    assert decision.status.candidate == Contender(version="2", loss=0.4)
    assert decision.status.champion == Contender(version="1", loss=0.5)
    assert decision.status.plan == TrainingPlan(algorithm=Algorithm.LINEAR)
    assert has(decision, ConditionType.READY)
    assert has(decision, ConditionType.PROMOTED)


def test_a_candidate_that_passed_is_not_promoted_for_a_model_that_is_gone() -> None:
    decision = next_for(job(PASSED), None)
    assert (decision.status.phase, decision.promote, decision.stop) == ("Failed", None, Stop.CANCELLED)
    assert reason(decision) == "ModelNotFound"


def test_a_candidate_that_is_worse_is_not_promoted_and_that_is_a_job_well_done() -> None:
    decision = next_for(job(BEGUN), model(), Run(outcome=TRAINED), Run(outcome=WORSE))
    assert (decision.status.phase, decision.promote) == ("Completed", None)
    assert (reason(decision), reason(decision, ConditionType.PROMOTED)) == ("Succeeded", "NotBetter")
    assert has(decision, ConditionType.READY)
    assert not has(decision, ConditionType.PROMOTED)


def test_a_comparison_that_fails_promotes_nothing() -> None:
    failed = Run(outcome=Outcome(Reason.DATA_INVALID, "The bank is broken."))
    decision = next_for(job(BEGUN), model(), Run(outcome=TRAINED), failed)
    assert (decision.status.phase, decision.promote) == ("Failed", None)
