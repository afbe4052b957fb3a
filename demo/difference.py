"""The plain difference of means: what anybody would compute, to hold the twin's answer against.

It shares no code with the operator, so that a mistake there cannot hide here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pyarrow import csv

from demo.manifests import FOLDER, Clause, Model, Question

Rows = Mapping[str, npt.NDArray[Any]]
_TWO_SIDED_95 = 1.959964  # the normal distribution's 97.5 % quantile
_COMPARE: Mapping[str, Callable[[npt.NDArray[Any], float], npt.NDArray[np.bool_]]] = {
    "LessThan": np.less,
    "LessThanOrEqual": np.less_equal,
    "GreaterThan": np.greater,
    "GreaterThanOrEqual": np.greater_equal,
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


def read_rows(file: Path = FOLDER / "hillstrom.csv.gz") -> Rows:
    """Read the data: one array (n,) per column."""
    table = csv.read_csv(file)
    return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}


def plain_difference(rows: Rows, model: Model, question: Question) -> Difference:
    """Compare the arm's rows with the control's, those that the question's `where` selects."""
    selected = _selected(rows, question)
    treated = rows[model.outcome][selected & (rows[model.treatment] == question.arm)]
    controls = rows[model.outcome][selected & (rows[model.treatment] == model.control)]
    estimate = float(treated.mean() - controls.mean())
    error = math.sqrt(treated.var(ddof=1) / len(treated) + controls.var(ddof=1) / len(controls))
    return Difference(estimate, error, len(treated), len(controls))


def _selected(rows: Rows, question: Question) -> npt.NDArray[np.bool_]:
    chosen = np.ones(len(next(iter(rows.values()))), dtype=np.bool_)
    for clause in question.where:
        chosen &= _meets(rows[clause.feature], clause)
    return chosen


def _meets(column: npt.NDArray[Any], clause: Clause) -> npt.NDArray[np.bool_]:
    if clause.operator in _COMPARE:
        return _COMPARE[clause.operator](column, float(clause.values[0]))
    among = np.isin(column.astype(str), clause.values)
    return among if clause.operator == "In" else ~among
