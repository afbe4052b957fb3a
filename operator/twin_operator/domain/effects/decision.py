"""Deploy, Skip or Refine: one rule on the numbers of an answer and what is known against the twin.

Pure, and without the bank: the operator applies it when it writes an answer. Its text is made in `wording`.
"""

from collections.abc import Collection

from twin_operator.domain.effects.answers import Action, ArmSupport, Evidence, Recommendation, Why
from twin_operator.domain.effects.wording import LEAST_EFFECTIVE_ROWS, LEAST_EVENTS, Case, Statement, gated

# Randomised: four chances to see effects differ. Observational: five outcomes of its own, as its bias is unknown too.
_DIFFERENCES_NEEDED = 4
_OUTCOMES_NEEDED_WITHOUT_RANDOMISATION = 5
_LARGEST_SHARE_OF_A_ROW = 0.05
GATES = (Why.ASSIGNMENT_NOT_RANDOM, Why.TWIN_NOT_FAITHFUL)
"""The first of several is the reason."""


def outcomes_missing(experiments: int, outcomes: int, *, randomised: bool) -> int:
    """How many more recorded outcomes make a twin of J `experiments` and K `outcomes` calibrated; 0 where it is."""
    if not randomised:
        return max(0, _OUTCOMES_NEEDED_WITHOUT_RANDOMISATION - outcomes)
    return max(0, _DIFFERENCES_NEEDED - (experiments - 1) - outcomes)


def calibrated(evidence: Evidence) -> bool:
    """Whether enough experiments were seen to know how much effects differ, gates aside."""
    return _missing(evidence) == 0


def _missing(evidence: Evidence) -> int:
    return outcomes_missing(evidence.experiments, evidence.outcomes, randomised=evidence.randomised)


def supported(evidence: Evidence) -> bool:
    """Whether both arms have enough units, and events, in the population, and no row decides alone."""
    arms = (evidence.treated_arm, evidence.control_arm)
    return evidence.largest_share <= _LARGEST_SHARE_OF_A_ROW and all(_enough(arm, evidence.binary) for arm in arms)


def _enough(arm: ArmSupport, binary: bool) -> bool:  # noqa: FBT001 - private
    if binary and min(arm.events, arm.others) < LEAST_EVENTS:
        return False
    return arm.effective_rows >= LEAST_EFFECTIVE_ROWS


def first_gate(gates: Collection[Why]) -> Why | None:
    """Return the gate that is the reason where several apply."""
    return next((gate for gate in GATES if gate in gates), None)


def recommend(case: Case, gates: Collection[Why]) -> Recommendation:
    """Apply the one-sided rule to P(benefit above the minimum effect); a gate turns Deploy into Refine."""
    evidence = case.evidence
    action, reason = _decide(case, first_gate(gates))
    message = str(Statement(case, action, reason, _missing(evidence)))
    return Recommendation(action, reason, message, evidence.probability_of_benefit, evidence.tipping_point_sd)


def _decide(case: Case, gate: Why | None) -> tuple[Action, Why]:
    evidence = case.evidence
    if not supported(evidence):
        return Action.REFINE, Why.TOO_FEW_UNITS
    trusted = evidence.accept_prior or calibrated(evidence)
    if evidence.probability_of_benefit >= case.confidence and trusted:
        return (Action.DEPLOY, Why.BENEFIT_LIKELY) if gate is None else (Action.REFINE, gate)
    if evidence.probability_of_benefit <= 1 - case.confidence:
        return Action.SKIP, Why.BENEFIT_UNLIKELY
    if not trusted and evidence.probability_in_own_experiments >= case.confidence:
        return Action.REFINE, Why.NOT_CALIBRATED
    return Action.REFINE, Why.INCONCLUSIVE


def restrain(made: Recommendation, gates: Collection[Why], next_step: str) -> Recommendation:
    """Return a recommendation that was made without gates, as workers of release 0.1.0 do, with them applied."""
    gate = first_gate(gates)
    if gate is None or made.action is not Action.DEPLOY:
        return made
    message = gated(made.message, gate, next_step)
    return Recommendation(Action.REFINE, gate, message, made.probability_of_benefit, made.tipping_point_sd)
