"""What finished jobs leave in a model's status, and whose turn is next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.services.retraining.resources import retraining_job
from twin_operator.api.v1alpha1 import RetrainingJob
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState
from twin_operator.services.retraining.history import count_finished_jobs, next_turn


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
