"""Each claim is kept by what the demo shows, and not kept by anything else."""

from collections.abc import Sequence
from typing import Any

import pytest

from demo import claims
from demo.claims import Claim
from demo.difference import Difference

Json = dict[str, Any]
PLAIN = Difference(estimate=0.0766, standard_error=0.0034, treated=21_307, controls=21_306)
NOON = 1_764_072_000.0  # 2025-11-25T12:00:00Z


def not_kept(found: Sequence[Claim]) -> list[tuple[str, str]]:
    return [(each.about, each.found) for each in found if not each.kept]


def answer(estimate: float = 0.0767, *, action: str = "Deploy", reason: str = "BenefitLikely") -> Json:
    recommendation = {"action": action, "reason": reason, "probabilityOfBenefit": 0.998}
    status = {"effect": {"estimate": estimate}, "recommendation": recommendation, "modelVersion": "2"}
    return {"metadata": {"name": "mens-email"}, "status": status}


def resource(phase: str = "", **conditions: str) -> Json:
    """An object with conditions such as `Faithful="False FidelityDegraded"`."""
    stated = [
        {"type": kind, "status": state.split()[0], "reason": state.split()[1]} for kind, state in conditions.items()
    ]
    return {"status": {"phase": phase, "conditions": stated}}


@pytest.mark.parametrize(("estimate", "kept"), [(0.0701, True), (0.0831, True), (0.0698, False), (0.0834, False)])
def test_an_estimate_agrees_inside_the_plain_interval_only(estimate: float, kept: bool) -> None:  # noqa: FBT001
    claim = claims.estimate_agrees(answer(estimate), PLAIN)
    assert (claim.kept, claim.found) == (kept, "inside" if kept else "OUTSIDE")


BEFORE = answer(action="Refine", reason="NotCalibrated")


def test_outcomes_calibrate_when_refine_becomes_deploy() -> None:
    assert not_kept(claims.outcomes_calibrate(BEFORE, answer())) == []


def test_a_twin_that_said_deploy_before_any_outcome_is_found() -> None:
    found = not_kept(claims.outcomes_calibrate(answer(), answer()))
    assert found == [("men's e-mail, one experiment: the recommendation", "Deploy (BenefitLikely)")]


def test_a_twin_that_says_refine_after_four_outcomes_is_found() -> None:
    found = not_kept(claims.outcomes_calibrate(BEFORE, BEFORE))
    assert found == [("men's e-mail, one experiment and four outcomes: the recommendation", "Refine (NotCalibrated)")]


def test_a_benefit_that_is_not_likely_enough_is_found() -> None:
    after = answer()
    after["status"]["recommendation"]["probabilityOfBenefit"] = 0.98
    found = not_kept(claims.outcomes_calibrate(BEFORE, after))
    assert found == [("men's e-mail, one experiment and four outcomes: the chance of a benefit", "98.0 %")]


@pytest.mark.parametrize(
    ("faithful", "retrainable", "expected"),
    [
        ("False FidelityDegraded", "False NoNewData", []),
        ("True WithinChance", "False NoNewData", ["True (WithinChance)"]),
        ("False FidelityDegraded", "True Ready", ["True (Ready)"]),
    ],
)
def test_a_degraded_twin_reports_that_and_which_data_it_lacks(
    faithful: str, retrainable: str, expected: list[str]
) -> None:
    twin = resource(Faithful=faithful, Retrainable=retrainable)
    assert [found for _, found in not_kept(claims.degradation_is_reported(twin))] == expected


def test_a_twin_without_conditions_has_reported_nothing() -> None:
    assert len(not_kept(claims.degradation_is_reported({"status": {}}))) == 2


def waiting(phase: str = "AwaitingApproval", trigger: str = "FidelityDegraded") -> Json:
    return {"spec": {"trigger": {"type": trigger}}, "status": {"phase": phase}}


PROMOTED = resource("Completed", Promoted="True GatePassed")


@pytest.mark.parametrize(
    ("job", "finished", "estimate", "expected"),
    [
        (waiting(), PROMOTED, 0.0767, []),
        (waiting(trigger="Manual"), PROMOTED, 0.0767, ["Manual"]),
        (waiting(phase="Training"), PROMOTED, 0.0767, ["Training"]),
        (waiting(), resource("Completed", Promoted="False GateFailed"), 0.0767, ["False (GateFailed)"]),
        (waiting(), PROMOTED, 0.02, ["+2.00 points"]),
    ],
)
def test_a_retraining_is_gated(job: Json, finished: Json, estimate: float, expected: list[str]) -> None:
    found = not_kept(claims.retraining_is_gated(job, finished, answer(estimate), PLAIN))
    assert [text for _, text in found] == expected


@pytest.mark.parametrize(("held", "kept"), [("2026-01-02T00:00:00Z", True), ("2026-01-01T00:00:00Z", False)])
def test_a_job_is_held_until_the_next_allowed_time(held: str, kept: bool) -> None:  # noqa: FBT001
    twin = {"status": {"retraining": {"nextAllowedTime": "2026-01-02T00:00:00Z"}}}
    assert claims.cooldown_holds(twin, {"status": {"notBefore": held}}).kept is kept


def test_times_that_are_both_absent_hold_nothing() -> None:
    assert not claims.cooldown_holds({"status": {"retraining": {}}}, {"status": {}}).kept


def simulation(worker: str, second: int = 10, *, attempts: int = 1, phase: str = "Succeeded") -> Json:
    """A Simulation that a worker has answered; the operator wrote that into its status at 12:00:20."""
    completed = f"2025-11-25T12:00:{second}Z"
    created, written = {"time": "2025-11-25T12:00:59Z"}, {"time": "2025-11-25T12:00:20Z", "subresource": "status"}
    status = {"phase": phase, "attempts": attempts, "worker": worker, "completionTime": completed}
    return {"metadata": {"managedFields": [created, written]}, "status": status}


def event(reason: str, second: float, message: str = "") -> Json:
    return {"reason": reason, "message": message, "eventTime": f"2025-11-25T12:00:{second:09.6f}Z"}


def deleted(pod: str, second: int) -> Json:
    """The ReplicaSet controller writes no eventTime."""
    last = f"2025-11-25T12:00:{second}Z"
    return {"reason": "SuccessfulDelete", "message": f"Deleted pod: {pod}", "eventTime": None, "lastTimestamp": last}


ANSWERED = [simulation("burst-1"), simulation("burst-2")]
EVENTS = [event("ScaledUp", 1.2), event("ScaledUp", 3.4), event("ScaledDown", 38.5), deleted("burst-1", 39)]


def burst(simulations: Sequence[Json] = ANSWERED, events: Sequence[Json] = EVENTS) -> list[Claim]:
    return claims.pool_follows(2, NOON, simulations, events)


def test_a_burst_as_claimed_keeps_every_claim() -> None:
    assert [each.found for each in burst()] == ["1.2 s", "2", "2", "2", "18.5 s", "0"]
    assert not_kept(burst()) == []


@pytest.mark.parametrize(
    ("simulations", "events", "expected"),
    [
        (ANSWERED, [event("ScaledUp", 2.1), *EVENTS[2:]], ["2.1 s"]),
        ([simulation("burst-1"), simulation("burst-2", phase="Failed")], EVENTS, ["1"]),
        ([simulation("burst-1"), simulation("burst-2", attempts=2)], EVENTS, ["1"]),
        ([simulation("burst-1"), simulation("burst-1")], EVENTS, ["1"]),
        (ANSWERED, [*EVENTS, event("ScaledDown", 45.1)], ["25.1 s"]),
        ([simulation("burst-1", 40), simulation("burst-2")], EVENTS, ["1"]),
    ],
    ids=["late worker", "failure", "second attempt", "one worker", "late end", "worker ended at work"],
)
def test_a_burst_that_is_not_as_claimed_is_found(
    simulations: Sequence[Json], events: Sequence[Json], expected: list[str]
) -> None:
    assert [found for _, found in not_kept(burst(simulations, events))] == expected


def test_what_was_never_seen_is_nothing() -> None:
    assert [each.found for each in burst([], [])] == ["nothing", "0", "0", "0", "nothing", "0"]
    assert len(not_kept(burst([], []))) == 5
