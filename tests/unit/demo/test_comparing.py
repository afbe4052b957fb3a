"""Answers next to each other, predictions next to outcomes, and promises next to what was found."""

from typing import Any

from demo.claims import Claim, render
from demo.comparing import Answer, beside, predictions


def simulation(action: str = "Refine", *, calibrated: bool = False) -> dict[str, Any]:
    effect = {"estimate": 0.0736, "low": -0.115, "high": 0.59, "calibrated": calibrated}
    recommendation = {"action": action, "reason": "Because", "message": "A sentence.", "probabilityOfBenefit": 0.9983}
    fidelity = {"grade": "Good", "covered": False}
    return {
        "metadata": {"name": "campaign-2"},
        "spec": {"observed": {"experiment": "campaign-2", "effect": 0.0826, "standardError": 0.0075}},
        "status": {"effect": effect, "recommendation": recommendation, "fidelity": fidelity, "modelVersion": "1"},
    }


def test_answers_stand_beside_each_other() -> None:
    before, after = Answer.of(simulation()), Answer.of(simulation("Deploy", calibrated=True))
    assert beside({"before": before, "after": after}).splitlines() == [
        "                    before             after",
        "version             1                  1",
        "effect              +7.36              +7.36",
        "95 % interval       -11.50 to +59.00   -11.50 to +59.00",
        "chance of benefit   99.8 %             99.8 %",
        "calibrated          no                 yes",
        "recommendation      Refine (Because)   Deploy (Because)",
    ]


def test_a_prediction_stands_beside_what_came() -> None:
    assert predictions([simulation()]).splitlines() == [
        "CAMPAIGN     PREDICTED   OBSERVED   STANDARD ERROR   INSIDE 95 %   GRADE",
        "campaign-2   +7.36       +8.26      0.75             no            Good",
    ]


def test_a_broken_promise_stands_out() -> None:
    kept, broken = Claim.of("one", "Deploy", "Deploy"), Claim.of("two", "Deploy", "Refine")
    assert (kept.kept, broken.kept) == (True, False)
    assert [line.split()[0] for line in render([kept, broken]).splitlines()] == ["CLAIM", "KEPT", "BROKEN"]


def test_a_promise_is_broken_where_nothing_was_found() -> None:
    assert not Claim.of("a time", "None", None).kept
