"""The text of a recommendation: numbers in the units of the outcome, in one sentence for a manager."""

from dataclasses import dataclass

from twin_operator.domain.effects.answers import Action, Evidence, TrialPlan, Why

_SIGNIFICANT_DIGITS = 3
LEAST_EFFECTIVE_ROWS = 50.0
LEAST_EVENTS = 5

_FINDINGS = {
    Why.ASSIGNMENT_NOT_RANDOM: "the arms of the past units were found not to be assigned at random",
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

    `confidence`: the one-sided one of the decision; `interval_confidence`: that of `low` to `high`; `matched`: past
    units that the answer rests on.
    """

    arm: str
    against: str
    minimum_effect: float
    confidence: float
    estimate: float
    low: float
    high: float
    interval_confidence: float
    matched: int
    plan: TrialPlan
    evidence: Evidence


def gated(message: str, gate: Why, next_step: str) -> str:
    """Return a sentence that began with Deploy for the case that a gate forbids it: its numbers stay."""
    reasons = message.removeprefix(f"{Action.DEPLOY}: ").rpartition("; ")[0]
    return f"{Action.REFINE}: {reasons}{_finding(gate)}; {next_step}."


def _finding(gate: Why) -> str:
    return f", but {_FINDINGS[gate]}"


@dataclass(frozen=True)
class Statement:
    """What to do, why, and what is next, as one sentence; `missing`: outcomes that would make the twin calibrated."""

    case: Case
    action: Action
    reason: Why
    missing: int

    def __str__(self) -> str:
        case, evidence = self.case, self.case.evidence
        interval = f"{self._wording.between(case.low, case.high)} in a new experiment"
        described = f"{'all' if evidence.everybody else 'a population like'} {case.matched:,} past units"
        return (
            f"{self.action}: {case.arm} instead of {case.against} should {self._wording.change(case.estimate)} "
            f"({interval}, with {percent(case.interval_confidence)} confidence) in {described}; "
            f"the chance that it is {self._benefit()} is {percent(evidence.probability_of_benefit)}, "
            f"{self._rule()}{self._because()}; {self._next_step()}."
        )

    @property
    def _wording(self) -> Wording:
        return Wording(self.case.evidence.outcome, self.case.evidence.binary)

    def _benefit(self) -> str:
        minimum = self._wording.amount(self.case.minimum_effect)
        if self.case.minimum_effect < 0:
            return f"worse by less than {minimum}, or better,"
        return f"better by more than {minimum}" if self.case.minimum_effect else "better at all"

    def _rule(self) -> str:
        needed = percent(self.case.confidence)
        if self.action is Action.DEPLOY or self.reason in _FINDINGS:
            return f"at least the {needed} that is asked for (one-sided)"
        if self.action is Action.SKIP:
            alone = "" if self.missing == 0 else ", on this experiment alone"
            return f"at most the {percent(1 - self.case.confidence)} at which it is given up (one-sided){alone}"
        if self.reason is Why.TOO_FEW_UNITS:
            return f"and Deploy needs {needed} (one-sided) on enough past units"
        return f"and Deploy needs {needed} (one-sided)"

    def _because(self) -> str:
        if self.reason in _FINDINGS:
            return _finding(self.reason)
        if self.reason is Why.TOO_FEW_UNITS:
            return (
                f", but the past units are too few here (each arm needs {LEAST_EFFECTIVE_ROWS:.0f}"
                f"{f', {LEAST_EVENTS} events and {LEAST_EVENTS} non-events' if self.case.evidence.binary else ''}, "
                "and no unit may count for more than 5 % of all)"
            )
        if self.reason in {Why.BENEFIT_LIKELY, Why.BENEFIT_UNLIKELY} or self.missing == 0:
            return ""
        return f", but {self._unknown()} how much campaigns differ{self._tolerance()}"

    def _unknown(self) -> str:
        if not self.case.evidence.randomised:
            return "data without random assignment cannot tell how far it is off, nor"
        count = self.case.evidence.experiments + self.case.evidence.outcomes
        return "one experiment cannot tell" if count == 1 else f"{count} experiments cannot yet tell"

    def _tolerance(self) -> str:
        tipping = self.case.evidence.tipping_point_sd
        if self.reason is not Why.NOT_CALIBRATED or not tipping:
            return ""
        bound = self._wording.amount(tipping)
        return f" (Deploy would hold if effects differed between campaigns by an SD of less than {bound})"

    def _next_step(self) -> str:
        if self.action is Action.DEPLOY:
            return "record the outcome once it is known"
        if self.action is Action.SKIP:
            return "spend the effort on another intervention"
        trial = self._trial()
        if self.reason is not Why.TOO_FEW_UNITS and self.reason not in _FINDINGS and self.missing:
            return f"{trial}, and record its outcome ({self.missing} more make the twin calibrated)"
        return trial

    def _trial(self) -> str:
        plan, wording = self.case.plan, self._wording
        if plan.per_arm is not None:
            return f"next, try it on {plan.per_arm:,} units per arm"
        if plan.minimum_detectable_effect is not None:
            return (
                "a trial of all planned units can only tell effects at least "
                f"{wording.amount(plan.minimum_detectable_effect)} away from the minimum: plan for more units"
            )
        return "no trial of a feasible size can settle it: choose another minimum effect"
