"""The text of a recommendation: numbers in the units of the outcome, in one sentence."""

from dataclasses import dataclass

from twin_operator.domain.effects.answers import Action, Evidence, TrialPlan, Why

_SIGNIFICANT_DIGITS = 3
LEAST_EFFECTIVE_ROWS = 50.0
LEAST_EVENTS = 5

_FINDINGS = {
    Why.ASSIGNMENT_NOT_RANDOM: "arms were not assigned at random",
    Why.TWIN_NOT_FAITHFUL: "recorded outcomes contradict the predictions of this twin",
}


@dataclass(frozen=True)
class Wording:
    """How quantities of one outcome are written: an event in percentage points, a quantity in its own units."""

    outcome: str
    binary: bool

    def amount(self, value: float) -> str:
        """A size without a sign, such as "7.66 points"."""
        shown = plain(abs(value) * (100 if self.binary else 1))
        return f"{shown} point{'' if shown == '1' else 's'}" if self.binary else shown

    def between(self, low: float, high: float) -> str:
        """An interval, such as "-1.2 to 5.1 points"."""
        factor = 100 if self.binary else 1
        return f"{plain(low * factor)} to {plain(high * factor)}{' points' if self.binary else ''}"

    def change(self, estimate: float) -> str:
        """What happens to the outcome, such as "raises visit by 7.66 points"."""
        verb = "raise" if estimate >= 0 else "lower"
        return f"{verb} {self.outcome} by {self.amount(estimate)}"


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


@dataclass(frozen=True)
class Case:
    """What was asked and what was found; amounts in outcome units.

    `confidence`: the one-sided one of the decision; `interval_confidence`: that of `low` to `high`.
    """

    arm: str
    against: str
    minimum_effect: float
    confidence: float
    estimate: float
    low: float
    high: float
    interval_confidence: float
    plan: TrialPlan
    evidence: Evidence


def gated(message: str, gate: Why, next_step: str) -> str:
    """Return a sentence that began with Deploy for the case that a gate forbids it: its numbers stay."""
    reasons = message.removeprefix(f"{Action.DEPLOY}: ").rpartition("; ")[0]
    return f"{Action.REFINE}: {reasons}; {_FINDINGS[gate]}; {next_step}."


@dataclass(frozen=True)
class Statement:
    """What to do, why, and what is next, in one sentence of about 45 words; the rest stands in fields of the status.

    `missing`: outcomes that would make the twin calibrated.
    """

    case: Case
    action: Action
    reason: Why
    missing: int

    def __str__(self) -> str:
        case = self.case
        interval = self._wording.between(case.low, case.high)
        change = f"{case.arm} instead of {case.against} should {self._wording.change(case.estimate)}"
        parts = (
            f"{self.action}: {change} ({percent(case.interval_confidence)} interval in a new experiment {interval})",
            f"probability of {self._benefit()} {percent(case.evidence.probability_of_benefit)} ({self._rule()})",
            *self._because(),
            self._next_step(),
        )
        return "; ".join(parts) + "."

    @property
    def _wording(self) -> Wording:
        return Wording(self.case.evidence.outcome, self.case.evidence.binary)

    def _benefit(self) -> str:
        minimum = self._wording.amount(self.case.minimum_effect)
        if self.case.minimum_effect < 0:
            return f"no loss above {minimum}"
        return f"a benefit above {minimum}" if self.case.minimum_effect else "a benefit"

    def _rule(self) -> str:
        if self.action is Action.SKIP:
            return f"Skip allows {percent(1 - self.case.confidence)}"
        return f"Deploy needs {percent(self.case.confidence)}"

    def _because(self) -> tuple[str, ...]:
        if self.reason in _FINDINGS:
            return (_FINDINGS[self.reason],)
        if self.reason is Why.TOO_FEW_UNITS:
            return (f"too few past units ({self._needed()})",)
        if self.missing == 0 or self.reason is Why.BENEFIT_LIKELY:
            return ()
        if self.reason is Why.BENEFIT_UNLIKELY:
            return ("in past experiments alone",)
        return (self._unknown(),)

    def _needed(self) -> str:
        events = f", {LEAST_EVENTS} events, {LEAST_EVENTS} non-events" if self.case.evidence.binary else ""
        return f"{LEAST_EFFECTIVE_ROWS:.0f} needed per arm{events}"

    def _unknown(self) -> str:
        if not self.case.evidence.randomised:
            return "without random assignment its bias is unknown"
        count = self.case.evidence.experiments + self.case.evidence.outcomes
        experiments = "one experiment" if count == 1 else f"{count} experiments"
        return f"{experiments} cannot show how much effects vary"

    def _next_step(self) -> str:
        if self.action is Action.DEPLOY:
            return "next, record the outcome"
        if self.action is Action.SKIP:
            return "next, try another intervention"
        plan, wording = self.case.plan, self._wording
        if plan.per_arm is not None:
            return f"next, try it on {plan.per_arm:,} units per arm"
        if plan.minimum_detectable_effect is not None:
            detectable = wording.amount(plan.minimum_detectable_effect)
            return f"next, plan more units (these detect {detectable})"
        return "no feasible trial decides: change the minimum effect"
