"""What a burst found, in two tables."""

from typing import Any

from demo.segments import COMPARISONS, Comparison
from demo.verdicts import render

MENS, _, EITHER = COMPARISONS


def answer(
    comparison: Comparison,
    segment: str,
    effect: float,
    action: str,
    *,
    reason: str = "BenefitLikely",
    phase: str = "Succeeded",
) -> dict[str, Any]:
    return {
        "metadata": {"annotations": {"segment": segment}},
        "spec": {"intervention": {"arm": comparison.arm, "against": comparison.against}},
        "status": {
            "phase": phase,
            "effect": {"estimate": effect, "low": effect - 0.02, "high": effect + 0.02},
            "recommendation": {"action": action, "reason": reason},
        },
    }


def test_recommendations_are_counted_by_comparison() -> None:
    mens = [answer(MENS, segment, 0.08, "Deploy") for segment in ("Web", "Phone")]
    told = render([*mens, answer(EITHER, "Web", 0.0, "Skip")])
    assert [line.split()[-3:] for line in told.splitlines()[:4]] == [
        ["DEPLOY", "REFINE", "SKIP"],
        ["2", "0", "0"],
        ["0", "0", "0"],
        ["0", "0", "1"],
    ]


def test_the_largest_and_the_smallest_effects_are_shown() -> None:
    told = render([answer(MENS, f"group {number}", number / 100, "Deploy") for number in range(10)])
    shown = [line for line in told.splitlines() if "group " in line]
    assert [line.split("group ")[1][0] for line in shown] == ["9", "8", "7", "2", "1", "0"]
    assert shown[0].split()[-5:] == ["+9.00", "+7.00", "to", "+11.00", "Deploy"]


def test_few_answers_are_shown_once() -> None:
    told = render([answer(MENS, f"group {number}", number / 100, "Deploy") for number in range(4)])
    assert [line.split("group ")[1][0] for line in told.splitlines() if "group " in line] == ["3", "2", "1", "0"]


def test_segments_with_too_few_units_and_failures_are_not_ranked() -> None:
    few = answer(MENS, "tiny", 0.5, "Refine", reason="TooFewUnits")
    told = render([few, answer(MENS, "broken", 0.5, "Skip", phase="Failed"), answer(MENS, "Web", 0.08, "Deploy")])
    assert "tiny" not in told
    assert "broken" not in told
    assert "Web" in told
