"""Puts an answer of the twin into words, next to the plain difference of means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from demo.difference import Difference
from demo.manifests import Question
from demo.tables import interval, labelled, points


@dataclass(frozen=True)
class Reading:
    """A question, the status that answers it, and what the rows say by themselves."""

    question: Question
    status: dict[str, Any]
    difference: Difference

    @property
    def agrees(self) -> bool:
        """Whether the twin's estimate lies in the 95 % interval of the plain difference."""
        return self.difference.contains(self.status["effect"]["estimate"])


def render(reading: Reading) -> str:
    """Print one answer in a few lines."""
    recommendation = reading.status["recommendation"]
    return "\n".join(
        [
            f"{reading.question}  ({reading.question.name})",
            labelled("the twin", _effect(reading.status["effect"])),
            labelled("plain difference", _difference(reading)),
            labelled("recommendation", f"{recommendation['action']} ({recommendation['reason']})"),
            labelled("why", recommendation["message"]),
        ]
    )


def _effect(effect: dict[str, Any]) -> str:
    within = effect["withinExperiment"]
    return (
        f"{points(effect['estimate'])} points; 95 % interval in a new campaign "
        f"{interval(effect['low'], effect['high'])}, in this campaign {interval(within['low'], within['high'])}"
    )


def _difference(reading: Reading) -> str:
    plain = reading.difference
    verdict = "inside" if reading.agrees else "OUTSIDE"
    return (
        f"{points(plain.estimate)} points; 95 % interval {interval(plain.low, plain.high)} "
        f"({plain.treated:,} customers against {plain.controls:,}): the twin's estimate lies {verdict}"
    )
