"""Deploy, Skip or Refine: the rule, and the sentence that says it to a manager with its numbers and phrases."""

import math
from dataclasses import dataclass

from twin_operator.domain.effects.answers import Action, Effect, Recommendation, TrialPlan, Why
from twin_operator.domain.effects.predictive import Predictive, one_sided
from twin_operator.domain.effects.weighted_effect import ArmSummary, WeightedEffect
from twin_operator.domain.table.columns import Assignment, Columns, Uncertainty
from twin_operator.domain.twin import TauWeights

_SIGNIFICANT_DIGITS = 3
# Randomised: four chances to see effects differ. Observational: five outcomes of its own, as its bias is unknown too.
_DIFFERENCES_NEEDED = 4
_OUTCOMES_NEEDED_WITHOUT_RANDOMISATION = 5
_LEAST_EFFECTIVE_ROWS = 50.0
_LEAST_EVENTS = 5
_LARGEST_SHARE_OF_A_ROW = 0.05


@dataclass(frozen=True)
class Wording:
    """How quantities of one outcome are written: an event in percentage points, a quantity in its own units."""

    columns: Columns

    def amount(self, value: float) -> str:
        """A size without a sign, such as "7.66 points"."""
        shown = plain(abs(value) * (100 if self.columns.binary else 1))
        return f"{shown} point{'' if shown == '1' else 's'}" if self.columns.binary else shown

    def between(self, low: float, high: float) -> str:
        """An interval, such as "-1.2 to 5.1 points"."""
        factor = 100 if self.columns.binary else 1
        return f"{plain(low * factor)} to {plain(high * factor)}{' points' if self.columns.binary else ''}"

    def change(self, estimate: float) -> str:
        """What happens to the outcome, such as "raises visit by 7.66 points"."""
        verb = "raise" if estimate >= 0 else "lower"
        return f"{verb} {self.columns.outcome} by {self.amount(estimate)}"


def plain(value: float) -> str:
    """Three significant digits, thousands separated, never an exponent for ordinary sizes."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
    return f"{rounded:,.0f}" if rounded.is_integer() else f"{rounded:,.10g}"


def percent(share: float) -> str:
    """A probability as a percentage that never rounds to certainty."""
    shown = 100 * share
    if shown > 99.9:  # noqa: PLR2004 - rounding further would claim certainty
        return "over 99.9 %"
    if shown < 0.1:  # noqa: PLR2004 - likewise
        return "under 0.1 %"
    return f"{plain(shown)} %"


def outcomes_missing(columns: Columns, weights: TauWeights) -> int:
    """How many more recorded outcomes make the twin calibrated; 0 where it is."""
    if columns.assignment is Assignment.OBSERVATIONAL:
        return max(0, _OUTCOMES_NEEDED_WITHOUT_RANDOMISATION - weights.outcomes)
    return max(0, _DIFFERENCES_NEEDED - (weights.experiments - 1) - weights.outcomes)


def supported(columns: Columns, effect: WeightedEffect) -> bool:
    """Whether both arms have enough units, and events, in the population, and no row decides alone."""
    arms = (effect.treated_arm, effect.control_arm)
    return effect.largest_share <= _LARGEST_SHARE_OF_A_ROW and all(_enough(columns, arm) for arm in arms)


def _enough(columns: Columns, arm: ArmSummary) -> bool:
    if columns.binary and min(arm.events, arm.others) < _LEAST_EVENTS:
        return False
    return arm.effective_rows >= _LEAST_EFFECTIVE_ROWS


@dataclass(frozen=True)
class Case:
    """Everything that a decision rests on."""

    columns: Columns
    uncertainty: Uncertainty
    arm: str
    against: str
    minimum_effect: float
    confidence: float
    measured: WeightedEffect
    effect: Effect
    new_experiment: Predictive
    own_experiments: Predictive
    weights: TauWeights
    plan: TrialPlan
    described: str

    @property
    def distance(self) -> float:
        """How far the estimate is beyond the minimum, in the better direction; outcome units."""
        return self.columns.better.sign * self.effect.estimate - self.minimum_effect


def recommend(case: Case) -> Recommendation:
    """Apply the one-sided rule to P(benefit above the minimum effect)."""
    # Symmetric about the estimate: P(d X > m) is the share above m of the distribution mirrored for `Lower`.
    probability = _beyond(case.new_experiment, case.distance)
    action, reason = _decide(case, probability)
    tipping = tipping_point(case.measured, case.distance, case.confidence)
    message = _sentence(case, action, reason, probability, tipping)
    return Recommendation(action, reason, message, probability, tipping)


def _beyond(distribution: Predictive, distance: float) -> float:
    return distribution.above(distribution.centre - distance)


def _decide(case: Case, probability: float) -> tuple[Action, Why]:
    if not supported(case.columns, case.measured):
        return Action.REFINE, Why.TOO_FEW_UNITS
    trusted = case.effect.calibrated or case.uncertainty.accept_prior
    if probability >= case.confidence and trusted:
        return Action.DEPLOY, Why.BENEFIT_LIKELY
    if probability <= 1 - case.confidence:
        return Action.SKIP, Why.BENEFIT_UNLIKELY
    own = _beyond(case.own_experiments, case.distance)
    if not trusted and own >= case.confidence:
        return Action.REFINE, Why.NOT_CALIBRATED
    return Action.REFINE, Why.INCONCLUSIVE


def tipping_point(effect: WeightedEffect, distance: float, confidence: float) -> float | None:
    """The SD between experiments at which P(benefit) falls to the confidence; None unless the estimate is beyond."""
    quantile = one_sided(confidence)
    if distance <= 0 or quantile <= 0:
        return None
    room = (distance / quantile) ** 2 - effect.variance
    return math.sqrt(max(0.0, room) / (1 + effect.share_squared))


def _sentence(case: Case, action: Action, reason: Why, probability: float, tipping: float | None) -> str:
    wording = Wording(case.columns)
    interval = f"{wording.between(case.effect.low, case.effect.high)} in a new experiment"
    return (
        f"{action}: {case.arm} instead of {case.against} should {wording.change(case.effect.estimate)} "
        f"({interval}, with {percent(case.effect.confidence)} confidence) in {case.described}; "
        f"the chance that it is {_benefit(case)} is {percent(probability)}, "
        f"{_rule(case, action, reason)}{_because(case, reason, tipping)}{_next_step(case, action, reason)}."
    )


def _benefit(case: Case) -> str:
    minimum = Wording(case.columns).amount(case.minimum_effect)
    if case.minimum_effect < 0:
        return f"worse by less than {minimum}, or better,"
    return f"better by more than {minimum}" if case.minimum_effect else "better at all"


def _rule(case: Case, action: Action, reason: Why) -> str:
    needed = percent(case.confidence)
    if action is Action.DEPLOY:
        return f"at least the {needed} that is asked for (one-sided)"
    if action is Action.SKIP:
        alone = "" if case.effect.calibrated else ", on this experiment alone"
        return f"at most the {percent(1 - case.confidence)} at which it is given up (one-sided){alone}"
    if reason is Why.TOO_FEW_UNITS:
        return f"and Deploy needs {needed} (one-sided) on enough past units"
    return f"and Deploy needs {needed} (one-sided)"


def _because(case: Case, reason: Why, tipping: float | None) -> str:
    if reason is Why.TOO_FEW_UNITS:
        return (
            f", but the past units are too few here (each arm needs {_LEAST_EFFECTIVE_ROWS:.0f}"
            f"{f', {_LEAST_EVENTS} events and {_LEAST_EVENTS} non-events' if case.columns.binary else ''}, "
            "and no unit may count for more than 5 % of all)"
        )
    if reason in {Why.BENEFIT_LIKELY, Why.BENEFIT_UNLIKELY} or case.effect.calibrated:
        return ""
    return f", but {_unknown(case)} how much campaigns differ{_tolerance(case, reason, tipping)}"


def _unknown(case: Case) -> str:
    if case.columns.assignment is Assignment.OBSERVATIONAL:
        return "data without random assignment cannot tell how far it is off, nor"
    count = case.weights.experiments + case.weights.outcomes
    return "one experiment cannot tell" if count == 1 else f"{count} experiments cannot yet tell"


def _tolerance(case: Case, reason: Why, tipping: float | None) -> str:
    if reason is not Why.NOT_CALIBRATED or not tipping:
        return ""
    bound = Wording(case.columns).amount(tipping)
    return f" (Deploy would hold if effects differed between campaigns by an SD of less than {bound})"


def _next_step(case: Case, action: Action, reason: Why) -> str:
    if action is Action.DEPLOY:
        return "; record the outcome once it is known"
    if action is Action.SKIP:
        return "; spend the effort on another intervention"
    trial = _trial(case)
    missing = outcomes_missing(case.columns, case.weights)
    if reason is not Why.TOO_FEW_UNITS and missing:
        return f"; {trial}, and record its outcome ({missing} more make the twin calibrated)"
    return f"; {trial}"


def _trial(case: Case) -> str:
    plan, wording = case.plan, Wording(case.columns)
    if plan.per_arm is not None:
        return f"next, try it on {plan.per_arm:,} units per arm"
    if plan.minimum_detectable_effect is not None:
        return (
            "a trial of all planned units can only tell effects at least "
            f"{wording.amount(plan.minimum_detectable_effect)} away from the minimum: plan for more units"
        )
    return "no trial of a feasible size can settle it: choose another minimum effect"
