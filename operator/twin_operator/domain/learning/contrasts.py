"""What each experiment of a bank says of each pair of arms: the material of the mixture over tau."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from twin_operator.domain.effects.weighted_effect import event_floor
from twin_operator.domain.table.arrays import Floats, Identifiers, Integers
from twin_operator.domain.twin import Bank, Contrast

# G/(G - 2) needs three randomised units; an experiment with fewer clusters was randomised by row within them.
_LEAST_UNITS = 3


def contrasts_of(bank: Bank) -> tuple[Contrast, ...]:
    """A contrast for every ordered pair of arms that some experiment compared."""
    units = _Units.of(bank)
    found = []
    for first, second in combinations(range(len(bank.arms)), 2):
        rows = np.flatnonzero(bank.comparable(second, first) & (bank.weight > 0))
        if rows.size:
            contrast = _contrast(bank, units, rows, second, first)
            found += [contrast, contrast.reversed()]
    return tuple(found)


@dataclass(frozen=True)
class _Units:
    """(n,) randomised units, one number for each pair of experiment and cluster, and the experiment of each unit."""

    of_row: Identifiers
    experiment: Integers

    @staticmethod
    def of(bank: Bank) -> "_Units":
        if bank.columns.cluster is None:
            return _Units(np.arange(bank.rows), bank.experiment)
        pairs = bank.experiment.astype(np.int64) * (int(bank.cluster.max()) + 1) + bank.cluster
        _, first, of_row = np.unique(pairs, return_index=True, return_inverse=True)
        few = np.bincount(bank.experiment[first], minlength=len(bank.experiments)) < _LEAST_UNITS
        by_row = few[bank.experiment]
        of_row = np.where(by_row, first.size + np.arange(bank.rows), of_row)
        _, first, of_row = np.unique(of_row, return_index=True, return_inverse=True)
        return _Units(of_row, bank.experiment[first])


def _contrast(bank: Bank, units: _Units, rows: Identifiers, arm: int, against: int) -> Contrast:
    experiment, weight = bank.experiment[rows], bank.weight[rows]
    size = len(bank.experiments)
    total = np.bincount(experiment, weights=weight, minlength=size)
    present = np.flatnonzero(total)
    gamma = bank.score[rows, arm] - bank.score[rows, against]
    effect = np.bincount(experiment, weights=weight * gamma, minlength=size) / np.where(total > 0, total, 1)
    influence = weight * (gamma - effect[experiment]) / total[experiment]
    variance = _variance(units, units.of_row[rows], influence, size)
    floor = _floors(bank, rows, arm) + _floors(bank, rows, against)
    return Contrast(
        arm=bank.arms[arm],
        against=bank.arms[against],
        experiments=tuple(bank.experiments[code] for code in present),
        y=effect[present],
        v=np.maximum(variance, floor)[present],
        pi=total[present] / total.sum(),
        sd0=control_sd(bank, rows),
    )


def _variance(units: _Units, unit: Identifiers, influence: Floats, experiments: int) -> Floats:
    """(experiments,) variance of each experiment's effect: squared sums over units, times G/(G - 2)."""
    sums = np.bincount(unit, weights=influence, minlength=units.experiment.size)
    counted = np.bincount(unit, minlength=units.experiment.size) > 0
    count = np.bincount(units.experiment[counted], minlength=experiments)
    squares = np.bincount(units.experiment, weights=sums**2, minlength=experiments)
    return np.asarray(squares * count / np.maximum(count - 2, 1))


def _floors(bank: Bank, rows: Identifiers, arm: int) -> Floats:
    """(experiments,) floor of the variance of an arm's mean of events; zero for quantities."""
    size = len(bank.experiments)
    if not bank.columns.binary:
        return np.zeros(size)
    own = rows[bank.arm[rows] == arm]
    weight, experiment = bank.weight[own], bank.experiment[own]
    total, squares, events = (
        np.bincount(experiment, weights=values, minlength=size)
        for values in (weight, weight**2, weight * bank.outcome[own])
    )
    known = [(e / t, t**2 / s) if t > 0 else (0.0, 0.0) for e, t, s in zip(events, total, squares, strict=True)]
    return np.array([event_floor(share, effective) for share, effective in known])


def control_sd(bank: Bank, rows: Identifiers) -> float:
    """SD of the outcome under the model's control in these rows; of all its rows, or of all arms', where that is 0."""
    control = rows[bank.arm[rows] == 0]
    for chosen in (control, np.flatnonzero(bank.arm == 0), np.arange(bank.rows)):
        spread = _sd(bank.outcome[chosen], bank.weight[chosen])
        if spread > 0:
            return spread
    return _sd(bank.outcome, np.ones(bank.rows))


def _sd(values: Floats, weight: Floats) -> float:
    if weight.sum() <= 0:
        return 0.0
    share = weight / weight.sum()
    return math.sqrt(float(share @ (values - share @ values) ** 2))
