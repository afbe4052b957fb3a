"""What must not matter does not: the order of rows and columns, the unit of the outcome, the direction of reading."""

from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.tables import BINARY, COLUMNS, Table, trial, twin, weights_for
from twin_operator.domain.effects.simulate import Question, simulate
from twin_operator.domain.table.columns import Algorithm, Columns, Learner, Uncertainty
from twin_operator.domain.train import TrainedTwin

pytestmark = pytest.mark.learner

FULL = replace(COLUMNS, experiment="site", weight="w", time="when")
KINDS = {"a quantity": FULL, "an event": replace(FULL, outcome="bought", outcome_type=BINARY.outcome_type)}
# A training takes a quarter of a second: two examples for each algorithm, and no clock on them.
few = settings(max_examples=2, deadline=None)
CLUSTERED = replace(COLUMNS, cluster="household")


@cache
def learner(algorithm: Algorithm) -> Learner:
    return Learner(algorithm, folds=2)


def table() -> Table:
    plain = trial(rows=500, sites=3)
    plain["age"][::11] = np.nan
    plain["visits"] = np.round(plain["visits"])
    days = np.arange(500).astype("timedelta64[D]")
    return {**plain, "w": 1.0 + np.arange(500) % 3, "when": np.datetime64("2025-01-01", "ns") + days}


@cache
def reference(kind: str, algorithm: Algorithm) -> TrainedTwin:
    return twin(table(), KINDS[kind], learner(algorithm))


def assert_same(one: TrainedTwin, other: TrainedTwin, factor: float = 1.0) -> None:
    """Equal to 1e-6 but for the outcome's unit."""
    for left, right in zip(one.effects, other.effects, strict=True):
        found, wanted = asdict(right), asdict(left)
        for name in ("estimate", "standard_error", "low", "high"):
            assert found[name] == pytest.approx(factor * wanted[name], rel=1e-6)
    assert np.allclose(other.bank.score, factor * one.bank.score, rtol=1e-6, atol=1e-6 * factor)


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("a quantity", Algorithm.GRADIENT_BOOSTING),
        ("an event", Algorithm.RANDOM_FOREST),
        ("a quantity", Algorithm.LINEAR),
        ("an event", Algorithm.LINEAR),
    ],
)
@few
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(kind: str, algorithm: Algorithm, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(500)
    shuffled = {name: column[order] for name, column in table().items()}
    other = twin(shuffled, KINDS[kind], learner(algorithm))
    assert_same(reference(kind, algorithm), other)
    assert other.metrics == pytest.approx(reference(kind, algorithm).metrics)


@pytest.mark.parametrize("algorithm", list(Algorithm))
@few
@given(order=st.permutations(range(3)))
def test_the_order_of_columns_does_not_matter(algorithm: Algorithm, order: list[int]) -> None:
    columns = replace(FULL, features=tuple(FULL.features[position] for position in order))
    reversed_table = dict(reversed(table().items()))
    assert_same(reference("a quantity", algorithm), twin(reversed_table, columns, learner(algorithm)))


@pytest.mark.parametrize("algorithm", list(Algorithm))
@few
@given(factor=st.floats(1e-3, 1e6))
def test_the_unit_of_the_outcome_does_not_matter(algorithm: Algorithm, factor: float) -> None:
    raw = table()
    scaled = twin({**raw, "spend": raw["spend"] * factor}, FULL, learner(algorithm))
    assert_same(reference("a quantity", algorithm), scaled, factor)


@pytest.mark.parametrize("columns", [COLUMNS, BINARY, CLUSTERED], ids=["a quantity", "an event", "clusters"])
def test_comparing_the_other_way_round_mirrors_the_effect(columns: Columns) -> None:
    trained = twin(trial(), columns)
    there = simulate(trained.bank, Question("letter"), Uncertainty(), weights_for(trained))
    back = simulate(
        trained.bank, Question("none", against="letter"), Uncertainty(), weights_for(trained, "none", "letter")
    )
    assert back.effect.estimate == pytest.approx(-there.effect.estimate)
    assert back.basis.sampling_sd == pytest.approx(there.basis.sampling_sd)
    assert back.basis.weights_digest == there.basis.weights_digest
    either = there.evidence.probability_of_benefit + back.evidence.probability_of_benefit
    assert either == pytest.approx(1.0)


def test_the_same_seed_gives_the_same_twin() -> None:
    again = twin(table(), FULL, learner(Algorithm.RANDOM_FOREST))
    assert np.array_equal(again.bank.score, reference("a quantity", Algorithm.RANDOM_FOREST).bank.score)
