"""The reference figures on real data: 64,000 customers, two e-mail campaigns and none (Hillstrom 2008)."""

import csv
import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from tests.unit.domain.advised import Advised, advise
from tests.unit.domain.tables import Table, weights_for
from twin_operator.domain.effects.answers import Action
from twin_operator.domain.effects.population import Clause
from twin_operator.domain.effects.simulate import Question
from twin_operator.domain.table.columns import Columns, Feature, FeatureType, Learner, OutcomeType, Uncertainty
from twin_operator.domain.table.experiment_data import prepare
from twin_operator.domain.train import TrainedTwin, train

pytestmark = pytest.mark.learner

FILE = Path(__file__).parents[3] / "examples" / "hillstrom" / "hillstrom.csv.gz"
NUMERIC = ("recency", "history", "mens", "womens", "newbie")
CATEGORICAL = ("zip_code", "channel", "history_segment")
COLUMNS = Columns(
    features=(
        *(Feature(name, FeatureType.NUMERIC) for name in NUMERIC),
        *(Feature(name, FeatureType.CATEGORICAL) for name in CATEGORICAL),
    ),
    treatment="segment",
    control="No E-Mail",
    outcome="visit",
    outcome_type=OutcomeType.BINARY,
)
MENS, WOMENS = "Mens E-Mail", "Womens E-Mail"


@pytest.fixture(scope="module")
def table() -> Table:
    with gzip.open(FILE, "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {name: np.array([row[name] for row in rows], dtype=object) for name in rows[0]}


@pytest.fixture(scope="module")
def trained(table: Table) -> TrainedTwin:
    return train(prepare(table, COLUMNS), Learner(), Uncertainty())


@pytest.fixture(scope="module")
def mens(trained: TrainedTwin) -> Advised:
    return ask(trained, Question(MENS, minimum_effect=0.01))


def ask(twin: TrainedTwin, question: Question) -> Advised:
    return advise(twin.bank, question, Uncertainty(), weights_for(twin, question.arm, "No E-Mail"))


def plain_interval(table: Table, arm: str) -> tuple[float, float]:
    visit = table["visit"].astype(float)
    treated, control = visit[table["segment"] == arm], visit[table["segment"] == "No E-Mail"]
    half = 1.96 * math.sqrt(treated.var(ddof=1) / treated.size + control.var(ddof=1) / control.size)
    difference = treated.mean() - control.mean()
    return difference - half, difference + half


@pytest.mark.parametrize(("arm", "points"), [(MENS, 7.66), (WOMENS, 4.52)])
def test_effects_are_those_of_the_literature(trained: TrainedTwin, table: Table, arm: str, points: float) -> None:
    effect = ask(trained, Question(arm)).effect
    low, high = plain_interval(table, arm)
    assert 100 * effect.estimate == pytest.approx(points, abs=0.1)
    assert low < effect.estimate < high


def test_features_do_not_widen_the_interval_of_the_experiment(mens: Advised, table: Table) -> None:
    low, high = plain_interval(table, MENS)
    within = mens.effect.within_experiment
    assert within.high - within.low < 1.01 * (high - low)


def test_one_experiment_is_refined_with_the_reason_and_the_tipping_point(mens: Advised) -> None:
    assert mens.recommendation.action is Action.REFINE
    assert "one experiment cannot show how much effects vary" in mens.recommendation.message
    assert mens.recommendation.tipping_point_sd == pytest.approx(0.029, abs=0.001)


def test_the_assignment_looks_random(trained: TrainedTwin) -> None:
    assert trained.assignment_not_random is None
    assert trained.metrics["assignment_p"] > 0.001


def test_a_segment_is_answered_from_its_own_customers(trained: TrainedTwin, table: Table) -> None:
    where = (Clause("channel", "In", ("Web",)), Clause("recency", "LessThanOrEqual", ("6",)))
    answer = ask(trained, Question(MENS, where=where))
    expected = np.count_nonzero((table["channel"] == "Web") & (table["recency"].astype(float) <= 6))
    assert answer.population.matched == expected
