"""Folds, and outcome models of each arm fitted on other folds than they predict (Chernozhukov et al. 2018).

The result is m_a(x) for every row and arm, by the algorithm with the lowest out-of-fold loss where a plan has several;
what is made of it belongs to the scores.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from twin_operator.domain.learning.design import Design, Units, encoding_of
from twin_operator.domain.learning.features_in_use import left_out, without_features
from twin_operator.domain.learning.learners import OutcomeModel
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.arrays import Floats, Identifiers, Integers, Mask
from twin_operator.domain.table.columns import Learner
from twin_operator.domain.table.digests import reseeded
from twin_operator.domain.table.experiment_data import ExperimentData

HELD_OUT = -1
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


def assign_folds(data: ExperimentData, folds: int, seed: int) -> Integers:
    """(n,) folds 0..folds-1, and -1 where held out; a cluster is never split.

    Units are dealt like cards after sorting by experiment, arm, share of events and a seeded hash, which balances all
    three over the folds to within one unit.
    """
    units, first, unit_of_row = np.unique(data.cluster, return_index=True, return_inverse=True)
    chance = reseeded(data.unit_hash[first], seed)
    order = np.lexsort((chance, _event_share(data, unit_of_row), data.arm[first], data.experiment[first]))
    fitted = order[~data.held_out[first][order]]
    fold_of_unit = np.full(units.size, HELD_OUT, dtype=np.int32)
    fold_of_unit[fitted] = np.arange(fitted.size) % folds
    return fold_of_unit[unit_of_row]


def _event_share(data: ExperimentData, unit_of_row: Identifiers) -> Floats:
    """(units,) share of events, all equal for a quantity, whose scale must not decide about folds."""
    rows = np.bincount(unit_of_row)
    if not data.columns.binary:
        return np.zeros(rows.size)
    return np.asarray(np.bincount(unit_of_row, weights=data.outcome) / rows)


def fitted_rows(folds: Integers, fold: int) -> Mask:
    """(n,) rows that the model of a fold is fitted on: neither the fold's own nor held out."""
    return np.asarray((folds != fold) & (folds != HELD_OUT))


@dataclass(frozen=True)
class OutcomeModels:
    """`prediction`: (n, arms), outcome units; `fold`: (n,); per arm out of fold: `loss`, and `mean_loss` of its mean.

    `learned`: (arms,) whether the arm's model beat its mean and is used. Loss is the log loss of an event, the squared
    error of a quantity in units of its variance. `left_out`: the features that no model uses, and why.
    """

    prediction: Floats
    fold: Integers
    loss: Floats
    mean_loss: Floats
    learned: Mask
    left_out: Mapping[str, str]


def cross_fit(
    data: ExperimentData, learner: Learner, progress: Callable[[float], None], seeds: int | None = None
) -> OutcomeModels:
    """Fit every arm's model on all folds but one, for each fold; `progress` hears of shares done between 0 and 1.

    Averages over `seeds` choices of folds: by default as many as the number of rows asks for.
    """
    return _Fits(data, learner, progress, seeds or usual_seeds(data.rows)).average().own


def predict_others(data: ExperimentData, learner: Learner, others: Units, seeds: int | None = None) -> Floats:
    """(h, arms) predictions for other units, in outcome units: those that they would have had as held-out rows.

    `others` are (h,) units in the codes of `data`, -1 where a level or an experiment is unknown there.
    """
    return _Fits(data, learner, lambda _share: None, seeds or usual_seeds(data.rows), others).average().others


def usual_seeds(rows: int) -> int:
    """How many choices of folds are averaged unless a plan says otherwise."""
    return _SEEDS_OF_FEW_ROWS if rows < _FEW_ROWS else 1


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
    """Predictions of one choice of folds, (rows, arms) each: by the models and by the means."""

    fold: Integers
    learned: Floats
    means: Floats


@dataclass(frozen=True)
class _Average:
    """Over all choices of folds: the models of the table's `own` rows, and (h, arms) predictions for the `others`."""

    own: OutcomeModels
    others: Floats


class _Fits:
    """All fits of one training, one fold and arm at a time. `others` are asked about and have no part in a fit."""

    def __init__(
        self,
        data: ExperimentData,
        learner: Learner,
        progress: Callable[[float], None],
        runs: int,
        others: Units | None = None,
    ) -> None:
        self.data = data
        self.learner = learner
        self.target = _Target.of(data)
        self._seeds = [learner.seed + extra for extra in range(runs)]
        self.left_out = left_out(data, (assign_folds(data, learner.folds, seed) for seed in self._seeds))
        self.design, self.experiment = _asked(without_features(data, self.left_out), learner, others)
        self._progress = progress
        self._total = runs * learner.folds * len(data.arms)
        self._done = 0

    def average(self) -> _Average:
        """Fit everything, and use the models of the arms where they are better than the means."""
        runs = [self.run(seed) for seed in self._seeds]
        learned: Floats = np.mean([run.learned for run in runs], axis=0)
        means: Floats = np.mean([run.means for run in runs], axis=0)
        rows, fold = self.data.rows, runs[0].fold[: self.data.rows]
        loss = _losses(self.data, self.target.values, fold, learned[:rows])
        mean_loss = _losses(self.data, self.target.values, fold, means[:rows])
        used = loss < mean_loss
        prediction = self.target.centre + self.target.spread * np.where(used, learned, means)
        own = OutcomeModels(np.asfortranarray(prediction[:rows]), fold, loss, mean_loss, used, self.left_out)
        return _Average(own, prediction[rows:])

    def run(self, seed: int) -> _Run:
        """Predict every row by models that have not seen it; those of no fold by the mean of all folds' models."""
        folds = np.full(self.experiment.size, HELD_OUT, dtype=np.int32)
        folds[: self.data.rows] = assign_folds(self.data, self.learner.folds, seed)
        shape = (self.experiment.size, len(self.data.arms))
        run = _Run(folds, np.zeros(shape), np.zeros(shape))
        for fold in range(self.learner.folds):
            for arm in range(len(self.data.arms)):
                self._add(run, fold, arm, seed)
        return run

    def _add(self, run: _Run, fold: int, arm: int, seed: int) -> None:
        asked = np.flatnonzero((run.fold == fold) | (run.fold == HELD_OUT))
        share = np.where(run.fold[asked] == HELD_OUT, 1.0 / self.learner.folds, 1.0)
        fitted = np.flatnonzero(fitted_rows(run.fold[: self.data.rows], fold) & (self.data.arm == arm))
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
        """(asked,) mean of the arm in the row's experiment, or of the arm where that experiment did not have it.

        An unknown experiment, -1, is the last of the means.
        """
        experiments = len(self.data.experiments)
        outcome, experiment = self.target.values[fitted], self.data.experiment[fitted]
        rows = np.bincount(experiment, minlength=experiments)
        overall = float(outcome.mean()) if fitted.size else float(self.target.values.mean())
        totals = np.bincount(experiment, weights=outcome, minlength=experiments)
        means = np.append(np.where(rows > 0, totals / np.maximum(rows, 1), overall), overall)
        return np.asarray(means[self.experiment[asked]])


def _asked(data: ExperimentData, learner: Learner, others: Units | None) -> tuple[Design, Integers]:
    """The design and the experiment of all who are asked about: the table's rows, then the others."""
    encoding = encoding_of(data, learner.algorithm)
    design = encoding.design(data)
    if others is None:
        return design, data.experiment
    matrix = np.asfortranarray(np.vstack([design.matrix, encoding.design(others).matrix]))
    return Design(matrix, design.categorical), np.concatenate([data.experiment, others.experiment])


def _losses(data: ExperimentData, target: Floats, fold: Integers, prediction: Floats) -> Floats:
    """(arms,) mean loss over each arm's own rows that were not held out."""
    own = prediction[np.arange(data.rows), data.arm]
    losses = log_loss(target, own) if data.columns.binary else (target - own) ** 2
    counted = fold != HELD_OUT
    totals = np.bincount(data.arm[counted], weights=losses[counted], minlength=len(data.arms))
    return np.asarray(totals / np.bincount(data.arm[counted], minlength=len(data.arms)))


def log_loss(event: Floats, probability: Floats) -> Floats:
    """(n,) log loss of (n,) probabilities of (n,) events, 0 or 1; certainty counts as nearly certain."""
    kept = np.clip(probability, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    return np.asarray(-(event * np.log(kept) + (1 - event) * np.log1p(-kept)))


def fit_by_plan(
    data: ExperimentData, plan: TrainingPlan, progress: Callable[[float], None]
) -> tuple[OutcomeModels, TrainingPlan]:
    """The chosen models, and the plan as it was followed: nothing is left to choose in it."""
    seeds = plan.seed_count(usual_seeds(data.rows))
    algorithms = plan.candidates or (plan.algorithm,)
    settled = [replace(plan, algorithm=each, seeds=seeds, seed_factor=1, candidates=()) for each in algorithms]
    fitted = []
    for number, each in enumerate(settled):
        share = _part(progress, number, len(settled))
        fitted.append((cross_fit(data, each.learner, share, seeds), each))
    models, chosen = min(fitted, key=lambda pair: loss_in_use(data, pair[0]))
    if plan.candidates:
        chosen = replace(chosen, reason=f"{plan.reason} {chosen.algorithm} had the lowest loss.".strip())
    return models, chosen


def loss_in_use(data: ExperimentData, models: OutcomeModels) -> float:
    """Mean out-of-fold loss over rows of all arms, each by what the twin uses: its model, or its mean where better."""
    rows = np.bincount(data.arm[models.fold != HELD_OUT], minlength=len(data.arms))
    used = np.where(models.learned, models.loss, models.mean_loss)
    return float(rows @ used / rows.sum())


def _part(progress: Callable[[float], None], number: int, of: int) -> Callable[[float], None]:
    return lambda share: progress((number + share) / of)
