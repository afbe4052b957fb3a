"""Small tables of past experiments with known effects, for the tests of the domain."""

from dataclasses import replace
from typing import Any

import numpy as np

from twin_operator.domain.learning.cross_fitting import assign_folds, cross_fit
from twin_operator.domain.learning.doubly_robust_scores import bank_of
from twin_operator.domain.learning.learners import one_thread
from twin_operator.domain.learning.propensity import propensity_of
from twin_operator.domain.table.columns import (
    Algorithm,
    Columns,
    Feature,
    FeatureType,
    Learner,
    OutcomeType,
    Uncertainty,
)
from twin_operator.domain.table.experiment_data import ExperimentData, prepare
from twin_operator.domain.train import TrainedTwin, train
from twin_operator.domain.twin import Bank, Contrast, TauWeights, tau_weights

Table = dict[str, np.ndarray[Any, Any]]
LINEAR = Learner(Algorithm.LINEAR, folds=3)
COLUMNS = Columns(
    features=(
        Feature("age", FeatureType.NUMERIC),
        Feature("visits", FeatureType.NUMERIC),
        Feature("region", FeatureType.CATEGORICAL),
    ),
    treatment="arm",
    control="none",
    outcome="spend",
    outcome_type=OutcomeType.CONTINUOUS,
)
BINARY = replace(COLUMNS, outcome="bought", outcome_type=OutcomeType.BINARY)
SITES = replace(COLUMNS, experiment="site")


def trial(rows: int = 600, seed: int = 0, effect: float = 1.0, sites: int = 1, between: float = 0.0) -> Table:
    """A randomised trial of "letter" and "none": spend rises by `effect`, which differs between sites by `between`."""
    rng = np.random.default_rng(seed)
    age, visits = rng.normal(50, 10, rows), rng.poisson(3, rows).astype(float)
    region = rng.choice(["north", "south", "west"], rows)
    treated = rng.permutation(np.arange(rows) % 2)
    site = np.arange(rows) % sites
    site_effect = effect + between * rng.normal(size=sites)
    noise = rng.normal(0, 2, rows)
    spend = 0.1 * age + 0.5 * visits + (region == "west") + site_effect[site] * treated + noise
    return {
        "arm": np.where(treated == 1, "letter", "none").astype(object),
        "age": age,
        "visits": visits,
        "region": region.astype(object),
        "spend": spend,
        "bought": (spend > np.median(spend)).astype(float),
        "site": np.array([f"site {number:02d}" for number in site], dtype=object),
        "household": np.arange(rows) // 4,
    }


def twin(table: Table, columns: Columns = COLUMNS, learner: Learner = LINEAR) -> TrainedTwin:
    """A twin of the table with default uncertainty."""
    return train(prepare(table, columns), learner, Uncertainty())


def contrast_between(trained: TrainedTwin, arm: str, against: str) -> Contrast:
    """The contrast of two arms."""
    return next(each for each in trained.contrasts if (each.arm, each.against) == (arm, against))


def weights_for(trained: TrainedTwin, arm: str = "letter", against: str = "none") -> TauWeights:
    """The default tau weights of two arms."""
    return tau_weights(contrast_between(trained, arm, against), Uncertainty().between_experiment_scale)


def certain(experiments: int = 6) -> TauWeights:
    """Weights by which effects never differ between experiments, from a calibrated twin."""
    return TauWeights(np.zeros(1), np.ones(1), experiments, 0)


def rows_of(bank: Bank) -> np.ndarray[Any, Any]:
    """Indices of all rows."""
    return np.arange(bank.rows)


def bank_for(data: ExperimentData, learner: Learner = LINEAR) -> Bank:
    """The bank of a training without its checks."""
    propensity = propensity_of(data, learner, assign_folds(data, learner.folds, learner.seed))
    with one_thread():
        return bank_of(data, cross_fit(data, learner, lambda _share: None), propensity)
