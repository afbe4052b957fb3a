"""Who is fitted together: the folds of cross-fitting, by randomised unit. No model."""

import numpy as np

from twin_operator.domain.table.arrays import Floats, Identifiers, Integers, Mask
from twin_operator.domain.table.digests import reseeded
from twin_operator.domain.table.experiment_data import ExperimentData

HELD_OUT = -1


def assign_folds(data: ExperimentData, folds: int, seed: int) -> Integers:
    """(n,) folds 0..folds-1, and -1 where held out; a cluster is never split.

    Units are dealt like cards after sorting by experiment, arm, share of events and a seeded hash, which balances all
    three over the folds to within one unit.
    """
    units, first, unit_of_row = np.unique(data.cluster, return_index=True, return_inverse=True)
    chance = reseeded(data.unit_hash[first], seed)
    order = np.lexsort((chance, _event_share(data, unit_of_row), data.arm[first], data.experiment[first]))
    fitted = order[~data.held_out[first][order]]
    fold_of_unit = np.full(units.size, HELD_OUT, dtype=np.int32)
    fold_of_unit[fitted] = np.arange(fitted.size) % folds
    return fold_of_unit[unit_of_row]


def _event_share(data: ExperimentData, unit_of_row: Identifiers) -> Floats:
    """(units,) share of events, all equal for a quantity, whose scale must not decide about folds."""
    rows = np.bincount(unit_of_row)
    if not data.columns.binary:
        return np.zeros(rows.size)
    return np.asarray(np.bincount(unit_of_row, weights=data.outcome) / rows)


def fitted_rows(folds: Integers, fold: int) -> Mask:
    """(n,) rows that the model of a fold is fitted on: neither the fold's own nor held out."""
    return np.asarray((folds != fold) & (folds != HELD_OUT))
