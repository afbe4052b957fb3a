"""Which features the models use: those with values among the rows of every fit. How they are encoded is the design's.

Boosted trees cannot be fitted to a column without a value, and no model learns anything from one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from twin_operator.domain.errors import DataInvalid
from twin_operator.domain.table.arrays import FeatureValues, Integers, Mask
from twin_operator.domain.table.columns import Assignment
from twin_operator.domain.table.experiment_data import ExperimentData
from twin_operator.domain.table.known_levels import quoted

_EMPTY: Final = "empty in every row"
# With cross-fitting the model of a fold sees the rows of the other folds only.
_SCARCE: Final = f"{_EMPTY} that the model of some fold is fitted on"


def left_out(data: ExperimentData, folds: Iterable[Integers]) -> dict[str, str]:
    """Return the features that some fit would see without a value, and what each is, as a phrase.

    Each of `folds` has (n,) codes, -1 where a row is in no fit. A fit is of one arm and leaves one fold out. The codes
    follow from the hashes of the rows, so the order of a table has no part in this.
    """
    gappy = {name: known for name, values in data.features.items() if not (known := known_cells(values)).all()}
    dealt = list(folds) if gappy else []
    reasons = {name: _reason(data, known, dealt) for name, known in gappy.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def known_cells(values: FeatureValues) -> Mask:
    """(n,) where a feature has a value."""
    return np.asarray(values >= 0 if values.dtype.kind == "i" else ~np.isnan(values))


def _reason(data: ExperimentData, known: Mask, folds: Sequence[Integers]) -> str:
    """Why a feature is left out; empty where it is used."""
    if not known.any():
        return _EMPTY
    rows = np.bincount(data.arm[known], minlength=len(data.arms))
    without = [arm for arm, count in zip(data.arms, rows, strict=True) if count == 0]
    if without:
        return f"{_EMPTY} of {'the arm' if len(without) == 1 else 'the arms'} {quoted(without)}"
    return _SCARCE if any(_starved(data, known, fold) for fold in folds) else ""


def _starved(data: ExperimentData, known: Mask, fold: Integers) -> bool:
    """Whether a fit with rows would have none of these values."""
    rows, values = _fitted(data, fold >= 0, fold), _fitted(data, known & (fold >= 0), fold)
    return bool(np.any((rows > 0) & (values == 0)))


def _fitted(data: ExperimentData, counted: Mask, fold: Integers) -> Integers:
    """(arms, folds) rows among the `counted` that the fit of an arm without a fold sees."""
    folds = int(fold.max(initial=0)) + 1
    cells = data.arm[counted].astype(np.int64) * folds + fold[counted]
    held = np.bincount(cells, minlength=len(data.arms) * folds).reshape(-1, folds)
    return np.asarray(held.sum(axis=1, keepdims=True) - held, dtype=np.int32)


def without_features(data: ExperimentData, names: Collection[str]) -> ExperimentData:
    """Return the table as the models see it; its rows and `columns` stay."""
    return replace(
        data,
        features={name: values for name, values in data.features.items() if name not in names},
        levels={name: labels for name, labels in data.levels.items() if name not in names},
    )


def require_adjustment(data: ExperimentData, unused: Mapping[str, str]) -> None:
    """Refuse observational data without a usable feature: nothing is left to make its arms comparable by.

    In a randomised experiment the arms are comparable without features, and their means are an honest answer.
    """
    estimated = data.columns.assignment is Assignment.OBSERVATIONAL and data.propensity is None
    if estimated and unused and len(unused) == len(data.features):
        raise DataInvalid(
            f"No feature is left to compare the arms of observational data by: {' '.join(sentences(unused))} "
            "Fill these columns in every arm, or name others in columns.features."
        )


def sentences(unused: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each reason, with the features that it is true of."""
    for reason in sorted(set(unused.values())):
        names = [name for name in unused if unused[name] == reason]
        what = "Feature" if len(names) == 1 else "Features"
        yield f"{what} {quoted(names)} left out of the models: {reason}."
