"""What finished jobs leave in a model's status, and whose turn is next."""

from __future__ import annotations

from typing import Any

import pytest

from twin_operator.services.retraining.history import accounted, next_turn


def job(name: str, phase: str, ended: str | None = None, trigger: str = "NewData", **more: Any) -> dict[str, Any]:
    conditions = [{"type": "Promoted", "status": "True" if more.pop("promoted", False) else "False"}]
    status = {"phase": phase, "completionTime": ended, "conditions": conditions, **more}
    metadata = {"name": name, "creationTimestamp": f"2026-01-01T00:00:0{len(name) % 10}Z"}
    return {"metadata": metadata, "spec": {"trigger": {"type": trigger}}, "status": status}


ONE, TWO = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("before", "ended", "failed", "last"),
    [
        ({}, [job("a", "Failed", ONE)], 1, "a"),
        ({"failedAttempts": 1}, [job("a", "Rejected", ONE)], 2, "a"),
        ({"failedAttempts": 1}, [job("a", "Completed", ONE)], 2, "a"),
        ({"failedAttempts": 2}, [job("a", "Completed", ONE, promoted=True)], 0, "a"),
        ({"failedAttempts": 2}, [job("a", "Cancelled", ONE)], 2, None),
        ({"failedAttempts": 2}, [job("a", "Training")], 2, None),
        ({"failedAttempts": 2}, [job("a", "Failed", ONE, trigger="Manual")], 1, "a"),
        ({"failedAttempts": 2}, [job("a", "Failed", ONE, trigger="SpecChanged")], 1, "a"),
        ({}, [job("b", "Failed", TWO), job("a", "Completed", ONE, promoted=True)], 1, "b"),
        ({}, [job("b", "Completed", TWO, promoted=True), job("a", "Failed", ONE)], 0, "b"),
    ],
)
def test_jobs_count_in_the_order_of_their_end(
    before: dict[str, Any], ended: list[dict[str, Any]], failed: int, last: str | None
) -> None:
    after = accounted(before, ended)
    assert (after.get("failedAttempts"), after.get("lastJob")) == (failed, last)


def test_a_job_counts_once_however_often_it_is_seen() -> None:
    jobs = [job("a", "Failed", ONE), job("b", "Failed", ONE), job("c", "Rejected", TWO)]
    once = accounted({}, jobs)
    assert accounted(once, jobs) == once
    assert accounted(accounted({}, jobs[:1]), jobs) == once
    assert once["failedAttempts"] == 3
    assert once["lastFinishedTime"] == TWO


def test_what_was_tried_is_known_of_candidates_that_were_compared() -> None:
    plan = {"specDigest": "s", "dataDigest": "d"}
    tried = {"triedSpecDigest": "s", "triedDataDigest": "d"}
    completed = accounted({}, [job("a", "Completed", ONE, plan=plan)])
    assert {key: completed.get(key) for key in tried} == tried
    assert tried.keys().isdisjoint(accounted({}, [job("a", "Failed", ONE, plan=plan)]))


def test_what_was_tried_before_is_known_until_another_candidate_was_compared() -> None:
    tried = {"triedSpecDigest": "s", "triedDataDigest": "d"}
    after = accounted(tried, [job("a", "Completed", ONE)])
    assert {key: after[key] for key in tried} == tried


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
    jobs: list[dict[str, Any]], holder: str | None, gone: set[str], turn: str | None
) -> None:
    assert next_turn(jobs, holder, gone, cooled=True) == turn


def test_in_a_cool_down_only_a_job_that_overrides_it_or_has_begun_gets_the_turn() -> None:
    urgent = job("urgent", "Approved")
    urgent["spec"]["overrideCooldown"] = True
    begun = job("begun", "Validating", startTime=ONE)
    assert next_turn(WAITING, None, set(), cooled=False) is None
    assert next_turn([*WAITING, urgent], None, set(), cooled=False) == "urgent"
    assert next_turn([*WAITING, urgent, begun], None, set(), cooled=False) == "begun"
