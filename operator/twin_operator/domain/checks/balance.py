"""Are the arms made of the same kinds of units, in the numbers that were meant? Moments and counts, no models."""

from collections.abc import Collection, Iterator

import numpy as np
from scipy.special import chdtrc, ndtr

from twin_operator.domain.checks.findings import Findings
from twin_operator.domain.checks.randomisation import RandomisedUnits
from twin_operator.domain.table.arrays import Floats
from twin_operator.domain.table.columns import Assignment
from twin_operator.domain.table.experiment_data import ExperimentData

# A tenth of an SD is the usual bound for a difference that matters (Austin 2009).
_NOTABLE_DIFFERENCE = 0.1
# Shares this near to equal (relative) were meant to be equal; others were meant as they are.
_MEANT_EQUAL = 0.1
# A mismatch of the sample ratio spoils an experiment, so it must be practically certain (Fabijan et al. 2019).
_MISMATCH = 0.0005
_DIFFERENT_LOSS = 0.01
_MOST_GAPS_NAMED = 5
_NOTABLE_GAPS = 0.2


def check_balance(data: ExperimentData) -> Findings:
    """The largest standardised difference of a feature's mean between an arm and the control, within experiments."""
    differences = {name: _largest_difference(data, column) for name, column in _balanced_columns(data)}
    if not differences:
        return Findings()
    name = max(differences, key=lambda each: (differences[each], each))
    warning = (
        f'Feature "{name}" differs between arms by {differences[name]:.2f} SD within experiments '
        f"(above {_NOTABLE_DIFFERENCE} is notable): chance in a small experiment, a fault in a large one."
    )
    metrics = {"largest_standardised_mean_difference": differences[name]}
    return Findings(metrics, (warning,) if differences[name] > _NOTABLE_DIFFERENCE else ())


def _balanced_columns(data: ExperimentData) -> Iterator[tuple[str, Floats]]:
    """(name, (n,) numbers): numeric features, and an indicator for each level."""
    for name, values in data.features.items():
        if name not in data.levels:
            yield name, np.asarray(values, dtype=np.float64)
            continue
        for code, level in enumerate(data.levels[name]):
            yield f"{name} = {level}", (values == code).astype(np.float64)


def _largest_difference(data: ExperimentData, column: Floats) -> float:
    known = ~np.isnan(column)
    spread = float(column[known].std()) if known.any() else 0.0
    if spread == 0:
        return 0.0
    size = (len(data.experiments), len(data.arms))
    cells = (data.experiment.astype(np.int64) * size[1] + data.arm)[known]
    rows = np.bincount(cells, minlength=size[0] * size[1]).reshape(size).astype(np.float64)
    totals = np.bincount(cells, weights=column[known], minlength=size[0] * size[1]).reshape(size)
    means = totals / np.maximum(rows, 1)
    # An experiment counts as much as a comparison in it is worth: the harmonic mean of both arms' rows.
    worth = rows * rows[:, :1] / np.maximum(rows + rows[:, :1], 1)
    differences = (worth * (means - means[:, :1])).sum(axis=0) / np.maximum(worth.sum(axis=0), 1e-300)
    return float(np.abs(differences[1:]).max() / spread)


def check_sample_ratio(data: ExperimentData) -> Findings:
    """Do the arms have as many units as was meant: by the given propensities, else by equal shares if nearly so?"""
    p = _p_of_given(data) if data.propensity is not None else _p_of_equal_shares(data)
    if p is None or data.columns.assignment is Assignment.OBSERVATIONAL:
        return Findings()
    warning = (
        f"The arms' sizes differ more from the design than chance allows (p = {p:.1g}): units may have been lost "
        "from one arm, or were not assigned as planned."
    )
    return Findings({"sample_ratio_mismatch_p": p}, (warning,) if p < _MISMATCH else ())


def _p_of_equal_shares(data: ExperimentData) -> float | None:
    """Chi-square over experiments whose arms have nearly equal shares; None where no experiment does."""
    units = RandomisedUnits.of(data, most=None)
    cells = units.experiment.astype(np.int64) * len(data.arms) + units.arm
    counts = np.bincount(cells, minlength=len(data.experiments) * len(data.arms)).reshape(-1, len(data.arms))
    statistic, degrees = 0.0, 0
    for row in counts:
        present = row[row > 0].astype(np.float64)
        if present.size > 1 and np.all(np.abs(present / present.mean() - 1) < _MEANT_EQUAL):
            statistic += float(np.sum((present - present.mean()) ** 2) / present.mean())
            degrees += present.size - 1
    return float(chdtrc(degrees, statistic)) if degrees else None


def _p_of_given(data: ExperimentData) -> float | None:
    """Sums of 1/e over each arm's rows estimate the number of rows; the worst of the arms, corrected for their number.

    Only where rows are the units and every experiment has every arm; otherwise the sums do not estimate it.
    """
    if data.propensity is None or data.columns.cluster is not None or not _complete(data):
        return None
    inverse = 1 / data.propensity
    totals = np.bincount(data.arm, weights=inverse)
    variances = np.bincount(data.arm, weights=inverse**2 - inverse)
    if np.any(variances <= 0):
        return None
    z = np.abs(totals - data.rows) / np.sqrt(variances)
    return float(min(1.0, len(data.arms) * 2 * ndtr(-z.max())))


def _complete(data: ExperimentData) -> bool:
    cells = np.unique(data.experiment.astype(np.int64) * len(data.arms) + data.arm)
    return bool(cells.size == len(data.experiments) * len(data.arms))


def check_gaps(data: ExperimentData, left_out: Collection[str] = ()) -> Findings:
    """Shares of missing values, of features and of outcomes by arm; features `left_out` are warned of elsewhere."""
    shares = {name: _missing_share(values) for name, values in data.features.items()}
    metrics = {"largest_missing_share": max(shares.values(), default=0.0)}
    notable = (name for name in shares if shares[name] > _NOTABLE_GAPS and name not in left_out)
    scarce = sorted(notable, key=lambda name: (-shares[name], name))
    named = ", ".join(f'"{name}" ({shares[name]:.0%})' for name in scarce[:_MOST_GAPS_NAMED])
    warnings = (f"Features with many missing values: {named}.",) if scarce else ()
    return Findings(metrics, warnings) + _lost_outcomes(data)


def _missing_share(values: np.ndarray) -> float:
    return float(np.mean(values < 0 if values.dtype.kind == "i" else np.isnan(values)))


def _lost_outcomes(data: ExperimentData) -> Findings:
    """Rows without an outcome, by arm: a chi-square test of whether the arms lost different shares."""
    kept = np.bincount(data.arm, minlength=len(data.arms)).astype(np.float64)
    lost = np.array([data.dropped.get(arm, 0) for arm in data.arms], dtype=np.float64)
    total = kept + lost
    share = lost.sum() / total.sum()
    metrics = {"dropped_share": float(share)}
    if share == 0:
        return Findings(metrics)
    statistic = float(np.sum((lost - share * total) ** 2 / (share * (1 - share) * total)))
    listed = ", ".join(f"{arm} {part:.1%}" for arm, part in zip(data.arms, lost / total, strict=True))
    warnings = [f"{int(lost.sum())} rows without an outcome were dropped ({listed})."]
    if chdtrc(len(data.arms) - 1, statistic) < _DIFFERENT_LOSS:
        warnings.append("Outcomes are missing more often in some arms than in others, which can bias the effect.")
    return Findings(metrics, tuple(warnings))
