"""Messages of Simulations as release 0.1.0 wrote them: what its operator asked, and what its workers answered.

Recorded from that release on the banks of `bank_of`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.unit.domain.tables import BINARY, COLUMNS, trial, twin
from twin_operator.api.v1alpha1 import Simulation
from twin_operator.domain.twin import Bank
from twin_operator.services.runs.run import JSON, Outcome

FILE: Final = Path(__file__).with_name("release_0_1_0.json")


@dataclass(frozen=True)
class Recorded:
    """A payload, and the result that a worker of release 0.1.0 recorded for it; `outcome`: of the bank."""

    name: str
    outcome: str
    payload: JSON
    result: JSON

    @property
    def simulation(self) -> Simulation:
        """The object that was asked about."""
        metadata = {"namespace": "default", "name": "question", "uid": "u", "resourceVersion": "1", "generation": 1}
        return Simulation.model_validate({"metadata": metadata, "spec": self.payload["spec"]})

    @property
    def answer(self) -> Outcome:
        """The result as the operator reads it."""
        return Outcome.from_json(self.result)

    def bank(self, name: str, version: str, run_id: str | None) -> Bank:  # noqa: ARG002 - a source of one bank
        """Return the bank that was asked."""
        return bank_of(self.outcome)


@cache
def bank_of(outcome: str) -> Bank:
    """Return the bank of 400 rows with this outcome, `spend` or `bought`."""
    return twin(trial(rows=400), {"spend": COLUMNS, "bought": BINARY}[outcome]).bank


RECORDED: Final = {each["name"]: Recorded(**each) for each in json.loads(FILE.read_text())}
