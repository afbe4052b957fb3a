"""How well a version would have predicted the outcomes that are known by now. Scores only, no verdict."""

from collections.abc import Sequence

import numpy as np

from twin_operator.domain.effects.population import matching_rows
from twin_operator.domain.effects.predictive import predictive_of
from twin_operator.domain.effects.weighted_effect import WeightedEffect, weighted_effect
from twin_operator.domain.errors import DomainError, EmptyPopulation
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.fidelity.window import counted
from twin_operator.domain.table.arrays import Floats
from twin_operator.domain.twin.bank import Bank
from twin_operator.domain.twin.tau_mixture import Contrast, tau_weights


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
