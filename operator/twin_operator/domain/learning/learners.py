"""The three families of models, behind one function each for a quantity, an event and a choice among arms.

Sizes and rates of the models belong here; what they are used for does not.
"""

from contextlib import AbstractContextManager

import numpy as np
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from twin_operator.domain.table.arrays import Floats, Integers, Mask
from twin_operator.domain.table.columns import Algorithm

# One thread: on a busy machine of two cores two threads took forty times as long as one.
_NATIVE_THREADS = 1
# Small, slow trees: outcomes in marketing are mostly noise, and a model that is too eager costs precision.
_BOOSTING = {"max_iter": 60, "learning_rate": 0.05, "max_leaf_nodes": 8, "early_stopping": False}
# Leaves of twenty units and half of the rows a tree: smooth means at a third of the time of full trees.
_FOREST = {"n_estimators": 50, "min_samples_leaf": 20, "max_features": "sqrt", "max_samples": 0.5, "n_jobs": 1}
# On standardised columns a penalty of one unit only matters where columns repeat each other.
_RIDGE = {"alpha": 1.0}
_LOGISTIC = {"C": 1.0, "max_iter": 1000, "tol": 1e-8}


def one_thread() -> AbstractContextManager[object]:
    """Within it, the native code of all learners runs on one thread."""
    limits: AbstractContextManager[object] = threadpool_limits(_NATIVE_THREADS)
    return limits


class OutcomeModel:
    """One model of an outcome given features: `fit` once, then `predict` means (probabilities for an event)."""

    def __init__(self, algorithm: Algorithm, *, binary: bool, categorical: Mask, seed: int) -> None:
        self._binary = binary
        self._model = _classifier(algorithm, categorical, seed) if binary else _regressor(algorithm, categorical, seed)

    def fit(self, matrix: Floats, outcome: Floats) -> "OutcomeModel":
        """Fit to (n, columns) and (n,)."""
        self._model.fit(matrix, outcome)
        return self

    def predict(self, matrix: Floats) -> Floats:
        """(n,) expected outcomes."""
        if self._binary:
            return np.asarray(self._model.predict_proba(matrix)[:, 1], dtype=np.float64)
        return np.asarray(self._model.predict(matrix), dtype=np.float64)


class ArmModel:
    """One model of which arm a unit gets given its features."""

    def __init__(self, algorithm: Algorithm, *, categorical: Mask, seed: int) -> None:
        self._model = _classifier(algorithm, categorical, seed)
        self._only: int | None = None

    def fit(self, matrix: Floats, arm: Integers) -> "ArmModel":
        """Fit to (n, columns) and (n,) arm codes; where all rows have one arm, that is the model."""
        if arm.min() == arm.max():
            self._only = int(arm[0])
        else:
            self._model.fit(matrix, arm)
        return self

    def predict(self, matrix: Floats, arms: int) -> Floats:
        """(n, arms) probabilities; zero for an arm that was not among the fitted rows."""
        probability = np.zeros((len(matrix), arms))
        if self._only is not None:
            probability[:, self._only] = 1.0
        else:
            probability[:, self._model.classes_] = self._model.predict_proba(matrix)
        return probability


def _classifier(
    algorithm: Algorithm, categorical: Mask, seed: int
) -> HistGradientBoostingClassifier | RandomForestClassifier | LogisticRegression:
    if algorithm is Algorithm.GRADIENT_BOOSTING:
        return HistGradientBoostingClassifier(**_BOOSTING, categorical_features=categorical, random_state=seed)
    if algorithm is Algorithm.RANDOM_FOREST:
        return RandomForestClassifier(**_FOREST, random_state=seed)
    return LogisticRegression(**_LOGISTIC)


def _regressor(
    algorithm: Algorithm, categorical: Mask, seed: int
) -> HistGradientBoostingRegressor | RandomForestRegressor | Ridge:
    if algorithm is Algorithm.GRADIENT_BOOSTING:
        return HistGradientBoostingRegressor(**_BOOSTING, categorical_features=categorical, random_state=seed)
    if algorithm is Algorithm.RANDOM_FOREST:
        return RandomForestRegressor(**_FOREST, random_state=seed)
    return Ridge(**_RIDGE)
