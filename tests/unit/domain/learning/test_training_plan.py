"""What a retraining does differently from the model's learner, and what it says about that."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from tests.unit.domain.tables import COLUMNS, SITES, Table, trial
from twin_operator.domain.learning.training_plan import LearnerOverrides, PlanHealth, TrainingPlan, plan_for
from twin_operator.domain.table.columns import Algorithm, Learner, Uncertainty
from twin_operator.domain.table.experiment_data import prepare
from twin_operator.domain.train import TrainedTwin, train, train_by_plan

LEARNER = Learner(Algorithm.LINEAR, folds=5, seed=3)
NOW = datetime(2026, 4, 1, tzinfo=UTC).timestamp()
YEAR = 365 * 86_400.0
WELL = PlanHealth(score=0.9, trend_p=None)
ILL = replace(WELL, score=0.31)
TRENDY = replace(WELL, trend_p=0.004)
DATED = replace(SITES, time="when")


def plan(trigger: str, health: PlanHealth = WELL, wishes: LearnerOverrides | None = None, **facts: Any) -> TrainingPlan:
    return plan_for(trigger, LEARNER, wishes, health, NOW, YEAR, **{"dated": True, **facts})


@pytest.mark.parametrize(
    ("trigger", "health"),
    [
        ("Manual", ILL),
        ("Scheduled", ILL),
        ("NewData", TRENDY),
        ("FidelityDegraded", TRENDY),
        ("PredictionError", WELL),
        ("FidelityDegraded", replace(WELL, score=None)),
        ("FidelityDegraded", replace(WELL, score=0.5)),
    ],
)
def test_the_same_learner_is_the_rule(trigger: str, health: PlanHealth) -> None:
    assert plan(trigger, health) == TrainingPlan.of(LEARNER)


@pytest.mark.parametrize("trigger", ["FidelityDegraded", "PredictionError", "CoverageDrop"])
def test_a_severe_degradation_puts_the_learner_in_doubt(trigger: str) -> None:
    severe = plan(trigger, ILL)
    assert severe.candidates == (Algorithm.LINEAR, Algorithm.GRADIENT_BOOSTING, Algorithm.RANDOM_FOREST)
    assert (severe.folds, severe.seed) == (10, 3)
    assert "the score of 0.31 is below 0.50" in severe.reason


def test_a_coverage_drop_doubles_the_seeds() -> None:
    assert plan("CoverageDrop").seed_factor == 2
    assert plan("CoverageDrop").reason == (
        "Twice as many fold seeds are averaged, as too few outcomes fell inside their intervals."
    )


def test_a_drift_leaves_out_old_experiments_where_they_can_be_told() -> None:
    drifting = plan("PredictionError", TRENDY)
    assert drifting.newest_only == NOW - YEAR
    assert drifting.reason == (
        "Experiments that ended before 2025-04-01 are left out, as the effect changes over time (p = 0.004)."
    )
    assert plan("PredictionError", TRENDY, dated=False).newest_only is None
    assert plan("PredictionError", replace(WELL, trend_p=0.06)).newest_only is None


def test_what_a_job_asks_for_comes_first() -> None:
    asked = plan("FidelityDegraded", ILL, LearnerOverrides(Algorithm.RANDOM_FOREST, folds=7, seed=0))
    assert (asked.algorithm, asked.folds, asked.seed, asked.candidates) == (Algorithm.RANDOM_FOREST, 7, 0, ())
    assert asked.reason == "The job asks for RandomForest and 7 folds and seed 0."
    assert plan("Manual", WELL, LearnerOverrides(Algorithm.LINEAR, 5, 3)).reason == ""


def test_only_what_a_job_does_not_ask_for_is_chosen() -> None:
    folds_wished = plan("FidelityDegraded", ILL, LearnerOverrides(folds=4))
    assert (folds_wished.folds, len(folds_wished.candidates)) == (4, 3)
    algorithm_wished = plan("FidelityDegraded", ILL, LearnerOverrides(Algorithm.LINEAR))
    assert (algorithm_wished.folds, algorithm_wished.candidates) == (10, ())


def followed(table: Table, wanted: TrainingPlan, columns: Any = COLUMNS) -> TrainedTwin:
    return train_by_plan(prepare(table, columns), wanted, Uncertainty())


def same(one: TrainedTwin, other: TrainedTwin) -> bool:
    return np.array_equal(one.bank.score, other.bank.score)


def test_a_twin_keeps_the_plan_that_was_carried_out_and_it_makes_the_same_twin() -> None:
    table = trial(rows=500)
    first = train(prepare(table, COLUMNS), LEARNER, Uncertainty())
    assert first.plan == TrainingPlan(Algorithm.LINEAR, 5, 3, seeds=3)
    assert same(followed(table, first.plan), first)


def test_a_doubled_count_doubles_what_the_rows_ask_for() -> None:
    doubled = followed(trial(rows=500), TrainingPlan(Algorithm.LINEAR, 3, 0, seed_factor=2))
    assert (doubled.plan.seeds, doubled.plan.seed_factor) == (6, 1)


def curved() -> Table:
    """An outcome that no straight line follows."""
    table = trial(rows=900)
    return {**table, "spend": np.sin(table["age"] / 3) * 5 + np.random.default_rng(1).normal(0, 0.5, 900)}


@pytest.mark.learner
@pytest.mark.parametrize(
    ("table", "best"), [(trial(rows=900), Algorithm.LINEAR), (curved(), Algorithm.GRADIENT_BOOSTING)]
)
def test_the_algorithm_with_the_lowest_loss_is_chosen(table: Table, best: Algorithm) -> None:
    candidates = (Algorithm.RANDOM_FOREST, Algorithm.LINEAR, Algorithm.GRADIENT_BOOSTING)
    chosen = followed(table, TrainingPlan(Algorithm.RANDOM_FOREST, 3, 0, candidates=candidates))
    assert (chosen.plan.algorithm, chosen.plan.candidates) == (best, ())
    assert chosen.plan.reason == f"{best} had the lowest loss."
    assert same(followed(table, chosen.plan), chosen)


def dated(sites: int = 3) -> Table:
    """Site 00 ended in 2023, site 01 in 2024, and so on."""
    table = trial(rows=600, sites=sites)
    year = 2023 + np.arange(600) % sites
    return {**table, "when": np.array([f"{each}-06-01" for each in year], dtype="datetime64[ns]")}


OLDEST = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
RECENT = TrainingPlan(Algorithm.LINEAR, 3, 0, newest_only=OLDEST)


def test_old_experiments_are_left_out_as_if_they_had_never_been_there() -> None:
    table = dated()
    table["region"] = np.where(table["site"] == "site 00", "abroad", table["region"]).astype(object)
    recent = followed(table, RECENT, DATED)
    never = {name: values[table["site"] != "site 00"] for name, values in table.items()}
    assert recent.bank.experiments == ("site 01", "site 02")
    assert recent.bank.levels["region"] == ("north", "south", "west")
    assert recent.plan.newest_only == OLDEST
    assert recent.plan.reason == 'Left out: "site 00".'
    assert same(recent, followed(never, RECENT, DATED))


def test_an_arm_that_only_old_experiments_tried_is_not_forgotten() -> None:
    table = dated()
    table["arm"] = np.where((table["site"] == "site 00") & (table["arm"] == "letter"), "call", table["arm"])
    twin = followed(table, RECENT, DATED)
    assert "call" in twin.bank.arms
    assert twin.plan.newest_only is None
    assert twin.plan.reason == "None was left out, as the rest would compare fewer arms."


def test_an_experiment_without_times_is_kept() -> None:
    table = dated()
    table["when"] = np.where(table["site"] == "site 00", np.datetime64("NaT"), table["when"])
    assert followed(table, RECENT, DATED).plan.reason == "No experiment was that old."
