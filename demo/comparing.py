"""Tables of answers next to each other, and of predictions next to observed outcomes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from demo.tables import aligned, interval, points

_WIDTH = 110  # characters of a line


@dataclass(frozen=True)
class Answer:
    """What a Simulation's status says, in the words of a table."""

    effect: float
    interval: str
    chance: float
    calibrated: bool
    action: str
    message: str
    version: str

    @classmethod
    def of(cls, simulation: Mapping[str, Any]) -> Self:
        """Read a Simulation that has succeeded."""
        status = simulation["status"]
        effect, recommendation = status["effect"], status["recommendation"]
        return cls(
            effect["estimate"],
            interval(effect["low"], effect["high"]),
            recommendation["probabilityOfBenefit"],
            effect["calibrated"],
            f"{recommendation['action']} ({recommendation['reason']})",
            textwrap.fill(recommendation["message"], _WIDTH, break_on_hyphens=False),
            status["modelVersion"],
        )


def beside(answers: Mapping[str, Answer]) -> str:
    """Render answers as columns under their titles, in percentage points."""
    rows: dict[str, list[str]] = {
        "": list(answers),
        "version": [each.version for each in answers.values()],
        "effect": [points(each.effect) for each in answers.values()],
        "95 % interval": [each.interval for each in answers.values()],
        "chance of benefit": [f"{100 * each.chance:.1f} %" for each in answers.values()],
        "calibrated": ["yes" if each.calibrated else "no" for each in answers.values()],
        "recommendation": [each.action for each in answers.values()],
    }
    return aligned([(label, *cells) for label, cells in rows.items()])


def predictions(simulations: Iterable[Mapping[str, Any]]) -> str:
    """Render predicted next to observed effects, in percentage points."""
    header = ("CAMPAIGN", "PREDICTED", "OBSERVED", "STANDARD ERROR", "INSIDE 95 %", "GRADE")
    return aligned([header, *(_row(each) for each in simulations)])


def _row(simulation: Mapping[str, Any]) -> tuple[str, ...]:
    observed, status = simulation["spec"]["observed"], simulation["status"]
    return (
        observed["experiment"],
        points(status["effect"]["estimate"]),
        points(observed["effect"]),
        f"{100 * observed['standardError']:.2f}",
        "yes" if status["fidelity"]["covered"] else "no",
        status["fidelity"]["grade"],
    )
