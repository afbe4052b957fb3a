"""A table of past experiments, checked and put into canonical order: raw columns in, arrays out.

Refusals of tables belong here (`DataInvalid`), what is learned from them does not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from twin_operator.domain.table import digests
from twin_operator.domain.table.arrays import FeatureValues, Floats, Hashes, Identifiers, Integers, Mask, RawColumn
from twin_operator.domain.table.cells import Cells, cells_of, only_rows
from twin_operator.domain.table.columns import Columns, FeatureType
from twin_operator.domain.table.outcome_column import read_outcome, require_varying
from twin_operator.domain.table.raw_columns import Labels, read_labels, read_numbers
from twin_operator.domain.table.row_times import read_times
from twin_operator.domain.table.table_rules import (
    require_arms,
    require_clusters,
    require_columns,
    require_compared_arms,
    require_complete,
    require_positive_weights,
    require_probabilities,
)

# One row in ten is never fitted on, from the first version of a model on, so that any two versions can be compared.
HELD_OUT_EVERY = np.uint64(10)
# The name of the only experiment of a table without an experiment column; no outcome can be recorded under it.
UNNAMED_EXPERIMENT = ""


@dataclass(frozen=True)
class ExperimentData:
    """Checked rows in the order of their units' hashes; `arms` has the control first, the others sorted.

    `features` maps names to (n,) arrays; `propensity` is the probability of the row's own arm where given; `time` is in
    seconds since 1970; `unit_hash` is the hash of the randomised unit: the cluster's, else the row's own; `content` is
    the hash of all that is in the row, outcome included, so that equal rows have equal ones. `dropped` counts rows
    without an outcome by arm, `unassigned` rows without an arm, `trimmed` labels with blanks around them, and
    `times_out_of_range` times that are missing as their year can be none of an experiment's.
    """

    columns: Columns
    arms: tuple[str, ...]
    experiments: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    features: Mapping[str, FeatureValues]
    arm: Integers
    outcome: Floats
    experiment: Integers
    cluster: Identifiers
    weight: Floats
    propensity: Floats | None
    time: Floats | None
    unit_hash: Hashes
    content: Hashes
    dropped: Mapping[str, int]
    unassigned: int
    trimmed: int
    times_out_of_range: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.arm.size)

    @property
    def held_out(self) -> Mask:
        """(n,) rows that no model is fitted on; none where that would leave an arm without a row to fit on."""
        chosen: Mask = self.unit_hash % HELD_OUT_EVERY == 0
        fitted_arms = np.unique(self.arm[~chosen])
        return chosen if fitted_arms.size == len(self.arms) else np.zeros_like(chosen)


def prepare(raw: Mapping[str, RawColumn], columns: Columns) -> ExperimentData:
    """Check a table of (n,) columns and put its rows into canonical order.

    Raises `DataInvalid` with what to correct. No array of `raw` is changed.
    """
    require_columns(raw, columns)
    cells = cells_of(raw)
    treatment = read_labels(cells[columns.treatment])
    outcome = read_outcome(cells[columns.outcome], columns)
    usable = (treatment.codes >= 0) & ~np.isnan(outcome)
    require_varying(outcome[usable], columns)
    arms, arm = _arms(treatment, usable, columns)
    table = _Table(only_rows(cells, usable), columns)
    table.require_compared(arm, len(arms))
    return _in_canonical_order(table, arms, arm, outcome[usable], _Dropped.of(treatment, usable))


@dataclass(frozen=True)
class _Dropped:
    by_arm: Mapping[str, int]
    unassigned: int
    trimmed: int

    @staticmethod
    def of(treatment: Labels, usable: Mask) -> "_Dropped":
        lost = treatment.codes[~usable & (treatment.codes >= 0)]
        counts = np.bincount(lost, minlength=len(treatment.levels))
        by_arm = {level: int(count) for level, count in zip(treatment.levels, counts, strict=True)}
        return _Dropped(by_arm, treatment.missing, treatment.trimmed)


class _Table:
    """The usable rows, column by column."""

    def __init__(self, kept: Mapping[str, Cells], columns: Columns) -> None:
        self.columns = columns
        self.rows = len(kept[columns.treatment].values)
        self.categorical = {name: read_labels(kept[name]) for name in columns.of_type(FeatureType.CATEGORICAL)}
        self.numeric = {name: read_numbers(kept[name]) for name in columns.of_type(FeatureType.NUMERIC)}
        self.experiment = _complete_labels(kept, columns.experiment)
        self.cluster = _complete_labels(kept, columns.cluster)
        self.weight = _complete_numbers(kept, columns.weight)
        self.propensity = _complete_numbers(kept, columns.propensity)
        times = None if columns.time is None else read_times(kept[columns.time])
        self.time = None if times is None else times.seconds
        self.times_out_of_range = 0 if times is None else times.out_of_range
        self._require()

    def _require(self) -> None:
        require_positive_weights(self.columns.weight, self.weight)
        require_probabilities(self.columns.propensity, self.propensity)
        if self.columns.cluster is not None and self.cluster is not None:
            require_clusters(self.columns.cluster, len(self.cluster.levels))

    def require_compared(self, arm: Integers, arms: int) -> None:
        """Refuse experiments of which none tried two of the arms; (n,) `arm` codes."""
        if self.columns.experiment is not None and self.experiment is not None:
            cells = self.experiment.codes.astype(np.int64) * arms + arm
            counts = np.bincount(cells, minlength=len(self.experiment.levels) * arms)
            require_compared_arms(self.columns.experiment, counts.reshape(-1, arms).astype(np.int32))

    @property
    def trimmed(self) -> int:
        labels = [*self.categorical.values(), self.experiment, self.cluster]
        return sum(column.trimmed for column in labels if column is not None)

    def hashes(self) -> Iterator[tuple[str, Hashes]]:
        """Per column but treatment and outcome, by the part it plays or its name, its (n,) hashes."""
        labelled = {**self.categorical, " experiment": self.experiment, " cluster": self.cluster}
        numbers = {**self.numeric, " weight": self.weight, " propensity": self.propensity, " time": self.time}
        yield from ((name, digests.coded_hashes(each.codes, each.levels)) for name, each in labelled.items() if each)
        yield from ((name, digests.number_hashes(each)) for name, each in numbers.items() if each is not None)


def _complete_labels(kept: Mapping[str, Cells], name: str | None) -> Labels | None:
    if name is None:
        return None
    labels = read_labels(kept[name])
    require_complete(name, labels.missing)
    return labels


def _complete_numbers(kept: Mapping[str, Cells], name: str | None) -> Floats | None:
    if name is None:
        return None
    numbers = read_numbers(kept[name])
    require_complete(name, int(np.count_nonzero(np.isnan(numbers))))
    return numbers


def _arms(treatment: Labels, usable: Mask, columns: Columns) -> tuple[tuple[str, ...], Integers]:
    """The arms, control first, and the (usable rows,) codes among them."""
    counts = np.bincount(treatment.codes[usable], minlength=len(treatment.levels))
    require_arms(dict(zip(treatment.levels, counts.tolist(), strict=True)), columns)
    control = columns.control.strip()
    arms = (control, *(level for level in treatment.levels if level != control))
    recoded = np.array([arms.index(level) for level in treatment.levels], dtype=np.int32)
    return arms, recoded[treatment.codes[usable]]


def _in_canonical_order(
    table: _Table, arms: tuple[str, ...], arm: Integers, outcome: Floats, dropped: _Dropped
) -> ExperimentData:
    identity = _Identity.of(table, arms, arm, outcome)
    order = identity.order
    experiment, cluster = table.experiment, table.cluster
    return ExperimentData(
        columns=table.columns,
        arms=arms,
        experiments=(UNNAMED_EXPERIMENT,) if experiment is None else experiment.levels,
        levels={name: column.levels for name, column in table.categorical.items()},
        features={name: values[order] for name, values in _features(table).items()},
        arm=arm[order],
        outcome=outcome[order],
        experiment=np.zeros(table.rows, np.int32) if experiment is None else experiment.codes[order],
        cluster=np.arange(table.rows, dtype=np.int64) if cluster is None else cluster.codes[order].astype(np.int64),
        weight=np.ones(table.rows) if table.weight is None else table.weight[order],
        propensity=None if table.propensity is None else table.propensity[order],
        time=None if table.time is None else table.time[order],
        unit_hash=identity.unit_hash,
        content=identity.content,
        dropped=dropped.by_arm,
        unassigned=dropped.unassigned,
        trimmed=dropped.trimmed + table.trimmed,
        times_out_of_range=table.times_out_of_range,
    )


def _features(table: _Table) -> dict[str, FeatureValues]:
    coded: dict[str, FeatureValues] = {name: column.codes for name, column in table.categorical.items()}
    return dict(sorted({**coded, **table.numeric}.items()))


@dataclass(frozen=True)
class _Identity:
    """`order`: (n,) that sorts the rows by the hashes of their units; in that order (n,) `unit_hash` and `content`."""

    order: Identifiers
    unit_hash: Hashes
    content: Hashes

    @staticmethod
    def of(table: _Table, arms: tuple[str, ...], arm: Integers, outcome: Floats) -> "_Identity":
        """Folds and held-out rows follow from `unit_hash`; which rows are new follows from `content`.

        A continuous outcome is no part of `unit_hash`, only of the order among rows that are equal but for it:
        multiplying it by a positive number then changes neither folds nor held-out rows.
        """
        described = digests.salted_sum(chain(table.hashes(), [(" treatment", digests.coded_hashes(arm, arms))]))
        result = digests.salted_sum([(" outcome", digests.number_hashes(outcome))])
        content = digests.mixed(described + result)
        kind = content if table.columns.binary else digests.mixed(described)
        row_hash = digests.numbered(kind, _occurrence(kind, outcome))
        cluster = table.cluster
        unit_hash = row_hash if cluster is None else digests.label_hashes(cluster.levels)[cluster.codes]
        order = np.lexsort((row_hash, unit_hash))
        return _Identity(order, unit_hash[order], content[order])


def _occurrence(content: Hashes, outcome: Floats) -> Hashes:
    """The (n,) running number of each row among the rows of equal content, in the order of their outcomes."""
    order = np.lexsort((outcome, content))
    starts = np.flatnonzero(np.diff(content[order], prepend=~content[order[:1]]))
    sizes = np.diff(starts, append=content.size)
    occurrence = np.empty(content.size, dtype=np.uint64)
    occurrence[order] = np.arange(content.size) - np.repeat(starts, sizes)
    return occurrence
