"""May a candidate become active? Two comparisons with the champion, and a sentence that says what was compared.

A candidate is rejected only where it is worse by more than chance: refusing every larger loss would refuse nearly half
of all candidates that are as good. The comparisons are of losses on held-out rows, which belong in `paired_losses`, and
of a backtest on the outcomes that are recorded by now.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from twin_operator.domain.effects.population import matching_rows
from twin_operator.domain.effects.predictive import predictive_of
from twin_operator.domain.effects.weighted_effect import WeightedEffect, weighted_effect
from twin_operator.domain.errors import DomainError, EmptyPopulation
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.fidelity.paired_losses import PairedLosses, held_out_losses
from twin_operator.domain.fidelity.window import counted
from twin_operator.domain.learning.contrasts import contrasts_of
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.arrays import Floats
from twin_operator.domain.table.columns import Columns
from twin_operator.domain.twin import Bank, Contrast, tau_weights

# Of equally good candidates one in twenty is rejected; the quantile is the normal distribution's.
_CONFIDENCE = 0.95
_QUANTILE = 1.645
# A difference of one part in a billion is rounding, which has no standard error worth the name.
_ROUNDING = 1e-9
# One difference has no spread.
_LEAST_PAIRS = 2


def backtest(
    bank: Bank, contrasts: Sequence[Contrast], ledger: Sequence[RecordedOutcome], scale: float, confidence: float = 0.95
) -> Floats:
    """(k,) interval scores of the bank on the outcomes of a ledger that count, NaN where it cannot predict one.

    Each is predicted without itself: without the rows of its experiment and without it in the weights of tau, whose
    prior has the given `scale` in control-arm SDs. The weights rest on training experiments alone: had they learned
    from the other outcomes, a version that missed them all would be excused by an interval as wide as its misses. In
    outcome units; lower is better.
    """
    pairs = {(contrast.arm, contrast.against): contrast for contrast in contrasts}
    scores = [_score(bank, pairs, outcome, scale, confidence) for outcome in counted(ledger)]
    return np.array(scores, dtype=np.float64)


def interval_score(low: float, high: float, observed: float, confidence: float) -> float:
    """Width plus 2/alpha times the distance by which the interval misses (Gneiting and Raftery 2007, equation 43)."""
    missed = max(low - observed, observed - high, 0.0)
    return high - low + 2 / (1 - confidence) * missed


def _score(
    bank: Bank,
    pairs: dict[tuple[str, str], Contrast],
    outcome: RecordedOutcome,
    scale: float,
    confidence: float,
) -> float:
    try:
        measured = _measured(bank, outcome)
    except DomainError:
        return float("nan")
    contrast = pairs[outcome.arm, outcome.against]
    if outcome.experiment in contrast.experiments:
        contrast = contrast.without(contrast.experiments.index(outcome.experiment))
    predicted = predictive_of(measured, tau_weights(contrast, scale), extra=outcome.graded.observed_sd**2)
    return interval_score(*predicted.interval(confidence), outcome.observed, confidence)


def _measured(bank: Bank, outcome: RecordedOutcome) -> WeightedEffect:
    """The effect in the outcome's population, from other experiments than its own."""
    arm, against = bank.arm_code(outcome.arm), bank.arm_code(outcome.against)
    rows = matching_rows(bank, outcome.where, arm, against)
    if outcome.experiment in bank.experiments:
        rows = rows[bank.experiment[rows] != bank.experiments.index(outcome.experiment)]
    if rows.size == 0:
        raise EmptyPopulation(f'Only experiment "{outcome.experiment}" itself has past units like these.')
    return weighted_effect(bank, rows, arm, against)


@dataclass(frozen=True)
class LossComparison:
    """Mean losses, their difference (candidate - champion) and its standard error, NaN where it is not defined.

    `units`: how many randomised units were compared; `rows`: held-out rows in them.
    """

    candidate: float
    champion: float
    difference: float
    standard_error: float
    passed: bool
    rows: int
    units: int


@dataclass(frozen=True)
class BacktestComparison:
    """Mean interval scores on the `n` outcomes that both can predict, NaN where there are none."""

    candidate: float
    champion: float
    n: int
    passed: bool


@dataclass(frozen=True)
class GateVerdict:
    """Whether the candidate may serve, a sentence with the figures, and the figures; NaN where there are none."""

    passed: bool
    sentence: str
    candidate_loss: float
    champion_loss: float
    candidate_backtest: float
    champion_backtest: float


def compare_losses(paired: PairedLosses, max_regression: float) -> LossComparison:
    """Reject where the mean difference exceeds `max_regression` of the champion's loss by more than chance."""
    rows, (_, unit) = paired.candidate.size, np.unique(paired.cluster, return_inverse=True)
    units = int(unit.max()) + 1 if rows else 0
    if rows == 0:
        return LossComparison(math.nan, math.nan, math.nan, math.nan, passed=True, rows=0, units=0)
    differences = paired.candidate - paired.champion
    candidate, champion = float(paired.candidate.mean()), float(paired.champion.mean())
    difference = float(differences.mean())
    error = math.nan
    passed = True
    if units >= _LEAST_PAIRS:
        sums = np.bincount(unit, weights=differences - difference)
        error = math.sqrt(float(sums @ sums) * units / (units - 1)) / rows
        passed = difference - max_regression * champion <= _QUANTILE * error + _ROUNDING * champion
    return LossComparison(candidate, champion, difference, error, passed, rows, units)


def compare_backtests(candidate: Floats, champion: Floats) -> BacktestComparison:
    """Reject where the (k,) scores of the candidate are worse on average by more than chance, on the same outcomes.

    Outcomes are few, and the error is estimated from them: by Student's t (1908) an equal candidate is rejected in one
    of twenty comparisons, by the normal quantile in one of six of two outcomes.
    """
    both = np.isfinite(candidate) & np.isfinite(champion)
    count = int(np.count_nonzero(both))
    if count == 0:
        return BacktestComparison(math.nan, math.nan, 0, passed=True)
    differences = candidate[both] - champion[both]
    means = float(candidate[both].mean()), float(champion[both].mean())
    if count < _LEAST_PAIRS:
        return BacktestComparison(*means, count, passed=True)
    error = float(differences.std(ddof=1)) / math.sqrt(count)
    quantile = float(stdtrit(count - 1, _CONFIDENCE))
    passed = bool(differences.mean() <= quantile * error + _ROUNDING * means[1])
    return BacktestComparison(*means, count, passed)


def gate(
    candidate: Bank,
    champion: Bank,
    champion_plan: TrainingPlan,
    ledger: Sequence[RecordedOutcome],
    scale: float,
    max_regression: float,
) -> GateVerdict:
    """Compare a candidate with the champion, on held-out rows and on known outcomes.

    `scale` is that of the prior of differences between experiments, in control-arm SDs; `max_regression` a share of the
    champion's loss. Raises `DataInvalid` where the two were trained on different columns.
    """
    losses = compare_losses(held_out_losses(candidate, champion, champion_plan), max_regression)
    scores = [backtest(bank, contrasts_of(bank), ledger, scale) for bank in (candidate, champion)]
    backtests = compare_backtests(*scores)
    passed = losses.passed and backtests.passed
    parts = [_loss_sentence(candidate.columns, losses, max_regression), _backtest_sentence(backtests)]
    sentence = f"{'Passed' if passed else 'Not better'}: {'; '.join(parts)}."
    figures = (losses.candidate, losses.champion, backtests.candidate, backtests.champion)
    return GateVerdict(passed, sentence, *figures)


def _loss_sentence(columns: Columns, losses: LossComparison, max_regression: float) -> str:
    if losses.rows == 0:
        return "no row was held out whose arm the champion knows, so losses were not compared"
    kind = "log loss" if columns.binary else "squared error"
    shown = (
        f"on {losses.rows:,} held-out rows its {kind} is {losses.candidate:.4g}, the champion's {losses.champion:.4g}"
    )
    if losses.units < _LEAST_PAIRS:
        return f"{shown}, of a single randomised unit, which cannot distinguish them"
    beyond = f"chance and the allowed {100 * max_regression:.3g} % explain" if max_regression else "chance explains"
    judged = _judged(losses.candidate, losses.champion, beyond, passed=losses.passed)
    figures = f"difference {losses.difference:.2g}, standard error {losses.standard_error:.2g}"
    return f"{shown}, {judged} ({figures})"


def _backtest_sentence(scores: BacktestComparison) -> str:
    if scores.n == 0:
        return "there is no known outcome yet that both can predict"
    noun = "outcome" if scores.n == 1 else "outcomes"
    means = f"{scores.candidate:.4g}, the champion's {scores.champion:.4g}"
    shown = f"on {scores.n} known {noun} its mean interval score is {means}"
    if scores.n < _LEAST_PAIRS:
        return f"{shown}, which one outcome alone cannot distinguish"
    return f"{shown}, {_judged(scores.candidate, scores.champion, 'chance explains', passed=scores.passed)}"


def _judged(candidate: float, champion: float, beyond: str, *, passed: bool) -> str:
    """Put a comparison into words; less is better."""
    if passed and candidate < champion:
        return "which is better"
    if passed and candidate == champion:
        return "which is as good"
    return f"{'no worse' if passed else 'worse'} than {beyond}"
