"""The probability with which each unit gets each arm: given, the design's shares, or estimated. No outcome."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from twin_operator.domain.errors import NoOverlap
from twin_operator.domain.learning.cross_fitting import HELD_OUT, fitted_rows
from twin_operator.domain.learning.design import design_of
from twin_operator.domain.learning.learners import ArmModel
from twin_operator.domain.table.arrays import Floats, Integers, Mask
from twin_operator.domain.table.columns import Assignment, Learner
from twin_operator.domain.table.experiment_data import ExperimentData
from twin_operator.domain.table.table_rules import LEAST_ROWS_IN_EXPERIMENT

# Estimated probabilities nearer to 0 or 1 would let a few units decide: a unit counts at most fifty times.
CLIP = 0.02
# Where more than one unit in twenty is clipped, the arms were given to different kinds of units.
_MOST_CLIPPED = 0.05
LEAST_EFFECTIVE_ROWS = 50.0


@dataclass(frozen=True)
class Propensity:
    """`probability`: (n, arms), 0 where not possible; `possible`: (n, arms); the share of rows that were clipped."""

    probability: Floats
    possible: Mask
    clipped_share: float = 0.0


def propensity_of(data: ExperimentData, learner: Learner, fold: Integers) -> Propensity:
    """Each row's probabilities of the arms; raises `NoOverlap` for observational data only."""
    counts = _counts(data)
    possible = (counts >= LEAST_ROWS_IN_EXPERIMENT)[data.experiment]
    shares = _within(counts.astype(np.float64)[data.experiment], possible)
    if data.propensity is not None:
        return Propensity(_given(data, data.propensity, shares), possible)
    if data.columns.assignment is Assignment.OBSERVATIONAL:
        return _estimated(data, learner, fold, possible)
    return Propensity(shares, possible)


def _counts(data: ExperimentData) -> Integers:
    """(experiments, arms) rows."""
    cells = data.experiment * len(data.arms) + data.arm
    size = len(data.experiments) * len(data.arms)
    return np.bincount(cells, minlength=size).reshape(-1, len(data.arms)).astype(np.int32)


def _within(probability: Floats, possible: Mask) -> Floats:
    """(n, arms) rescaled to sum to 1 over the possible arms."""
    kept = np.where(possible, probability, 0.0)
    total = kept.sum(axis=1, keepdims=True)
    return np.asfortranarray(kept / np.where(total > 0, total, 1.0))


def _given(data: ExperimentData, own: Floats, shares: Floats) -> Floats:
    """(n, arms): the given probability of the own arm; the rest is spread as the other arms' shares, and never used."""
    rows = np.arange(data.rows)
    others = shares.copy(order="F")
    others[rows, data.arm] = 0.0
    total = others.sum(axis=1, keepdims=True)
    spread: Floats = others / np.where(total > 0, total, 1.0) * (1 - own)[:, None]
    spread[rows, data.arm] = own
    return spread


def _estimated(data: ExperimentData, learner: Learner, fold: Integers, possible: Mask) -> Propensity:
    raw = _cross_fitted(data, learner, fold)
    calibrated = _within(_calibrated(data, raw, fold), possible)
    outside = (calibrated < CLIP) | ((calibrated > 1 - CLIP) & (possible.sum(axis=1, keepdims=True) > 1))
    clipped_share = float((outside & possible).any(axis=1).mean())
    clipped = np.asfortranarray(np.where(possible, np.clip(calibrated, CLIP, 1 - CLIP), 0.0))
    _require_overlap(data, clipped, clipped_share)
    return Propensity(clipped, possible, clipped_share)


def _cross_fitted(data: ExperimentData, learner: Learner, fold: Integers) -> Floats:
    """(n, arms) probabilities by models that have not seen the row."""
    design = design_of(data, learner.algorithm)
    probability = np.zeros((data.rows, len(data.arms)))
    for number in range(learner.folds):
        fitted = fitted_rows(fold, number)
        asked = (fold == number) | (fold == HELD_OUT)
        share = np.where(fold[asked] == HELD_OUT, 1.0 / learner.folds, 1.0)
        model = ArmModel(learner.algorithm, categorical=design.categorical, seed=learner.seed)
        model.fit(design.rows(fitted), data.arm[fitted])
        probability[asked] += share[:, None] * model.predict(design.rows(asked), len(data.arms))
    return probability


def _calibrated(data: ExperimentData, raw: Floats, fold: Integers) -> Floats:
    """(n, arms): a logistic regression of the arm on the log odds against the control (Platt 1999, several classes)."""
    log_raw = np.log(np.clip(raw, CLIP**2, 1.0))
    odds = log_raw[:, 1:] - log_raw[:, :1]
    seen = fold != HELD_OUT
    # C: practically no penalty; there are a few coefficients and hundreds of rows.
    model = LogisticRegression(C=1e6, max_iter=1000, tol=1e-8).fit(odds[seen], data.arm[seen])
    return np.asarray(model.predict_proba(odds), dtype=np.float64)


def _require_overlap(data: ExperimentData, probability: Floats, clipped_share: float) -> None:
    if clipped_share > _MOST_CLIPPED:
        raise NoOverlap(
            f"For {clipped_share:.0%} of the units one of the arms was practically out of reach "
            f"(estimated probability under {CLIP:g}): compare arms among units that could have had either."
        )
    for arm, size in enumerate(effective_rows(data, probability)):
        if size < LEAST_EFFECTIVE_ROWS:
            raise NoOverlap(
                f'Arm "{data.arms[arm]}" has units like the others worth only {size:.0f} rows '
                f"(at least {LEAST_EFFECTIVE_ROWS:.0f} are needed): the arms were given to different kinds of units."
            )


def effective_rows(data: ExperimentData, probability: Floats) -> Floats:
    """(arms,) effective sample size of each arm's own rows, weighted by data weight over probability (Kish 1965)."""
    own = probability[np.arange(data.rows), data.arm]
    weight = np.where(own > 0, data.weight, 0.0) / np.where(own > 0, own, 1.0)
    total = np.bincount(data.arm, weights=weight, minlength=len(data.arms))
    squares = np.bincount(data.arm, weights=weight**2, minlength=len(data.arms))
    return np.asarray(total**2 / np.where(squares > 0, squares, 1.0))
