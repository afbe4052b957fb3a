"""Puts an answer of the twin into words, beside the plain difference of means."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from demo.difference import Difference
from demo.manifests import Question

_WIDTH = 110  # characters of a line
_LABEL = 18  # characters before the text of a line


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


def points(value: float) -> str:
    """Render a share's difference in percentage points."""
    return f"{100 * value:+.2f}"


def render(reading: Reading) -> str:
    """Tell one answer in a few lines."""
    recommendation = reading.status["recommendation"]
    return "\n".join(
        [
            f"{reading.question}  ({reading.question.name})",
            _line("the twin", _effect(reading.status["effect"])),
            _line("plain difference", _difference(reading)),
            _line("recommendation", f"{recommendation['action']} ({recommendation['reason']})"),
            _line("why", recommendation["message"]),
        ]
    )


def _effect(effect: dict[str, Any]) -> str:
    within = effect["withinExperiment"]
    return (
        f"{points(effect['estimate'])} points; 95 % interval in a new campaign "
        f"{points(effect['low'])} to {points(effect['high'])}, "
        f"in this campaign {points(within['low'])} to {points(within['high'])}"
    )


def _difference(reading: Reading) -> str:
    plain = reading.difference
    verdict = "inside" if reading.agrees else "OUTSIDE"
    return (
        f"{points(plain.estimate)} points; 95 % interval {points(plain.low)} to {points(plain.high)} "
        f"({plain.treated:,} customers against {plain.controls:,}): the twin's estimate lies {verdict}"
    )


def _line(label: str, text: str) -> str:
    indent = " " * (_LABEL + 2)
    return textwrap.fill(
        text, _WIDTH, initial_indent=f"  {label:<{_LABEL}}", subsequent_indent=indent, break_on_hyphens=False
    )
