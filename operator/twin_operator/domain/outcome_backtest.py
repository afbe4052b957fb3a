"""How well a version would have predicted the outcomes that are known by now. Scores only, no verdict."""

from collections.abc import Sequence

import numpy as np

from twin_operator.domain.arrays import Floats
from twin_operator.domain.bank import Bank
from twin_operator.domain.errors import DomainError, EmptyPopulation
from twin_operator.domain.ledger import RecordedOutcome
from twin_operator.domain.mixture import Contrast, LedgerOutcome, tau_weights
from twin_operator.domain.population import matching_rows
from twin_operator.domain.predictive import predictive_of
from twin_operator.domain.weighted_effect import WeightedEffect, weighted_effect


def countable(ledger: Sequence[RecordedOutcome]) -> tuple[RecordedOutcome, ...]:
    """(k,) outcomes that were predicted before they were known, one per experiment and pair of arms.

    The widest population stands for the others; of equally wide ones the first recorded.
    """
    widest: dict[tuple[str, str, str], RecordedOutcome] = {}
    for outcome in sorted(ledger, key=lambda each: (-each.population_share, each.recorded, each.simulation)):
        if not outcome.hindsight:
            widest.setdefault((outcome.experiment, outcome.arm, outcome.against), outcome)
    return tuple(widest[key] for key in sorted(widest))


def backtest(
    bank: Bank, contrasts: Sequence[Contrast], ledger: Sequence[RecordedOutcome], scale: float, confidence: float = 0.95
) -> Floats:
    """(k,) interval scores of the bank on the countable outcomes of a ledger, NaN where it cannot predict one.

    Each is predicted without itself: without the rows of its experiment and without it in the weights of tau, whose
    prior has the given `scale` in control-arm SDs. In outcome units; lower is better.
    """
    outcomes = countable(ledger)
    pairs = {(contrast.arm, contrast.against): contrast for contrast in contrasts}
    return np.array(
        [_score(bank, pairs, outcome, outcomes, scale, confidence) for outcome in outcomes], dtype=np.float64
    )


def interval_score(low: float, high: float, observed: float, confidence: float) -> float:
    """Width plus 2/alpha times the distance by which the interval misses (Gneiting and Raftery 2007, equation 43)."""
    missed = max(low - observed, observed - high, 0.0)
    return high - low + 2 / (1 - confidence) * missed


def _score(
    bank: Bank,
    pairs: dict[tuple[str, str], Contrast],
    outcome: RecordedOutcome,
    outcomes: Sequence[RecordedOutcome],
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
    others = [_in_ledger(each) for each in outcomes if _same_arms(each, outcome) and each is not outcome]
    weights = tau_weights(contrast, scale, others)
    predicted = predictive_of(measured, weights, extra=outcome.graded.observed_sd**2)
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


def _same_arms(one: RecordedOutcome, other: RecordedOutcome) -> bool:
    return (one.arm, one.against) == (other.arm, other.against)


def _in_ledger(outcome: RecordedOutcome) -> LedgerOutcome:
    issued = outcome.issued
    return LedgerOutcome(
        experiment=outcome.experiment,
        predicted=issued.estimate,
        observed=outcome.observed,
        observed_sd=outcome.graded.observed_sd,
        sampling_sd=issued.sampling_sd,
        share_squared=issued.share_squared,
    )
