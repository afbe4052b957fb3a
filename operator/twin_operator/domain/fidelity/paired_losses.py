"""Two versions of a twin asked about the same rows that neither was fitted on. Losses only, no verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twin_operator.domain.errors import DataInvalid
from twin_operator.domain.learning.cross_fitting import log_loss, predict_others, usual_seeds
from twin_operator.domain.learning.learners import one_thread
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.arrays import FeatureValues, Floats, Identifiers, Integers
from twin_operator.domain.table.experiment_data import ExperimentData
from twin_operator.domain.twin import Bank


@dataclass(frozen=True)
class PairedLosses:
    """(h,) losses of the candidate and of the champion on the same rows, and (h,) codes of their randomised units.

    Log loss of an event; squared error of a quantity, in squared outcome units.
    """

    candidate: Floats
    champion: Floats
    cluster: Identifiers


def held_out_losses(candidate: Bank, champion: Bank, champion_plan: TrainingPlan) -> PairedLosses:
    """Losses of m_own-arm(x) on the candidate's held-out rows whose own arm the champion knows.

    The candidate's predictions are in its bank; the champion is refitted from its own bank as `champion_plan` was
    run: the same folds, and its held-out rows, which have the same hashes as the candidate's, never fitted.
    Raises `DataInvalid` where the two were trained on different columns.
    """
    if candidate.columns != champion.columns:
        raise DataInvalid(
            "The two versions were trained on different columns: they cannot be compared on the same rows."
        )
    known = _translation(candidate.arms, champion.arms)
    rows = np.flatnonzero(candidate.held_out & (known[candidate.arm] >= 0))
    if rows.size == 0:
        return PairedLosses(np.empty(0), np.empty(0), candidate.cluster[rows])
    predicted = _champion_predictions(champion, champion_plan, _asked(candidate, champion, rows))
    positions = np.arange(rows.size)
    own = candidate.nuisance[rows, candidate.arm[rows]]
    return PairedLosses(
        _losses(candidate, rows, own),
        _losses(candidate, rows, predicted[positions, known[candidate.arm[rows]]]),
        candidate.cluster[rows],
    )


def _champion_predictions(champion: Bank, plan: TrainingPlan, asked: "_AskedRows") -> Floats:
    with one_thread():
        return predict_others(table_of(champion), plan.learner, asked, plan.seed_count(usual_seeds(champion.rows)))


def _losses(bank: Bank, rows: Identifiers, predicted: Floats) -> Floats:
    outcome = bank.outcome[rows]
    return log_loss(outcome, predicted) if bank.columns.binary else np.asarray((outcome - predicted) ** 2)


@dataclass(frozen=True)
class _AskedRows:
    """(h,) rows of the candidate in the codes of the champion, -1 where the champion does not know a label."""

    features: Mapping[str, FeatureValues]
    experiment: Integers


def _asked(candidate: Bank, champion: Bank, rows: Identifiers) -> _AskedRows:
    features = {}
    for name, values in candidate.features.items():
        features[name] = values[rows]
        if name in candidate.levels:
            translation = _translation(candidate.levels[name], champion.levels[name])
            features[name] = translation[np.asarray(values[rows], dtype=np.int32)]
    experiments = _translation(candidate.experiments, champion.experiments)
    return _AskedRows(features, experiments[candidate.experiment[rows]])


def _translation(labels: Sequence[str], known: Sequence[str]) -> Integers:
    """(labels + 1,) codes among the `known` labels, -1 where there is none, and last for what is missing."""
    codes = {label: code for code, label in enumerate(known)}
    return np.array([*(codes.get(label, -1) for label in labels), -1], dtype=np.int32)


def table_of(bank: Bank) -> ExperimentData:
    """The rows of a bank as the table that outcome models were fitted on."""
    return ExperimentData(
        columns=bank.columns,
        arms=bank.arms,
        experiments=bank.experiments,
        levels=bank.levels,
        features=bank.features,
        arm=bank.arm,
        outcome=bank.outcome,
        experiment=bank.experiment,
        cluster=bank.cluster,
        weight=bank.weight,
        propensity=None,  # outcome models do not see it
        time=bank.time,
        unit_hash=bank.unit_hash,
        content=bank.content,
        dropped={},
        unassigned=0,
        trimmed=0,
        times_out_of_range=0,
    )
