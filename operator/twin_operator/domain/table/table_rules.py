"""What a table of past experiments must satisfy before anything is learned from it, each with its refusal."""

from collections.abc import Iterable, Mapping

import numpy as np

from twin_operator.domain.errors import DataInvalid
from twin_operator.domain.table.arrays import Floats, Integers, RawColumn
from twin_operator.domain.table.columns import Columns
from twin_operator.domain.table.known_levels import known_levels, quoted

# With fewer rows an arm's mean alone is so uncertain that no model of it helps anyone.
LEAST_ROWS_OF_AN_ARM = 50
# With fewer rows of an arm an experiment does not count as one that tried it.
LEAST_ROWS_IN_EXPERIMENT = 5
# Below six clusters the variance between them has under four degrees of freedom, and intervals mean nothing.
LEAST_CLUSTERS = 6
# Characters of an arm's label that spec.intervention of a Simulation takes: a longer one could never be asked for.
LONGEST_ARM = 256


def require_columns(raw: Mapping[str, RawColumn], columns: Columns) -> None:
    """Refuse a table without rows, without a named column, or with a column in two parts."""
    needed = _needed(columns)
    missing = [name for name in needed if name not in raw]
    if missing:
        raise DataInvalid(f"The data has no column {quoted(missing)}; it has {quoted(sorted(raw))}.")
    if len(raw[columns.treatment]) == 0:
        raise DataInvalid("The data has a header but no rows.")
    twice = sorted({name for name in needed if needed.count(name) > 1})
    if twice:
        raise DataInvalid(f"Column {quoted(twice)} is named twice in columns: a column plays one part.")


def _needed(columns: Columns) -> list[str]:
    optional = [columns.experiment, columns.weight, columns.propensity, columns.time]
    parts = [columns.treatment, columns.outcome, *(feature.name for feature in columns.features), *optional]
    # A cluster may also be the experiment: a school can be both the site and the unit.
    if columns.cluster != columns.experiment:
        parts.append(columns.cluster)
    return [name for name in parts if name is not None]


def require_arms(rows: Mapping[str, int], columns: Columns) -> None:
    """Refuse a table without the control, with one arm only, or with an arm of too few rows or too long a label."""
    _require_short_arms(rows, columns)
    control = columns.control.strip()
    if control not in rows:
        raise DataInvalid(
            f'Treatment column "{columns.treatment}" never has the control "{control}"; '
            f"it has {known_levels(list(rows), sum(rows.values()))}."
        )
    if len(rows) == 1:
        raise DataInvalid(
            f'Treatment column "{columns.treatment}" has one arm only ("{control}"): '
            "an effect needs units of at least two arms."
        )
    scarce = [name for name, count in rows.items() if count < LEAST_ROWS_OF_AN_ARM]
    if scarce:
        shown = known_levels(scarce, sum(rows[name] for name in scarce))
        raise DataInvalid(
            f'Treatment column "{columns.treatment}" has arms with too few rows that have an outcome ({shown}): '
            f"each arm needs at least {LEAST_ROWS_OF_AN_ARM}."
        )


def require_compared_arms(name: str, rows: Integers) -> None:
    """Refuse (experiments, arms) rows of which no experiment tried two arms: nothing would compare any."""
    if not np.any((rows >= LEAST_ROWS_IN_EXPERIMENT).sum(axis=1) > 1):
        raise DataInvalid(
            f'Experiment column "{name}" has {len(rows)} different values in {rows.sum()} rows, and none of them has '
            f"{LEAST_ROWS_IN_EXPERIMENT} rows with an outcome in each of two arms: name a column that has one value "
            "for all units of an experiment, or leave columns.experiment out where all rows are of one experiment."
        )


def _require_short_arms(arms: Iterable[str], columns: Columns) -> None:
    long = sum(len(arm) > LONGEST_ARM for arm in arms)
    if long:
        raise DataInvalid(
            f'Treatment column "{columns.treatment}" has {long} {"label" if long == 1 else "different labels"} of more '
            f"than {LONGEST_ARM} characters, which no Simulation can name: write shorter labels into that column."
        )


def require_complete(name: str, missing: int) -> None:
    """Refuse a column that is empty in some usable rows and must not be."""
    if missing:
        raise DataInvalid(f'Column "{name}" is empty in {missing} rows: it must be known for every row.')


def require_positive_weights(name: str | None, weight: Floats | None) -> None:
    """Refuse negative weights and weights that are all zero."""
    if weight is not None and (weight.min() < 0 or weight.max() <= 0):
        raise DataInvalid(f'Weight column "{name}" has negative weights, or only zeros.')


def require_probabilities(name: str | None, propensity: Floats | None) -> None:
    """Refuse propensities that are not probabilities of something that happened."""
    if propensity is not None and (propensity.min() <= 0 or propensity.max() > 1):
        raise DataInvalid(
            f'Propensity column "{name}" has values outside (0, 1]: '
            "it must hold the probability with which the row's own arm was assigned."
        )


def require_clusters(name: str, clusters: int) -> None:
    """Refuse too few clusters for an interval."""
    if clusters < LEAST_CLUSTERS:
        raise DataInvalid(f'Cluster column "{name}" has {clusters} clusters: an interval needs {LEAST_CLUSTERS}.')
