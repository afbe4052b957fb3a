"""Leaving out old experiments before anything is fitted, where the rest still answers the same questions."""

from dataclasses import dataclass, replace

import numpy as np

from twin_operator.domain.table.arrays import FeatureValues, Integers, Mask
from twin_operator.domain.table.experiment_data import ExperimentData
from twin_operator.domain.table.table_rules import LEAST_CLUSTERS, LEAST_ROWS_IN_EXPERIMENT, LEAST_ROWS_OF_AN_ARM

_MOST_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Recent:
    """The rows that are left, whether any were left out, and a sentence about that (empty where nothing was asked)."""

    data: ExperimentData
    shortened: bool
    sentence: str


def without_old_experiments(data: ExperimentData, oldest: float | None) -> Recent:
    """Leave out experiments whose newest row is from before `oldest`, in seconds since 1970.

    One without any time is kept. All are kept where the rest could not compare what the whole compares: a twin must not
    forget an arm because it was not tried lately.
    """
    if oldest is None or data.time is None:
        return Recent(data, shortened=False, sentence="")
    old = newest_rows(data) < oldest
    if not old.any():
        return Recent(data, shortened=False, sentence="No experiment was that old.")
    kept = ~old[data.experiment]
    if not _as_telling(data, kept):
        return Recent(data, shortened=False, sentence="None was left out, as the rest would compare fewer arms.")
    names = [name for name, left in zip(data.experiments, old, strict=True) if left]
    return Recent(_only(data, kept), shortened=True, sentence=f"Left out: {_listed(names)}.")


def newest_rows(data: ExperimentData) -> np.ndarray:
    """(experiments,) time of each experiment's newest row in seconds since 1970, infinite where none is known."""
    times = np.full(data.rows, np.nan) if data.time is None else data.time
    newest = np.full(len(data.experiments), -np.inf)
    np.fmax.at(newest, data.experiment, times)
    return np.where(np.isneginf(newest), np.inf, newest)


def _as_telling(data: ExperimentData, kept: Mask) -> bool:
    rows = np.bincount(data.arm[kept], minlength=len(data.arms))
    enough = int(rows.min()) >= LEAST_ROWS_OF_AN_ARM
    units = np.unique(data.cluster[kept]).size >= LEAST_CLUSTERS
    varying = bool(np.ptp(data.outcome[kept]) > 0) if kept.any() else False
    return enough and units and varying and np.array_equal(_compared(data, kept), _compared(data, np.ones_like(kept)))


def _compared(data: ExperimentData, kept: Mask) -> Mask:
    """(arms, arms) whether some experiment tried both."""
    counts = np.zeros((len(data.experiments), len(data.arms)), dtype=np.int64)
    np.add.at(counts, (data.experiment[kept], data.arm[kept]), 1)
    tried = (counts >= LEAST_ROWS_IN_EXPERIMENT).astype(np.int64)
    return np.asarray(tried.T @ tried > 0)


def _only(data: ExperimentData, kept: Mask) -> ExperimentData:
    """The table as it would have been read without the other rows."""
    experiment, experiments = _recoded(data.experiment[kept], data.experiments)
    features, levels = _features(data, kept)
    _, cluster = np.unique(data.cluster[kept], return_inverse=True)
    return replace(
        data,
        experiments=experiments,
        levels=levels,
        features=features,
        arm=data.arm[kept],
        outcome=data.outcome[kept],
        experiment=experiment,
        cluster=cluster.astype(np.int64),
        weight=data.weight[kept],
        propensity=None if data.propensity is None else data.propensity[kept],
        time=None if data.time is None else data.time[kept],
        unit_hash=data.unit_hash[kept],
        content=data.content[kept],
    )


def _features(data: ExperimentData, kept: Mask) -> tuple[dict[str, FeatureValues], dict[str, tuple[str, ...]]]:
    features = {name: values[kept] for name, values in data.features.items()}
    levels = {}
    for name, labels in data.levels.items():
        features[name], levels[name] = _recoded(np.asarray(features[name], dtype=np.int32), labels)
    return features, levels


def _recoded(codes: Integers, labels: tuple[str, ...]) -> tuple[Integers, tuple[str, ...]]:
    """Codes into the labels that are left, -1 where missing."""
    present = np.bincount(codes[codes >= 0], minlength=len(labels)) > 0
    renamed = np.append(np.cumsum(present) - 1, -1).astype(np.int32)
    return renamed[codes], tuple(label for label, there in zip(labels, present, strict=True) if there)


def _listed(names: list[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:_MOST_NAMES_SHOWN])
    more = len(names) - _MOST_NAMES_SHOWN
    return shown if more <= 0 else f"{shown} and {more} more"
