"""What the operator makes of a worker's numbers: the recommendation, its gates, and the condition Trustworthy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from tests.unit.services.simulations.recorded import RECORDED, Recorded
from twin_operator.api.v1alpha1 import SimulationStatus
from twin_operator.api.v1alpha1.conditions import Condition, ConditionType, Reason
from twin_operator.domain.effects.answers import Gate, GateType
from twin_operator.services.reconciling.twin_checks import TwinChecks
from twin_operator.services.runs.run import JSON, Outcome, Run
from twin_operator.services.simulations.status import finished
from twin_operator.services.work.simulate import answer_simulation

NOW: Final = 1_800_000_000.0
NOTHING: Final = TwinChecks((), None, None)
LEAK: Final = "age tells a unit's arm."
MISSED: Final = "Half of the outcomes lie outside their intervals."
OF_ALL: Final = Gate(GateType.ASSIGNMENT_NOT_RANDOM, LEAK)
DEPLOYED: Final = [name for name, each in RECORDED.items() if each.answer.value["recommendation"]["action"] == "Deploy"]
PARTS: Final = {part for each in RECORDED.values() for part in each.answer.value}
OTHERS: Final = [name for name in RECORDED if name not in DEPLOYED]


def numbers(case: Recorded) -> Outcome:
    """Return what a worker of this release answers to a message of release 0.1.0."""
    return answer_simulation(case.payload, case)


def written(case: Recorded, outcome: Outcome, checks: TwinChecks = NOTHING) -> SimulationStatus:
    return finished(case.simulation, Run(), outcome, checks, NOW)


def by_all(name: str, checks: TwinChecks = NOTHING) -> list[SimulationStatus]:
    """Return the statuses for a worker of this release, and for one of release 0.1.0."""
    case = RECORDED[name]
    return [written(case, outcome, checks) for outcome in (numbers(case), case.answer)]


def trust(status: SimulationStatus) -> tuple[str, str, str]:
    found = status.condition(ConditionType.TRUSTWORTHY)
    assert isinstance(found, Condition)
    return found.status, found.reason, found.message


def advice(status: SimulationStatus) -> tuple[str, str]:
    assert status.recommendation is not None
    return status.recommendation.action, status.recommendation.reason


def content(status: SimulationStatus) -> JSON:
    """Return what a worker of release 0.1.0 wrote of a status."""
    return {key: value for key, value in status.manifest().items() if key in PARTS}


@pytest.mark.parametrize("name", RECORDED)
def test_a_result_of_the_previous_release_is_the_status_that_it_was(name: str) -> None:
    case = RECORDED[name]
    status = written(case, case.answer)
    assert content(status) == case.answer.value
    assert status.conditions[0].message == case.answer.message


def but_for_the_sentence(status: SimulationStatus) -> JSON:
    """Return a status without the sentence of its recommendation, whose words are those of the operator's release."""
    found = status.manifest()
    del found["recommendation"]["message"]
    del found["conditions"][0]["message"]
    return found


@pytest.mark.parametrize("name", RECORDED)
def test_the_answer_to_a_message_of_the_previous_release_has_the_numbers_that_it_had(name: str) -> None:
    case = RECORDED[name]
    now, then = written(case, numbers(case)), written(case, case.answer)
    assert but_for_the_sentence(now) == but_for_the_sentence(then)


@pytest.mark.parametrize("name", RECORDED)
def test_a_worker_recommends_nothing(name: str) -> None:
    outcome = numbers(RECORDED[name])
    assert "recommendation" not in outcome.value
    assert "calibrated" not in outcome.value["effect"]
    assert outcome.value["messageVersion"] == 2


@pytest.mark.parametrize("name", DEPLOYED)
@pytest.mark.parametrize(
    ("checks", "reason"),
    [
        (replace(NOTHING, gates=(OF_ALL,)), "AssignmentNotRandom"),
        (replace(NOTHING, not_faithful=MISSED), "TwinNotFaithful"),
        (TwinChecks((OF_ALL,), "Rows are missing.", MISSED), "AssignmentNotRandom"),
    ],
    ids=["assignment", "outcomes", "both"],
)
def test_a_gate_turns_deploy_into_refine_and_is_its_reason(name: str, checks: TwinChecks, reason: str) -> None:
    for status in by_all(name, checks):
        assert advice(status) == ("Refine", reason)
        assert status.effect is not None
        assert status.effect.calibrated is False
        assert trust(status)[:2] == ("False", reason)
        assert status.recommendation is not None
        assert status.recommendation.message.startswith("Refine: ")
        assert "record the outcome" not in status.recommendation.message
        assert status.conditions[0].message == status.recommendation.message


@pytest.mark.parametrize("name", OTHERS)
def test_a_gate_changes_no_other_action(name: str) -> None:
    for free, gated in zip(by_all(name), by_all(name, TwinChecks((OF_ALL,), None, MISSED)), strict=True):
        assert gated.recommendation == free.recommendation
        assert gated.effect is not None
        assert gated.effect.calibrated is False
        assert trust(gated) == ("False", "AssignmentNotRandom", LEAK)


@pytest.mark.parametrize(
    ("arms", "action"),
    [(("letter", "none"), "Refine"), (("none", "letter"), "Refine"), (("letter", "call"), "Deploy")],
)
def test_a_gate_of_another_comparison_does_not_count(arms: tuple[str, str], action: str) -> None:
    checks = replace(NOTHING, gates=(Gate(GateType.ASSIGNMENT_NOT_RANDOM, LEAK, *arms),))
    for status in by_all("deploy", checks):
        assert advice(status)[0] == action
        assert bool(status.warnings) is (action == "Refine")


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        (NOTHING, ("True", "ChecksPassed")),
        (replace(NOTHING, data_warning="Rows are missing."), ("Unknown", "DataWarning")),
        (replace(NOTHING, gates=None), ("Unknown", "ModelNotFound")),
        (replace(NOTHING, gates=None, not_faithful=MISSED), ("False", "TwinNotFaithful")),
        (replace(NOTHING, data_warning="Rows are missing.", not_faithful=MISSED), ("False", "TwinNotFaithful")),
    ],
)
def test_trustworthy_says_what_is_known_against_the_answer(checks: TwinChecks, expected: tuple[str, str]) -> None:
    for status in by_all("deploy", checks):
        assert trust(status)[:2] == expected


def test_a_warning_changes_nothing_but_stands_in_the_answer() -> None:
    for free, warned in zip(by_all("deploy"), by_all("deploy", replace(NOTHING, data_warning="Odd.")), strict=True):
        assert warned.recommendation == free.recommendation
        assert warned.effect == free.effect
        assert [(each.type, each.message) for each in warned.warnings] == [("DataWarning", "Odd.")]


def test_all_that_is_known_against_an_answer_stands_in_it() -> None:
    (status, _) = by_all("skip", TwinChecks((OF_ALL,), "Odd.", MISSED))
    expected = [("AssignmentNotRandom", LEAK), ("TwinNotFaithful", MISSED), ("DataWarning", "Odd.")]
    assert [(each.type, each.message) for each in status.warnings] == expected


@pytest.mark.parametrize(
    ("path", "field"), [(("evidence",), "evidence"), (("effect", "low"), "effect.low"), (("trial",), "trial")]
)
def test_an_answer_without_a_number_that_the_decision_needs_is_a_failure_with_its_name(
    path: tuple[str, ...], field: str
) -> None:
    case = RECORDED["deploy"]
    status = written(case, without(numbers(case), path))
    assert status.conditions[0].reason == Reason.INTERNAL_ERROR
    assert f"status.{field} cannot" in status.conditions[0].message
    assert (status.phase, status.effect, status.recommendation) == ("Failed", None, None)


def without(outcome: Outcome, path: tuple[str, ...]) -> Outcome:
    value: Any = {**outcome.value}
    *parents, last = path
    inner = value
    for parent in parents:
        inner[parent] = {**inner[parent]}
        inner = inner[parent]
    del inner[last]
    return replace(outcome, value=value)


def test_a_gated_sentence_keeps_the_numbers_and_names_the_finding_and_the_next_trial() -> None:
    of_numbers, of_a_sentence = by_all("deploy", replace(NOTHING, not_faithful=MISSED))
    for status, rule in ((of_numbers, "(Deploy needs 95 %)"), (of_a_sentence, "(one-sided)")):
        assert status.recommendation is not None
        assert status.recommendation.message.endswith(
            f"{rule}; recorded outcomes contradict the predictions of this twin; "
            f"next, try it on {status.trial.per_arm if status.trial else None} units per arm."
        )
