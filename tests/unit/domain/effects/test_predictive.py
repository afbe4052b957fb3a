"""Intervals and probabilities of an effect in a new experiment."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, t

from tests.unit.domain.tables import COLUMNS, certain, rows_of, trial, twin
from tests.unit.domain.test_twin import ONE, THREE, contrast
from twin_operator.domain.effects.predictive import Predictive, predictive_of, within_experiment
from twin_operator.domain.effects.weighted_effect import WeightedEffect, weighted_effect
from twin_operator.domain.twin import tau_weights


@pytest.fixture(scope="module")
def measured() -> WeightedEffect:
    bank = twin(trial()).bank
    return weighted_effect(bank, rows_of(bank), 1, 0)


def normal(scale: float = 2.0) -> Predictive:
    return Predictive(1.0, np.array([scale]), np.array([np.inf]), np.ones(1))


def test_one_normal_component_has_the_normal_interval() -> None:
    assert normal().interval(0.9) == pytest.approx(norm(1.0, 2.0).interval(0.9))


def test_few_clusters_have_the_interval_of_students_t(measured: WeightedEffect) -> None:
    few = replace(measured, clusters=8)
    assert within_experiment(few).interval(0.95) == pytest.approx(
        t(6, measured.estimate, measured.variance**0.5).interval(0.95)
    )


def test_the_interval_of_a_mixture_has_its_probability() -> None:
    mixture = Predictive(0.0, np.array([0.1, 1.0, 5.0]), np.full(3, np.inf), np.array([0.5, 0.3, 0.2]))
    half = mixture.half_width(0.95)
    inside = sum(
        w * (norm.cdf(half / s) - norm.cdf(-half / s)) for w, s in zip([0.5, 0.3, 0.2], [0.1, 1, 5], strict=True)
    )
    assert inside == pytest.approx(0.95)


@given(st.floats(-10, 10))
def test_probabilities_above_and_below_sum_to_one(bound: float) -> None:
    mirrored = Predictive(-1.0, np.array([2.0]), np.array([7.0]), np.ones(1))
    same = Predictive(1.0, np.array([2.0]), np.array([7.0]), np.ones(1))
    assert same.above(bound) + mirrored.above(-bound) == pytest.approx(1.0)


def test_a_new_experiment_is_never_surer_than_the_data_s_own(measured: WeightedEffect) -> None:
    own = within_experiment(measured).half_width(0.95)
    assert predictive_of(measured, tau_weights(ONE, 0.25)).half_width(0.95) > own
    assert predictive_of(measured, certain()).half_width(0.95) == pytest.approx(own)


@settings(max_examples=20)
@given(st.integers(1, 50))
def test_more_of_the_same_units_never_make_the_difference_between_experiments_vanish(times: int) -> None:
    """More twins of the same experiment shrink v, not tau: the width stays above that of the prior alone."""
    bank = TWIN.bank
    one = weighted_effect(bank, rows_of(bank), 1, 0)
    many = replace(one, variance=one.variance / times)
    weights = tau_weights(ONE, 0.25)
    floor = predictive_of(replace(one, variance=0.0), weights).half_width(0.95)
    assert predictive_of(many, weights).half_width(0.95) >= floor


TWIN = twin(trial())


def test_adding_the_same_twin_again_is_a_second_row_not_a_second_experiment() -> None:
    table = trial()
    doubled = {name: np.concatenate([column, column]) for name, column in table.items()}
    identity = np.concatenate([np.arange(600), np.arange(600)])
    columns = replace(COLUMNS, cluster="person")
    once, twice = twin({**table, "person": np.arange(600)}, columns), twin({**doubled, "person": identity}, columns)
    narrow = (twice.effects[0].high - twice.effects[0].low) / (once.effects[0].high - once.effects[0].low)
    assert narrow > 0.98


def coverage(experiments: int, tau: float, draws: int = 300) -> float:
    """Share of true effects in new experiments inside the 95 % interval, in simulated worlds."""
    rng = np.random.default_rng(11)
    inside = 0
    for _ in range(draws):
        error = rng.uniform(0.05, 0.2, experiments)
        y = 0.3 + tau * rng.normal(size=experiments) + error * rng.normal(size=experiments)
        weights = tau_weights(contrast(y.tolist(), (error**2).tolist(), 1.0), 0.25)
        share = 1 / experiments
        scale = np.sqrt(np.sum(error**2) * share**2 + weights.tau**2 * (1 + share))
        predicted = Predictive(float(y.mean()), scale, np.full(scale.size, np.inf), weights.weight)
        truth = 0.3 + tau * rng.normal()
        inside += abs(truth - predicted.centre) <= predicted.half_width(0.95)
    return inside / draws


@pytest.mark.parametrize(("experiments", "tau"), [(2, 0.1), (3, 0.3), (5, 0.2), (10, 0.4)])
def test_new_experiments_are_covered(experiments: int, tau: float) -> None:
    assert coverage(experiments, tau) >= 0.92


def test_three_experiments_keep_more_doubt_than_eight() -> None:
    eight = contrast([1.0, 0.2, 1.9, 1.1, 0.9, 1.0, 1.2, 1.0], [0.04] * 8)
    assert tau_weights(eight, 0.25).median < tau_weights(THREE, 0.25).median
