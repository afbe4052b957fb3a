"""What a careful reader of a table would ask about: labels, features, rows and weights as they are. No models."""

from collections.abc import Iterator

import numpy as np

from twin_operator.domain.checks.findings import Findings
from twin_operator.domain.table.arrays import FeatureValues, Floats, Identifiers
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
    _, first, rows = np.unique(data.content, return_index=True, return_counts=True)
    least = max(1.0, _NOTABLE_REPEATS * data.rows)
    if data.rows - first.size <= least:
        return
    repeated = max((_unexplained(values[first], rows) for values in _telling(data)), default=0)
    if repeated > least:
        yield (
            f"{repeated} of {data.rows} rows repeat another row in every column, more than chance explains: "
            "remove rows that were loaded twice, or name the randomised unit in columns.cluster."
        )


def _telling(data: ExperimentData) -> Iterator[Floats]:
    """(n,) numbers that differ between units; where clusters are named a feature may be the cluster's, and does not."""
    if not data.columns.binary:
        yield data.outcome
    if data.columns.cluster is None:
        yield from (
            np.asarray(values, dtype=np.float64) for name, values in data.features.items() if name not in data.levels
        )


def _unexplained(values: Floats, rows: Identifiers) -> int:
    """Rows beyond the first of (m,) distinct rows that occur `rows` times, by one column; 0 where chance explains them.

    Units that share a number by chance differ in other columns: their rows are distinct and share the value. Where
    more rows are repeated as a whole than share a value between distinct rows, it is not chance. Only values of one
    distinct row count, so a frequent zero explains its repetitions.
    """
    known = ~np.isnan(values)
    _, position, occurrences = np.unique(values[known], return_inverse=True, return_counts=True)
    own = occurrences[position] == 1
    repeated = int((rows[known][own] - 1).sum())
    return repeated if repeated > np.count_nonzero(~own) else 0


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
