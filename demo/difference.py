"""The plain difference of means, the check of each estimate: from the same rows, and by no code of the operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pyarrow import csv

Rows = Mapping[str, npt.NDArray[Any]]
Clause = Mapping[str, Any]
"""A condition on rows, as in `population.where` of a Simulation: feature, operator, values."""

ARM, CONTROL, OUTCOME = "segment", "No E-Mail", "visit"
_TWO_SIDED_95 = 1.959964  # the normal distribution's 97.5 % quantile
_MEETS: Mapping[str, Callable[[npt.NDArray[Any], Sequence[str]], Any]] = {
    "In": np.isin,
    "LessThanOrEqual": lambda column, values: column <= float(values[0]),
    "GreaterThanOrEqual": lambda column, values: column >= float(values[0]),
}


@dataclass(frozen=True)
class Difference:
    """Mean outcome of an arm less that of the control, in the outcome's units."""

    estimate: float
    standard_error: float
    treated: int  # rows
    controls: int  # rows

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.estimate - _TWO_SIDED_95 * self.standard_error

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.estimate + _TWO_SIDED_95 * self.standard_error

    def contains(self, estimate: float) -> bool:
        """Whether another estimate lies inside the interval."""
        return self.low <= estimate <= self.high


def read_rows(file: Path) -> Rows:
    """Read the data: one array (n,) per column."""
    table = csv.read_csv(file)
    return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}


def plain_difference(rows: Rows, arm: str, where: Sequence[Clause] = ()) -> Difference:
    """Compare the arm's rows with the control's, among those that meet every clause."""
    chosen = select(rows, where)
    treated = rows[OUTCOME][chosen & (rows[ARM] == arm)]
    controls = rows[OUTCOME][chosen & (rows[ARM] == CONTROL)]
    error = math.sqrt(treated.var(ddof=1) / len(treated) + controls.var(ddof=1) / len(controls))
    return Difference(float(treated.mean() - controls.mean()), error, len(treated), len(controls))


def select(rows: Rows, where: Sequence[Clause]) -> npt.NDArray[np.bool_]:
    """Give which rows meet every clause, (n,)."""
    chosen = np.ones(len(rows[ARM]), dtype=np.bool_)
    for clause in where:
        chosen &= _MEETS[clause["operator"]](rows[clause["feature"]], clause["values"])
    return chosen
