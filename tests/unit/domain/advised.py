"""An answer of the domain together with the recommendation that follows from it, as operator and worker make them."""

from __future__ import annotations

from dataclasses import dataclass

from twin_operator.domain.effects.answers import Answer, Recommendation, Why
from twin_operator.domain.effects.decision import calibrated, recommend
from twin_operator.domain.effects.simulate import Question, simulate
from twin_operator.domain.effects.wording import Case
from twin_operator.domain.table.columns import Uncertainty
from twin_operator.domain.twin import Bank, TauWeights


@dataclass(frozen=True)
class Advised(Answer):
    """The numbers, whether they are calibrated, and what to do."""

    calibrated: bool
    recommendation: Recommendation


def advise(
    bank: Bank, question: Question, uncertainty: Uncertainty, weights: TauWeights, gates: tuple[Why, ...] = ()
) -> Advised:
    """Answer a question, and recommend."""
    found = simulate(bank, question, uncertainty, weights)
    advice = recommend(case_of(found, question), gates)
    return Advised(**vars(found), calibrated=calibrated(found.evidence), recommendation=advice)


def case_of(answer: Answer, question: Question) -> Case:
    """Return what the operator knows of an answer."""
    effect = answer.effect
    return Case(
        arm=question.arm,
        against=answer.basis.against,
        minimum_effect=question.minimum_effect,
        confidence=question.confidence,
        estimate=effect.estimate,
        low=effect.low,
        high=effect.high,
        interval_confidence=effect.confidence,
        plan=answer.trial,
        evidence=answer.evidence,
    )
