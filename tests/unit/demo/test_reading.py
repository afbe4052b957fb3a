"""The words that an answer is put into."""

from typing import Any

from demo.difference import Difference
from demo.manifests import Question
from demo.reading import Reading, render

PLAIN = Difference(estimate=0.0766, standard_error=0.003367, treated=21_307, controls=21_306)


def reading(estimate: float = 0.0767) -> Reading:
    status: dict[str, Any] = {
        "effect": {
            "estimate": estimate,
            "low": -0.2,
            "high": 0.35,
            "withinExperiment": {"low": 0.0701, "high": 0.0832},
        },
        "recommendation": {"action": "Refine", "reason": "NotCalibrated", "message": "One experiment cannot tell."},
    }
    return Reading(Question("mens-email", "Mens E-Mail", ()), status, PLAIN)


def test_a_reading_says_effect_intervals_recommendation_and_why() -> None:
    words = " ".join(render(reading()).split())
    for expected in (
        "Mens E-Mail, to everyone (mens-email)",
        "+7.67 points; 95 % interval in a new campaign -20.00 to +35.00, in this campaign +7.01 to +8.32",
        "+7.66 points; 95 % interval +7.00 to +8.32 (21,307 customers against 21,306): the twin's estimate lies inside",
        "Refine (NotCalibrated)",
        "One experiment cannot tell.",
    ):
        assert expected in words


def test_an_estimate_outside_the_plain_interval_is_said_aloud() -> None:
    beyond = reading(estimate=0.09)
    assert not beyond.agrees
    assert "OUTSIDE" in render(beyond)
