"""Refutation of an effect: placebo arms, drift over time, and how strong confounding would have to be to undo it."""

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import ndtr

from twin_operator.domain.checks.findings import ROBUSTNESS_VALUE, TREND_P, Findings, arm_metric
from twin_operator.domain.checks.randomisation import RandomisedUnits, depends_on_features
from twin_operator.domain.effects.weighted_effect import WeightedEffect, cluster_sums
from twin_operator.domain.table.arrays import Floats, Integers
from twin_operator.domain.table.columns import Assignment
from twin_operator.domain.table.experiment_data import ExperimentData
from twin_operator.domain.twin import Bank

_PERMUTATIONS = 100
_LEVEL = 0.05
_TWO_SIDED_QUANTILE = 1.959964  # of the normal distribution, two-sided at that level
# Three Monte Carlo errors above the level: chance alone gets there once in a thousand trainings.
_TOO_OFTEN = _LEVEL + 3 * math.sqrt(_LEVEL * (1 - _LEVEL) / _PERMUTATIONS)
_YEAR = 365.25 * 86_400  # seconds
_NOTABLE = 0.01


def check_placebo(data: ExperimentData, bank: Bank, seed: int) -> Findings:
    """Mean placebo effect in control-arm SDs and how often its interval excludes 0, over 100 permutations.

    Permuted within experiments, whole units at a time. The models' average stands in for the outcome models, as all
    arms are the same under the permutation.
    """
    if depends_on_features(data):
        return Findings()
    units = RandomisedUnits.of(data)
    residual = _residual(bank, units)
    rng = np.random.default_rng(seed)
    z = np.array([_scores(data, units, residual, _permuted(units, rng)) for _ in range(_PERMUTATIONS)])
    estimates, significances = z[:, 0], z[:, 1]
    rejected = float(np.mean(np.abs(significances) > _TWO_SIDED_QUANTILE))
    warning = (
        f"Placebo effects under permuted arms are significant in {rejected:.0%} of permutations instead of 5 %: "
        "intervals may be too narrow; name the randomised unit in columns.cluster."
    )
    metrics = {"placebo_effect_sd": float(estimates.mean()), "placebo_rejections": rejected}
    return Findings(metrics, (warning,) if rejected > _TOO_OFTEN else ())


def _residual(bank: Bank, units: RandomisedUnits) -> Floats:
    """(rows,) outcomes less the average of the arms' models, in SDs."""
    rows = units.rows
    residual = bank.outcome[:rows] - bank.nuisance[:rows].mean(axis=1)
    spread = float(bank.outcome.std())
    return np.asarray(residual / spread)


def _permuted(units: RandomisedUnits, rng: np.random.Generator) -> Integers:
    """(units,) arms, permuted within experiments: both orders sort by experiment, one of them by chance within."""
    fixed = np.lexsort((np.arange(units.arm.size), units.experiment))
    shuffled = np.lexsort((rng.random(units.arm.size), units.experiment))
    arm = np.empty_like(units.arm)
    arm[fixed] = units.arm[shuffled]
    return arm


def _scores(data: ExperimentData, units: RandomisedUnits, residual: Floats, unit_arm: Integers) -> tuple[float, float]:
    """Effect and its z-score of the second arm against the control under permuted arms."""
    arm, experiment = unit_arm[units.of_row], data.experiment[: units.rows]
    cells = experiment.astype(np.int64) * len(data.arms) + arm
    shape = (len(data.experiments), len(data.arms))
    counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    totals = np.bincount(cells, weights=residual, minlength=shape[0] * shape[1]).reshape(shape)
    both = (counts[:, 0] > 0) & (counts[:, 1] > 0)
    size = np.where(both, counts.sum(axis=1), 0.0)
    if size.sum() == 0:
        return 0.0, 0.0
    means = totals / np.maximum(counts, 1)
    effect = float(size @ (means[:, 1] - means[:, 0]) / size.sum())
    sign = np.where(arm == 1, 1.0, np.where(arm == 0, -1.0, 0.0)) * both[experiment]
    worth = (size[:, None] / np.maximum(counts, 1) / size.sum())[experiment, arm]
    influence = sign * worth * (residual - means[experiment, arm])
    sums = np.bincount(units.of_row, weights=influence)
    degrees = max(1, int(np.count_nonzero(np.bincount(units.of_row, weights=np.abs(sign)))) - 2)
    error = math.sqrt(float(sums @ sums) * (degrees + 2) / degrees)
    return effect, effect / error if error > 0 else 0.0


def check_trend(bank: Bank) -> Findings:
    """P-value of a linear change of each arm's effect over time, clusters summed; warned below 0.01 over all arms."""
    if bank.time is None:
        return Findings()
    trends = {bank.arms[arm]: slope for arm, slope in _trends(bank)}
    metrics = {arm_metric(TREND_P, arm): p for arm, (_, p) in trends.items()}
    warnings = tuple(
        f'The effect of "{arm}" on {bank.columns.outcome} has {"risen" if slope > 0 else "fallen"} over time by '
        f"{abs(slope):.3g} a year (p = {p:.1g}): older experiments may mislead."
        for arm, (slope, p) in trends.items()
        if p * len(trends) < _NOTABLE
    )
    return Findings(metrics, warnings)


def _trends(bank: Bank) -> Iterator[tuple[int, tuple[float, float]]]:
    time = np.zeros(bank.rows) if bank.time is None else bank.time
    for arm in range(1, len(bank.arms)):
        rows = np.flatnonzero(bank.comparable(arm, 0) & ~np.isnan(time) & (bank.weight > 0))
        if rows.size and np.ptp(time[rows]) > 0:
            yield arm, _trend(bank, rows, time[rows] / _YEAR, arm)


def _trend(bank: Bank, rows: np.ndarray, years: np.ndarray, arm: int) -> tuple[float, float]:
    """Slope of the scores over years, and its two-sided p-value from a sandwich variance."""
    omega = bank.weight[rows] / bank.weight[rows].sum()
    gamma = bank.score[rows, arm] - bank.score[rows, 0]
    centred = years - omega @ years
    spread = float(omega @ centred**2)
    slope = float(omega @ (centred * gamma)) / spread
    residual = gamma - omega @ gamma - slope * centred
    sums = cluster_sums(bank, rows, omega * centred * residual / spread)
    error = math.sqrt(float(sums @ sums) * sums.size / max(1, sums.size - 2))
    return slope, 1.0 if error == 0 else 2 * float(ndtr(-abs(slope) / error))


def check_confounding(bank: Bank, measured: dict[str, WeightedEffect]) -> Findings:
    """The robustness value of each arm's effect, for observational data (Cinelli and Hazlett 2020, equation 18).

    A confounder that explains this share of what is left of both treatment and outcome would undo the effect.
    """
    if bank.columns.assignment is not Assignment.OBSERVATIONAL:
        return Findings()
    values = {arm: robustness_value(effect) for arm, effect in measured.items()}
    warnings = tuple(
        f'Without random assignment: a hidden cause that explains {value:.1%} of what is left of both "{arm}" and '
        f"{bank.columns.outcome} would undo the effect."
        for arm, value in values.items()
    )
    return Findings({arm_metric(ROBUSTNESS_VALUE, arm): value for arm, value in values.items()}, warnings)


def robustness_value(effect: WeightedEffect) -> float:
    """(sqrt(f^4 + 4 f^2) - f^2)/2 with f = |estimate|/(s sqrt(degrees of freedom))."""
    if effect.variance == 0:
        return 1.0
    squared = effect.estimate**2 / (effect.variance * effect.degrees)
    return (math.sqrt(squared**2 + 4 * squared) - squared) / 2
