"""Effects where there are none: arms permuted among units. Intervals that exclude 0 too often are too narrow."""

import math

import numpy as np

from twin_operator.domain.checks.findings import Findings
from twin_operator.domain.checks.randomisation import RandomisedUnits, depends_on_features
from twin_operator.domain.table.arrays import Floats, Integers
from twin_operator.domain.table.experiment_data import ExperimentData
from twin_operator.domain.twin.bank import Bank

_PERMUTATIONS = 100
_LEVEL = 0.05
_QUANTILE = 1.959964  # of the normal distribution, two-sided at that level
# Three Monte Carlo errors above the level: chance alone gets there once in a thousand trainings.
_TOO_OFTEN = _LEVEL + 3 * math.sqrt(_LEVEL * (1 - _LEVEL) / _PERMUTATIONS)


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
    rejected = float(np.mean(np.abs(significances) > _QUANTILE))
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
