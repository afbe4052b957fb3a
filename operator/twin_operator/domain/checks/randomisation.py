"""What was randomised, as the checks need it: units, their arms, and a fair sample of them. No verdict."""

from dataclasses import dataclass

import numpy as np

from twin_operator.domain.table.arrays import Identifiers, Integers
from twin_operator.domain.table.columns import Assignment
from twin_operator.domain.table.experiment_data import ExperimentData

# Checks that fit or permute take this many rows at most: the first in the order of the units' hashes, which is a
# random sample that is the same for every order of the table. It finds an AUC of 0.52, and costs a second.
MOST_ROWS = 20_000


@dataclass(frozen=True)
class RandomisedUnits:
    """`of_row`: (rows,) unit numbers 0..units-1 of the first rows; `arm`, `experiment`: (units,).

    A unit is a cluster that has one arm throughout; where clusters have several arms, rows were randomised within them.
    """

    of_row: Identifiers
    arm: Integers
    experiment: Integers

    @property
    def rows(self) -> int:
        """Number of rows that were tested."""
        return int(self.of_row.size)

    @staticmethod
    def of(data: ExperimentData, most: int | None = MOST_ROWS) -> "RandomisedUnits":
        """The units of the first `most` rows, of all rows where `most` is None."""
        cluster, arm, experiment = data.cluster[:most], data.arm[:most], data.experiment[:most]
        _, first, of_row = np.unique(cluster, return_index=True, return_inverse=True)
        pure = np.array_equal(arm[first][of_row], arm) and np.array_equal(experiment[first][of_row], experiment)
        if not pure:
            return RandomisedUnits(np.arange(arm.size), arm, experiment)
        return RandomisedUnits(of_row, arm[first], experiment[first])


def depends_on_features(data: ExperimentData) -> bool:
    """Whether units were meant to get the arms with different probabilities within an experiment."""
    if data.columns.assignment is Assignment.OBSERVATIONAL:
        return True
    if data.propensity is None:
        return False
    cells = data.experiment.astype(np.int64) * len(data.arms) + data.arm
    size = int(cells.max()) + 1
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(low, cells, data.propensity)
    np.maximum.at(high, cells, data.propensity)
    # A probability written with six decimals differs from another by rounding only.
    return bool(np.any(high - low > 1e-6))  # noqa: PLR2004 - explained above
