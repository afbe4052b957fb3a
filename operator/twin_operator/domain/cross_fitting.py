"""Outcome models of each arm, fitted on other folds than they are asked about (Chernozhukov et al. 2018).

The result is m_a(x) for every row and arm; what is made of it belongs to the scores.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twin_operator.domain.arrays import Floats, Identifiers, Integers, Mask
from twin_operator.domain.design import Design, design_of
from twin_operator.domain.experiment_data import ExperimentData
from twin_operator.domain.folds import HELD_OUT, assign_folds, fitted_rows
from twin_operator.domain.learners import OutcomeModel
from twin_operator.domain.schema import Learner

# With fewer rows the choice of folds alone moves the effect noticeably; three choices are averaged.
_FEW_ROWS = 5_000
_SEEDS_OF_FEW_ROWS = 3
# Decimals of the standardised outcome: one part in a billion of an SD is noise to a model, and rounding it away makes
# the same trees grow whatever the unit of measurement was.
_DECIMALS = 9
# Probabilities nearer to 0 or 1 are counted as this near in the log loss, as one wrong certainty would decide alone.
_LEAST_PROBABILITY = 1e-6
# Fitting an event needs some of either kind.
_LEAST_OF_EITHER_KIND = 2


@dataclass(frozen=True)
class OutcomeModels:
    """`prediction`: (n, arms), outcome units; `fold`: (n,); per arm out of fold: `loss`, and `mean_loss` of its mean.

    `learned`: (arms,) whether the arm's model beat its mean and is used. Loss is the log loss of an event, the squared
    error of a quantity in units of its variance.
    """

    prediction: Floats
    fold: Integers
    loss: Floats
    mean_loss: Floats
    learned: Mask


def cross_fit(data: ExperimentData, learner: Learner, progress: Callable[[float], None]) -> OutcomeModels:
    """Fit every arm's model on all folds but one, for each fold; `progress` hears of shares done between 0 and 1."""
    seeds = _fold_seeds(data.rows, learner.seed)
    fits = _Fits(data, learner, progress, len(seeds))
    runs = [fits.run(seed) for seed in seeds]
    learned = np.mean([run.learned for run in runs], axis=0)
    means = np.mean([run.means for run in runs], axis=0)
    return _better_of(data, fits.target, runs[0].fold, learned, means)


def _fold_seeds(rows: int, seed: int) -> list[int]:
    return [seed + extra for extra in range(_SEEDS_OF_FEW_ROWS if rows < _FEW_ROWS else 1)]


@dataclass(frozen=True)
class _Target:
    """The (n,) outcome as the models see it, and the way back to its units."""

    values: Floats
    centre: float
    spread: float

    @staticmethod
    def of(data: ExperimentData) -> "_Target":
        if data.columns.binary:
            return _Target(data.outcome, 0.0, 1.0)
        centre, spread = float(data.outcome.mean()), float(data.outcome.std())
        return _Target(np.round((data.outcome - centre) / spread, _DECIMALS), centre, spread)


@dataclass(frozen=True)
class _Run:
    """Predictions of one choice of folds, (n, arms) each: by the models and by the means."""

    fold: Integers
    learned: Floats
    means: Floats


class _Fits:
    """All fits of one training, one fold and arm at a time."""

    def __init__(self, data: ExperimentData, learner: Learner, progress: Callable[[float], None], runs: int) -> None:
        self.data = data
        self.learner = learner
        self.design: Design = design_of(data, learner.algorithm)
        self.target = _Target.of(data)
        self._progress = progress
        self._total = runs * learner.folds * len(data.arms)
        self._done = 0

    def run(self, seed: int) -> _Run:
        """Predict every row by models that have not seen it; held-out rows by the mean of all folds' models."""
        folds = assign_folds(self.data, self.learner.folds, seed)
        shape = (self.data.rows, len(self.data.arms))
        run = _Run(folds, np.zeros(shape), np.zeros(shape))
        for fold in range(self.learner.folds):
            for arm in range(len(self.data.arms)):
                self._add(run, fold, arm, seed)
        return run

    def _add(self, run: _Run, fold: int, arm: int, seed: int) -> None:
        asked = np.flatnonzero((run.fold == fold) | (run.fold == HELD_OUT))
        share = np.where(run.fold[asked] == HELD_OUT, 1.0 / self.learner.folds, 1.0)
        fitted = np.flatnonzero(fitted_rows(run.fold, fold) & (self.data.arm == arm))
        means = self._means(fitted, asked)
        run.means[asked, arm] += share * means
        run.learned[asked, arm] += share * self._model(fitted, asked, means, seed)
        self._done += 1
        self._progress(self._done / self._total)

    def _model(self, fitted: Identifiers, asked: Identifiers, means: Floats, seed: int) -> Floats:
        """(asked,) predictions, or the means where there is nothing to fit."""
        outcome = self.target.values[fitted]
        binary = self.data.columns.binary
        if fitted.size == 0 or (binary and min(outcome.sum(), (1 - outcome).sum()) < _LEAST_OF_EITHER_KIND):
            return means
        model = OutcomeModel(self.learner.algorithm, binary=binary, categorical=self.design.categorical, seed=seed)
        return model.fit(self.design.rows(fitted), outcome).predict(self.design.rows(asked))

    def _means(self, fitted: Identifiers, asked: Identifiers) -> Floats:
        """(asked,) mean of the arm in the row's experiment, or of the arm where that experiment did not have it."""
        experiments = len(self.data.experiments)
        outcome, experiment = self.target.values[fitted], self.data.experiment[fitted]
        rows = np.bincount(experiment, minlength=experiments)
        overall = float(outcome.mean()) if fitted.size else float(self.target.values.mean())
        totals = np.bincount(experiment, weights=outcome, minlength=experiments)
        means = np.where(rows > 0, totals / np.maximum(rows, 1), overall)
        return np.asarray(means[self.data.experiment[asked]])


def _better_of(data: ExperimentData, target: _Target, fold: Integers, learned: Floats, means: Floats) -> OutcomeModels:
    loss = _losses(data, target.values, fold, learned)
    mean_loss = _losses(data, target.values, fold, means)
    used = loss < mean_loss
    prediction = target.centre + target.spread * np.where(used, learned, means)
    return OutcomeModels(np.asfortranarray(prediction), fold, loss, mean_loss, used)


def _losses(data: ExperimentData, target: Floats, fold: Integers, prediction: Floats) -> Floats:
    """(arms,) mean loss over each arm's own rows that were not held out."""
    own = prediction[np.arange(data.rows), data.arm]
    losses = _log_loss(target, own) if data.columns.binary else (target - own) ** 2
    counted = fold != HELD_OUT
    totals = np.bincount(data.arm[counted], weights=losses[counted], minlength=len(data.arms))
    return np.asarray(totals / np.bincount(data.arm[counted], minlength=len(data.arms)))


def _log_loss(event: Floats, probability: Floats) -> Floats:
    kept = np.clip(probability, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    return np.asarray(-(event * np.log(kept) + (1 - event) * np.log1p(-kept)))
