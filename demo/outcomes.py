"""What campaigns found: plain differences of means, as they are recorded on Simulations.

Nothing here knows a twin; what it had predicted is read from the Simulations' status.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.difference import Difference, plain_difference, read_rows
from demo.manifests import Clause, Model, Question
from demo.tables import aligned

_HILLSTROM = Model(treatment="segment", control="No E-Mail", outcome="visit")
_DIGITS = 4  # of an effect: a hundredth of a percentage point, a tenth of a standard error or less


@dataclass(frozen=True)
class Outcome:
    """The effect of an arm against the control in one campaign."""

    campaign: str
    arm: str
    difference: Difference

    @property
    def patch(self) -> str:
        """The merge patch that records it on a Simulation."""
        found = self.difference
        observed = {
            "experiment": self.campaign,
            "effect": round(found.estimate, _DIGITS),
            "standardError": round(found.standard_error, _DIGITS),
        }
        return json.dumps({"spec": {"observed": observed}})


def measured(file: Path, arm: str, campaigns: Sequence[str]) -> list[Outcome]:
    """Compare the arm with the control in each campaign of a file."""
    rows = read_rows(file)
    asked = [Question(name, arm, (Clause("campaign", "In", (name,)),)) for name in campaigns]
    return [Outcome(each.name, arm, plain_difference(rows, _HILLSTROM, each)) for each in asked]


def pooled(file: Path, arm: str) -> Difference:
    """Compare the arm with the control in a file as a whole."""
    return plain_difference(read_rows(file), _HILLSTROM, Question("all", arm, ()))


def table(outcomes: Iterable[Outcome]) -> str:
    """Render effects and standard errors as they are recorded, and customers with the e-mail and without."""
    header = ("CAMPAIGN", "E-MAIL", "EFFECT", "STANDARD ERROR", "CUSTOMERS", "CONTROLS")
    return aligned([header, *(_row(each) for each in outcomes)])


def _row(outcome: Outcome) -> tuple[str, ...]:
    found = outcome.difference
    precise = f"{found.estimate:.{_DIGITS}f}", f"{found.standard_error:.{_DIGITS}f}"
    return (outcome.campaign, outcome.arm, *precise, f"{found.treated:,}", f"{found.controls:,}")
