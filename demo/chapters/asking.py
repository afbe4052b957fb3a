"""A twin of one experiment is asked three questions, and its answers are held against plain differences of means."""

from __future__ import annotations

from demo.claims import Claim
from demo.difference import plain_difference, read_rows
from demo.install import NAMESPACE
from demo.manifests import load
from demo.reading import Reading, render
from demo.stage import Stage
from demo.telling import show

_FOLDER = "hillstrom"


def tell(stage: Stage) -> list[Claim]:
    """Train the twin of examples/hillstrom, ask it, and show its answers."""
    stage.apply(_FOLDER, "twinmodel.yaml", "simulations.yaml")
    readings = _readings(stage)
    stage.show_table("workerpools", "-n", NAMESPACE)
    stage.show_table("twinmodels,simulations", "-o", "wide")
    show("\nWhat the twin says, next to a plain difference of means on the same rows")
    for reading in readings:
        show("\n" + render(reading))
    return [_claim(reading) for reading in readings]


def _readings(stage: Stage) -> list[Reading]:
    model, questions = load()
    answers = stage.watch.until_answered(question.name for question in questions)
    rows = read_rows()
    return [
        Reading(question, answers[question.name]["status"], plain_difference(rows, model, question))
        for question in questions
    ]


def _claim(reading: Reading) -> Claim:
    found = "inside" if reading.agrees else "OUTSIDE"
    return Claim.of(f"{reading.question.name}: the estimate, and the plain difference's 95 % interval", "inside", found)
