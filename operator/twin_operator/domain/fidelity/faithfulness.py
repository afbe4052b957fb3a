"""Does a twin stay faithful? The verdict on a window of outcomes, in the words of a user. No figures are made here."""

from dataclasses import dataclass
from enum import StrEnum

from twin_operator.domain.effects.wording import plain
from twin_operator.domain.fidelity.significance import SIGNIFICANT, Significance
from twin_operator.domain.fidelity.window import Summary

# With fewer the prior on tau is wide enough to explain almost any miss.
_TELLING_EXPERIMENTS = 5
# Further digits of a probability that small have no meaning.
_LEAST_P = 0.0001


class VerdictKind(StrEnum):
    """What the outcomes say of a twin: the reasons of its condition Faithful."""

    NOT_VALIDATED = "NotValidated"
    INSUFFICIENT_VALIDATIONS = "InsufficientValidations"
    THRESHOLDS_MET = "ThresholdsMet"
    WITHIN_CHANCE = "WithinChance"
    FIDELITY_DEGRADED = "FidelityDegraded"
    COVERAGE_DROP = "CoverageDrop"
    PREDICTION_ERROR = "PredictionError"


_FAITHFUL = {
    VerdictKind.NOT_VALIDATED: None,
    VerdictKind.INSUFFICIENT_VALIDATIONS: None,
    VerdictKind.THRESHOLDS_MET: True,
    VerdictKind.WITHIN_CHANCE: True,
}


@dataclass(frozen=True)
class Thresholds:
    """When a twin is good enough: least score, outcomes to judge by, largest E, least coverage."""

    threshold: float
    min_validations: int
    max_mean_relative_error: float
    min_interval_coverage: float


@dataclass(frozen=True)
class Verdict:
    """What a window says of a twin.

    `breaches`: the thresholds that are missed, the most important first, whether or not by chance; empty where there
    are too few outcomes to judge by.
    """

    kind: VerdictKind
    breaches: tuple[VerdictKind, ...]
    sentence: str

    @property
    def faithful(self) -> bool | None:
        """The status of the condition Faithful; None where it is unknown."""
        return _FAITHFUL.get(self.kind, False)


def judge(
    summary: Summary | None, significance: Significance, thresholds: Thresholds, training_experiments: int
) -> Verdict:
    """Judge a window; a twin is unfaithful only by a threshold that is missed together with a significant miss.

    `training_experiments`: how many the version was trained on.
    """
    if summary is None:
        sentence = "No outcome of this version's predictions is known yet: record observed on its Simulations."
        return Verdict(VerdictKind.NOT_VALIDATED, (), sentence)
    if summary.validations < thresholds.min_validations:
        return Verdict(VerdictKind.INSUFFICIENT_VALIDATIONS, (), _insufficient(summary, thresholds))
    missed = _missed(summary, thresholds)
    if not missed:
        return Verdict(VerdictKind.THRESHOLDS_MET, (), _met(summary, thresholds))
    breaches, figures = tuple(missed), f"{_outcomes(summary)}: {_listed(list(missed.values()))}"
    if significance.significant:
        return Verdict(breaches[0], breaches, f"{figures}; {_beyond_chance(significance)}.")
    return Verdict(
        VerdictKind.WITHIN_CHANCE, breaches, f"{figures}; {_within_chance(significance, training_experiments)}."
    )


def _missed(summary: Summary, thresholds: Thresholds) -> dict[VerdictKind, str]:
    """What is breached and by how much, the most important first."""
    score, coverage, error = summary.score, summary.coverage, summary.mean_relative_error
    least, narrowest, largest = (
        thresholds.threshold,
        thresholds.min_interval_coverage,
        thresholds.max_mean_relative_error,
    )
    missed = {}
    if score < least:
        missed[VerdictKind.FIDELITY_DEGRADED] = f"a score of {_told(score, least)} (below {plain(least)})"
    if coverage < narrowest:
        missed[VerdictKind.COVERAGE_DROP] = (
            f"{_told(100 * coverage, 100 * narrowest)} % inside their 95 % intervals (below {_share(narrowest)})"
        )
    if error > largest:
        missed[VerdictKind.PREDICTION_ERROR] = (
            f"a mean relative error of {_told(100 * error, 100 * largest)} % (above {_share(largest)})"
        )
    return missed


def _insufficient(summary: Summary, thresholds: Thresholds) -> str:
    missing = thresholds.min_validations - summary.validations
    return (
        f"{_outcomes(summary)} so far, with a score of {plain(summary.score)}: {missing} more "
        f"{'is' if missing == 1 else 'are'} needed to judge the twin."
    )


def _met(summary: Summary, thresholds: Thresholds) -> str:
    score, least = plain(summary.score), plain(thresholds.threshold)
    coverage, narrowest = _share(summary.coverage), _share(thresholds.min_interval_coverage)
    error, largest = _share(summary.mean_relative_error), _share(thresholds.max_mean_relative_error)
    return (
        f"{_outcomes(summary)}: a score of {score} (at least {least} is asked for), {coverage} inside their 95 % "
        f"intervals (at least {narrowest}), and a mean relative error of {error} (at most {largest})."
    )


def _beyond_chance(significance: Significance) -> str:
    return f"chance does not explain that ({_p(significance)}, below {plain(SIGNIFICANT)})"


def _within_chance(significance: Significance, training_experiments: int) -> str:
    chance = f"chance can explain that ({_p(significance)}, not below {plain(SIGNIFICANT)})"
    if training_experiments >= _TELLING_EXPERIMENTS:
        return f"{chance}, so the twin stays faithful"
    known = f"{training_experiments} experiment{'' if training_experiments == 1 else 's'}"
    return (
        f"{chance}, as a twin trained on {known} does not know how much effects differ and almost any miss fits it: "
        f"{_TELLING_EXPERIMENTS} or more experiments in its data are needed"
    )


def _listed(phrases: list[str]) -> str:
    return " and ".join([", ".join(phrases[:-1]), phrases[-1]] if phrases[1:] else phrases)


def _outcomes(summary: Summary) -> str:
    return f"{summary.validations} outcome{'' if summary.validations == 1 else 's'}"


def _p(significance: Significance) -> str:
    p = significance.p
    return f"p < {_LEAST_P}" if p < _LEAST_P else f"p = {plain(p)}"


def _share(value: float) -> str:
    """A share that was counted, so that 0 % and 100 % are what they say."""
    return f"{plain(100 * value)} %"


def _told(value: float, bound: float) -> str:
    """A figure with enough digits to differ from the bound that it misses."""
    return plain(value) if plain(value) != plain(bound) else f"{value:.6g}"
