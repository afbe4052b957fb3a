"""Does the effect drift over time, and how strong would confounding have to be to undo it?"""

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import ndtr

from twin_operator.domain.checks.findings import Findings, arm_metric
from twin_operator.domain.effects.weighted_effect import WeightedEffect, cluster_sums
from twin_operator.domain.table.columns import Assignment
from twin_operator.domain.twin.bank import Bank

_YEAR = 365.25 * 86_400  # seconds
_NOTABLE = 0.01


def check_trend(bank: Bank) -> Findings:
    """P-value of a linear change of each arm's effect over time, clusters summed; warned below 0.01 over all arms."""
    if bank.time is None:
        return Findings()
    trends = {bank.arms[arm]: slope for arm, slope in _trends(bank)}
    metrics = {arm_metric("trend_p", arm): p for arm, (_, p) in trends.items()}
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
    return Findings({arm_metric("robustness_value", arm): value for arm, value in values.items()}, warnings)


def robustness_value(effect: WeightedEffect) -> float:
    """(sqrt(f^4 + 4 f^2) - f^2)/2 with f = |estimate|/(s sqrt(degrees of freedom))."""
    if effect.variance == 0:
        return 1.0
    squared = effect.estimate**2 / (effect.variance * effect.degrees)
    return (math.sqrt(squared**2 + 4 * squared) - squared) / 2
