"""A bank that is quickly trained, for contracts and for tests of a real registry."""

from __future__ import annotations

import numpy as np

from twin_operator.domain.table.columns import (
    Algorithm,
    Assignment,
    Better,
    Columns,
    Feature,
    FeatureType,
    Learner,
    OutcomeType,
    Uncertainty,
)
from twin_operator.domain.table.experiment_data import prepare
from twin_operator.domain.train import train
from twin_operator.domain.twin import Bank


def small_bank() -> Bank:
    """Train on 400 rows with a numeric feature, a categorical one, and values that are missing."""
    rng = np.random.default_rng(0)
    features = (Feature("age", FeatureType.NUMERIC), Feature("region", FeatureType.CATEGORICAL))
    columns = Columns(
        features=features,
        treatment="arm",
        control="A",
        outcome="y",
        outcome_type=OutcomeType.CONTINUOUS,
        better=Better.LOWER,
        positive=None,
        experiment=None,
        cluster=None,
        weight=None,
        propensity=None,
        assignment=Assignment.RANDOMIZED,
        time=None,
    )
    raw = {
        "age": np.where(rng.random(400) < 0.1, np.nan, rng.normal(50, 9, 400)),
        "region": rng.choice(np.array(["N", "S"], dtype=object), 400),
        "arm": rng.choice(np.array(["A", "B"], dtype=object), 400),
        "y": rng.normal(size=400),
    }
    return train(prepare(raw, columns), Learner(Algorithm.LINEAR, 5, 0), Uncertainty()).bank
