"""The matrix that learners see, made from features of two types with missing values. No outcome, no fitting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from twin_operator.domain.table.arrays import FeatureValues, Floats, Identifiers, Integers, Mask
from twin_operator.domain.table.columns import Algorithm
from twin_operator.domain.table.experiment_data import ExperimentData

# The boosted trees of scikit-learn take at most 255 categories; the last is for all the rarer ones together.
_MOST_CATEGORIES_OF_A_TREE = 254
# One column a level: beyond fifty levels the rarer ones have too few rows for an estimate of their own.
_MOST_INDICATORS = 50


@dataclass(frozen=True)
class Design:
    """`matrix`: (n, columns), NaN where trees may see a gap; `categorical`: (columns,) which are level codes."""

    matrix: Floats
    categorical: Mask

    def rows(self, chosen: Mask | Identifiers) -> Floats:
        """(chosen, columns) of the matrix."""
        return self.matrix[chosen]


class Units(Protocol):
    """Units to make a matrix of: features by name and codes of experiments, -1 where missing or unknown."""

    @property
    def features(self) -> Mapping[str, FeatureValues]:
        """(n,) values by name of the feature."""
        ...

    @property
    def experiment(self) -> Integers:
        """(n,) codes."""
        ...


def design_of(data: ExperimentData, algorithm: Algorithm, *, experiment: bool = True) -> Design:
    """The design of a table for an algorithm, with the experiment as one more feature where there are several."""
    return encoding_of(data, algorithm, experiment=experiment).design(data)


@dataclass(frozen=True)
class Encoding:
    """How units become a matrix, as a table decided it: other units get the same columns, on the same scale.

    `coded` has the levels of each categorical feature; `experiments` those of the experiment, where it is a feature.
    """

    algorithm: Algorithm
    numeric: "Mapping[str, _Scale]"
    coded: "Mapping[str, _Levels]"
    experiments: "_Levels | None"

    def design(self, units: Units) -> Design:
        """The design of (n,) units whose codes are those of the table."""
        codes = [levels.codes(units.features[name]) for name, levels in self.coded.items()]
        if self.experiments is not None:
            codes.append(self.experiments.codes(units.experiment))
        if self.algorithm is Algorithm.GRADIENT_BOOSTING:
            return self._coded(units, codes)
        return self._indicators(units, codes)

    def _coded(self, units: Units, codes: list[Integers]) -> Design:
        """Level codes as they are and NaN for every gap: the boosted trees know what to do with both."""
        numbers = [units.features[name] for name in self.numeric]
        columns = [*numbers, *(np.where(column < 0, np.nan, column) for column in codes)]
        return Design(_stacked(units.experiment.size, columns), np.arange(len(columns)) >= len(numbers))

    def _indicators(self, units: Units, codes: list[Integers]) -> Design:
        """Standardised numbers with zero and an indicator for gaps, and one indicator a level."""
        columns = [part for name, scale in self.numeric.items() for part in scale.columns(units.features[name])]
        levels = [*self.coded.values(), *(() if self.experiments is None else (self.experiments,))]
        for each, column in zip(levels, codes, strict=True):
            columns.extend(np.asarray(column == code, dtype=np.float64) for code in each.shown)
        return Design(_stacked(units.experiment.size, columns), np.zeros(len(columns), dtype=bool))


def encoding_of(data: ExperimentData, algorithm: Algorithm, *, experiment: bool = True) -> Encoding:
    """The encoding that a table decides for an algorithm."""
    most = _MOST_CATEGORIES_OF_A_TREE if algorithm is Algorithm.GRADIENT_BOOSTING else _MOST_INDICATORS
    several = experiment and len(data.experiments) > 1
    return Encoding(
        algorithm,
        {name: _Scale.of(data.features[name]) for name in data.features if name not in data.levels},
        {name: _Levels.of(data.features[name], len(levels), most) for name, levels in data.levels.items()},
        _Levels.of(data.experiment, len(data.experiments), most) if several else None,
    )


@dataclass(frozen=True)
class _Scale:
    """Centre and spread of a numeric feature, and whether it had gaps; a constant one has no spread."""

    centre: float
    spread: float
    gaps: bool

    @staticmethod
    def of(values: FeatureValues) -> "_Scale":
        numbers = np.asarray(values, dtype=np.float64)
        missing = np.isnan(numbers)
        known = numbers[~missing]
        if known.size == 0:
            return _Scale(0.0, 0.0, bool(missing.any()))
        return _Scale(float(known.mean()), float(known.std()), bool(missing.any()))

    def columns(self, values: FeatureValues) -> list[Floats]:
        numbers = np.asarray(values, dtype=np.float64)
        missing = np.isnan(numbers)
        centred = np.where(missing, 0.0, numbers - self.centre)
        scaled = [centred / self.spread] if self.spread > 0 else []
        return [*scaled, missing.astype(np.float64)] if self.gaps else scaled


@dataclass(frozen=True)
class _Levels:
    """`renamed`: (levels + 1,) new codes in which all levels but the most frequent are one, -1 last for missing ones.

    `shown`: the new codes that the table has.
    """

    renamed: Integers
    shown: Integers

    @staticmethod
    def of(codes: FeatureValues, levels: int, most: int) -> "_Levels":
        """Ties between levels go to the earlier label."""
        counts = np.bincount(np.asarray(codes[codes >= 0], dtype=np.int32), minlength=levels)
        renamed = np.append(np.arange(levels, dtype=np.int32), np.int32(-1))
        if levels > most:
            renamed[:-1] = most
            renamed[np.argsort(-counts, kind="stable")[:most]] = np.arange(most)
        return _Levels(renamed, np.unique(renamed[np.asarray(codes, dtype=np.int32)]))

    def codes(self, codes: FeatureValues) -> Integers:
        return self.renamed[np.asarray(codes, dtype=np.int32)]


def _stacked(rows: int, columns: Sequence[FeatureValues]) -> Floats:
    """Column-major: a learner reads one feature at a time."""
    matrix = np.zeros((rows, max(1, len(columns))), order="F")
    for position, column in enumerate(columns):
        matrix[:, position] = column
    return matrix
