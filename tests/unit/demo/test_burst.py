"""What a burst shows while it lasts, and at its end."""

from typing import Any

import pytest

from demo.burst import cells
from demo.chapters import show_burst

Json = dict[str, Any]


def test_the_status_of_a_pool_is_a_row() -> None:
    queues = [{"name": "burst", "depth": 40, "oldestSeconds": 3.21}, {"name": "other", "depth": 2}]
    status = {"queues": queues, "running": 2, "readyReplicas": 2, "desiredReplicas": 3, "drainSeconds": 0.7}
    status |= {"arrivalsPerSecond": 12.5, "secondsPerTask": 0.0512}
    row = ("42", "3.2", "2", "2", "3", "12.5", "0.051", "0.7", "86/630")
    assert cells(status, "86/630") == row


def test_what_is_not_known_is_a_dash() -> None:
    assert cells({}, "0/630") == ("0", "-", "0", "0", "0", "-", "-", "-", "0/630")


def answer(segment: str, effect: float, action: str = "Deploy", reason: str = "BenefitLikely") -> Json:
    return {
        "metadata": {"annotations": {"segment": segment}},
        "spec": {"intervention": {"arm": "Mens E-Mail", "against": "No E-Mail"}},
        "status": {"effect": {"estimate": effect}, "recommendation": {"action": action, "reason": reason}},
    }


def shown(capsys: pytest.CaptureFixture[str], *answered: Json) -> str:
    show_burst(answered)
    lines = capsys.readouterr().out.splitlines()
    return " ".join(next(line for line in lines if "Mens E-Mail instead of No E-Mail" in line).split())


def test_recommendations_are_counted_and_the_extremes_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    row = shown(capsys, answer("Web", 0.08), answer("new", 0.09), answer("Phone", 0.01, "Refine"))
    assert row == "Mens E-Mail instead of No E-Mail 2 1 0 +9.00 new +1.00 Phone"


def test_segments_with_too_few_units_are_not_ranked(capsys: pytest.CaptureFixture[str]) -> None:
    row = shown(capsys, answer("Web", 0.08), answer("tiny", 0.5, "Refine", "TooFewUnits"))
    assert row == "Mens E-Mail instead of No E-Mail 1 1 0 +8.00 Web +8.00 Web"
