"""The matrix that learners see, made from features of two types with missing values. No outcome, no fitting."""

from dataclasses import dataclass

import numpy as np

from twin_operator.domain.arrays import FeatureValues, Floats, Identifiers, Integers, Mask
from twin_operator.domain.experiment_data import ExperimentData
from twin_operator.domain.schema import Algorithm

# The boosted trees of scikit-learn take at most 255 categories; the last is for all the rarer ones together.
_MOST_CATEGORIES_OF_A_TREE = 254
# One column a level: beyond fifty levels the rarer ones have too few rows to tell anything by themselves.
_MOST_INDICATORS = 50


@dataclass(frozen=True)
class Design:
    """`matrix`: (n, columns), NaN where trees may see a gap; `categorical`: (columns,) which are level codes."""

    matrix: Floats
    categorical: Mask

    def rows(self, chosen: Mask | Identifiers) -> Floats:
        """(chosen, columns) of the matrix."""
        return self.matrix[chosen]


def design_of(data: ExperimentData, algorithm: Algorithm, *, experiment: bool = True) -> Design:
    """The design for an algorithm, with the experiment as one more feature where there are several."""
    numeric = [data.features[name] for name in data.features if name not in data.levels]
    coded = [data.features[name] for name in data.levels]
    if experiment and len(data.experiments) > 1:
        coded.append(data.experiment)
    if algorithm is Algorithm.GRADIENT_BOOSTING:
        return _coded_design(data.rows, numeric, coded)
    return _indicator_design(data.rows, numeric, coded)


def _coded_design(rows: int, numeric: list[FeatureValues], coded: list[FeatureValues]) -> Design:
    """Level codes as they are and NaN for every gap: the boosted trees know what to do with both."""
    codes = [_frequent(column, _MOST_CATEGORIES_OF_A_TREE) for column in coded]
    columns = [*numeric, *(np.where(column < 0, np.nan, column) for column in codes)]
    return Design(_stacked(rows, columns), np.arange(len(columns)) >= len(numeric))


def _indicator_design(rows: int, numeric: list[FeatureValues], coded: list[FeatureValues]) -> Design:
    """Standardised numbers with zero and an indicator for gaps, and one indicator a level."""
    columns = [part for column in numeric for part in _standardised(np.asarray(column, dtype=np.float64))]
    for column in coded:
        codes = _frequent(column, _MOST_INDICATORS)
        columns.extend(np.asarray(codes == code, dtype=np.float64) for code in np.unique(codes))
    return Design(_stacked(rows, columns), np.zeros(len(columns), dtype=bool))


def _standardised(column: Floats) -> list[Floats]:
    missing = np.isnan(column)
    known = column[~missing]
    spread = float(known.std()) if known.size else 0.0
    centred = np.where(missing, 0.0, column - (known.mean() if known.size else 0.0))
    scaled = [centred / spread] if spread > 0 else []
    return [*scaled, missing.astype(np.float64)] if missing.any() else scaled


def _frequent(codes: FeatureValues, most: int) -> Integers:
    """(n,) codes in which all levels but the `most` frequent are one; ties go to the earlier label."""
    known = np.asarray(codes[codes >= 0], dtype=np.int32)
    counts = np.bincount(known)
    if counts.size <= most:
        return np.asarray(codes, dtype=np.int32)
    kept = np.argsort(-counts, kind="stable")[:most]
    renamed = np.full(counts.size + 1, most, dtype=np.int32)
    renamed[kept] = np.arange(most)
    renamed[-1] = -1
    return renamed[np.asarray(codes, dtype=np.int32)]


def _stacked(rows: int, columns: list[FeatureValues] | list[Floats]) -> Floats:
    """Column-major: a learner reads one feature at a time."""
    matrix = np.zeros((rows, max(1, len(columns))), order="F")
    for position, column in enumerate(columns):
        matrix[:, position] = column
    return matrix
