"""What a careful reader of a table would ask about: labels, features, rows and weights as they are. No models."""

from collections.abc import Iterator

import numpy as np

from twin_operator.domain.checks.findings import Findings
from twin_operator.domain.table.arrays import FeatureValues, Floats, Identifiers, Mask
from twin_operator.domain.table.experiment_data import ExperimentData
from twin_operator.domain.table.known_levels import may_be_shown, quoted
from twin_operator.domain.table.look_alikes import LookAlikes, look_alikes, spelled_apart

# Of the rows with a value: a level for nearly every row, as names and identifiers have.
_NEARLY_EVERY = 0.9
# With fewer rows, ages or dates of entry can be all different by chance.
_LEAST_ROWS_OF_AN_IDENTIFIER = 50
# Whole numbers that are all different in a narrower range may count something; running numbers of a small file do, too.
_RANGE_OF_IDENTIFIERS = 1e6
_LARGEST_EXACT = 2.0**53
# Fewer repeated rows may be honest coincidences, and move no estimate.
_NOTABLE_REPEATS = 0.01
# Share of the rows: units with a value that so many have are not like those with the values next to it.
_FREQUENT = 0.01
_TIMES_CHANCE = 2
# A unit of this share decides about its arm's mean, and the interval cannot show it.
_LARGE_SHARE = 0.05
# With up to forty units, shares above 5 % are usual: they are a matter for the degrees of freedom.
_MANY_UNITS = 40
_MOST_ARMS_NAMED = 5


def check_questionable_data(data: ExperimentData) -> Findings:
    """Warnings about what was taken as it is and should be checked."""
    sentences = (_alike(data), _identifiers(data), _repeats(data), _heavy_units(data))
    return Findings({}, tuple(sentence for part in sentences for sentence in part))


def _alike(data: ExperimentData) -> Iterator[str]:
    """A sentence for each column of labels of which some resemble each other."""
    for name, labels in _labelled_columns(data):
        found = look_alikes(labels)
        if found:
            yield (
                f'Column "{name}" has {found.pairs} {"pair" if found.pairs == 1 else "pairs"} of different labels that '
                f"resemble each other{_example(found) if may_be_shown(labels, data.rows) else ''}: "
                "correct the data where they mean the same."
            )


def _example(found: LookAlikes) -> str:
    first, second = spelled_apart(*found.first)
    return f", such as {first} and {second}"


def _labelled_columns(data: ExperimentData) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield data.columns.treatment, data.arms
    if data.columns.experiment is not None:
        yield data.columns.experiment, data.experiments
    # An identifier is to be left out, whatever its labels are.
    yield from ((name, labels) for name, labels in data.levels.items() if not _identifying(data, name))


def _identifiers(data: ExperimentData) -> Iterator[str]:
    found = [name for name in data.features if _identifying(data, name)]
    if found:
        yield (
            f"{'Feature' if len(found) == 1 else 'Features'} {quoted(found)}: a different value in nearly every row "
            "resembles an identifier; leave it out of columns.features unless it measures something."
        )


def _identifying(data: ExperimentData, name: str) -> bool:
    values = data.features[name]
    return _nearly_all_different(values) if name in data.levels else _numbered(values)


def _nearly_all_different(codes: FeatureValues) -> bool:
    """Whether most rows have a level of their own."""
    known = np.asarray(codes[codes >= 0], dtype=np.int64)
    alone = np.count_nonzero(np.bincount(known) == 1)
    return known.size >= _LEAST_ROWS_OF_AN_IDENTIFIER and bool(alone > _NEARLY_EVERY * known.size)


def _numbered(values: FeatureValues) -> bool:
    """Whether a number is an identifier: whole, all different, and too far apart to count anything."""
    known = np.asarray(values[~np.isnan(values)], dtype=np.float64)
    if known.size < _LEAST_ROWS_OF_AN_IDENTIFIER or not np.array_equal(known, np.floor(known)):
        return False
    distinct = np.unique(known).size
    # Beyond this, neighbours are rounded to the same number.
    if np.abs(known).max() > _LARGEST_EXACT:
        return distinct > _NEARLY_EVERY * known.size
    return distinct == known.size and bool(np.ptp(known) > _RANGE_OF_IDENTIFIERS)


def _repeats(data: ExperimentData) -> Iterator[str]:
    repeated = data.rows - np.unique(data.content).size
    least = _NOTABLE_REPEATS * data.rows
    if repeated > least and any(_repeats_by_fault(data, values, least) for values in _telling(data)):
        yield (
            f"{repeated} of {data.rows} rows repeat another row in every column, more than chance explains: "
            "remove rows that were loaded twice, or name the randomised unit in columns.cluster."
        )


def _telling(data: ExperimentData) -> Iterator[Floats]:
    """(n,) numbers that differ between units; where clusters are named a feature may be the cluster's, and does not."""
    if not data.columns.binary:
        yield data.outcome
    if data.columns.cluster is None:
        numbers = (values for name, values in data.features.items() if name not in data.levels)
        # No copies: a column is recognised by its array.
        yield from (np.asarray(values, dtype=np.float64) for values in numbers)


def _repeats_by_fault(data: ExperimentData, values: Floats, least: float) -> bool:
    """Whether rows with the same of (n,) values are equal as a whole more often than rows with neighbouring values.

    Units that differ little in a number are equal in all other columns as often as units that share it by chance. Rows
    are compared with the next in the order of the values; within one value the order is that of hashes. Frequent
    values, such as a zero, say something of their units, so those rows are left out, and few values are all frequent.
    """
    first, second = _neighbours(values)
    shared = values[first] == values[second]
    alike = _equal_but_for(data, values, first, second)
    found, pairs = int(np.count_nonzero(alike & shared)), int(np.count_nonzero(shared))
    by_chance = pairs * float(np.mean(alike[~shared])) if pairs < shared.size else 0.0
    return found - by_chance > least and found > _TIMES_CHANCE * by_chance


def _neighbours(values: Floats) -> tuple[Identifiers, Identifiers]:
    """(pairs,) rows with infrequent values, and of each the row that comes next in the order of (n,) values."""
    rows = np.flatnonzero(~np.isnan(values))
    rows = rows[np.argsort(values[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(values[rows], prepend=np.nan) != 0)
    sizes = np.diff(starts, append=rows.size)
    rows = rows[np.repeat(sizes <= _FREQUENT * values.size, sizes)]
    return rows[:-1], rows[1:]


def _equal_but_for(data: ExperimentData, values: Floats, first: Identifiers, second: Identifiers) -> Mask:
    """(pairs,) whether two rows are equal in every column but the one with these values."""
    equal = np.ones(first.size, dtype=bool)
    for column in _used_columns(data):
        if column is not values:
            one, other = column[first], column[second]
            equal &= (one == other) | ((one != one) & (other != other))  # noqa: PLR0124 - NaN differs from itself
    return equal


def _used_columns(data: ExperimentData) -> Iterator[FeatureValues | Identifiers]:
    """All (n,) columns that the content of a row consists of."""
    yield from (data.arm, data.outcome, data.experiment, data.weight)
    yield from (column for column in (data.propensity, data.time) if column is not None)
    yield from data.features.values()
    if data.columns.cluster is not None:
        yield data.cluster


def _heavy_units(data: ExperimentData) -> Iterator[str]:
    """A sentence with the arms of many units of which one has a large share of the weight; the unit is not named."""
    what = "row" if data.columns.cluster is None else "cluster"
    shares = sorted(((_largest_share(data, code), arm) for code, arm in enumerate(data.arms)), reverse=True)
    heavy = [f'"{arm}" ({share:.0%})' for share, arm in shares if share > _LARGE_SHARE]
    if heavy:
        more = f" and {len(heavy) - _MOST_ARMS_NAMED} more" if len(heavy) > _MOST_ARMS_NAMED else ""
        yield (
            f"One {what} has more than {_LARGE_SHARE:.0%} of the weight of an arm: "
            f"{', '.join(heavy[:_MOST_ARMS_NAMED])}{more}. Its outcome alone can move the effect."
        )


def _largest_share(data: ExperimentData, arm: int) -> float:
    """The share of one unit in the weight of an arm; 0 where the arm has few units or no weight."""
    own = data.arm == arm
    unit = np.unique(data.cluster[own], return_inverse=True)[1]
    weight = np.bincount(unit, weights=data.weight[own])
    return float(weight.max() / weight.sum()) if weight.size > _MANY_UNITS and weight.sum() > 0 else 0.0
