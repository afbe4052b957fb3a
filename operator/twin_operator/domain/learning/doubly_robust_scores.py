"""Doubly robust scores: the outcome each unit would have under each arm, noisy but without bias."""

import numpy as np

from twin_operator.domain.learning.cross_fitting import OutcomeModels
from twin_operator.domain.learning.propensity import Propensity
from twin_operator.domain.table.arrays import Floats
from twin_operator.domain.table.experiment_data import ExperimentData
from twin_operator.domain.twin import Bank


def doubly_robust_scores(data: ExperimentData, prediction: Floats, probability: Floats) -> Floats:
    """psi, (n, arms): m_a(x) + 1{w = a}/e_a (y - m_a(x)) (Robins, Rotnitzky and Zhao 1994)."""
    rows = np.arange(data.rows)
    own = probability[rows, data.arm]
    correction = np.divide(data.outcome - prediction[rows, data.arm], own, out=np.zeros(data.rows), where=own > 0)
    score = prediction.copy(order="F")
    score[rows, data.arm] += correction
    return score


def bank_of(data: ExperimentData, models: OutcomeModels, propensity: Propensity) -> Bank:
    """The bank of these rows, models and probabilities."""
    return Bank(
        columns=data.columns,
        arms=data.arms,
        experiments=data.experiments,
        levels=data.levels,
        features=data.features,
        arm=data.arm,
        outcome=data.outcome,
        propensity=propensity.probability,
        nuisance=models.prediction,
        score=doubly_robust_scores(data, models.prediction, propensity.probability),
        possible=propensity.possible,
        experiment=data.experiment,
        cluster=data.cluster,
        weight=data.weight,
        time=data.time,
        fold=models.fold,
        held_out=data.held_out,
        unit_hash=data.unit_hash,
        content=data.content,
    )
