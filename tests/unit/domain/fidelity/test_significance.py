"""Is a window's miss more than chance: the tests against their dense matrix forms, and what must not change them."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from tests.unit.domain.ledgers import DOUBT, POINT, outcome
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.fidelity.significance import Significance, coupled, significance, trend_p
from twin_operator.domain.twin import TauWeights

LETTER, CALL = ("letter", "none"), ("call", "none")
FROZEN = {LETTER: DOUBT, CALL: TauWeights(np.array([0.0, 0.2]), np.array([0.6, 0.4]), 4, 0)}
MISSES = [outcome(1, observed=1.9, observed_sd=0.2), outcome(2, observed=0.8), outcome(4, observed=1.6)]
MIXED = [*MISSES, outcome(5, observed=1.4, arm="call"), outcome(6, observed=0.7, arm="call")]


def covariance(window: list[RecordedOutcome], tau: np.ndarray) -> np.ndarray:
    """Return diag(s_o^2 + tau^2) + b b', dense."""
    noise = np.array([each.graded.observed_sd for each in window])
    b = np.array([each.issued.variance + t**2 * each.issued.share_squared for each, t in zip(window, tau, strict=True)])
    return np.asarray(np.diag(noise**2 + tau**2) + np.outer(np.sqrt(b), np.sqrt(b)))


def dense(window: list[RecordedOutcome], taus: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    """Chi-square, common shift and trend by inverting C for each tau."""
    r = np.array([each.error for each in window])
    x = np.stack([np.ones(r.size), [each.time for each in window]], axis=1)
    found = []
    for tau in taus:
        inverse = np.linalg.inv(covariance(window, tau))
        shift = x[:, 0] @ inverse @ r / np.sqrt(x[:, 0] @ inverse @ x[:, 0])
        variance = np.linalg.inv(x.T @ inverse @ x)
        slope = (variance @ x.T @ inverse @ r)[1] / np.sqrt(variance[1, 1])
        found.append((chi2.sf(r @ inverse @ r, r.size), 2 * norm.sf(abs(shift)), 2 * norm.sf(abs(slope))))
    chi_square, common_shift, trend = weight @ np.array(found)
    return float(chi_square), float(common_shift), float(trend)


def all_p(window: list[RecordedOutcome], frozen: dict[tuple[str, str], TauWeights]) -> tuple[float, float, float]:
    found = significance(window, frozen)
    return found.chi_square_p, found.common_shift_p, trend_p(window, frozen)


def test_one_contrast_is_tested_under_its_own_weights() -> None:
    taus = np.repeat(DOUBT.tau[:, None], 3, axis=1)
    assert all_p(MISSES, FROZEN) == pytest.approx(dense(MISSES, taus, DOUBT.weight))


def test_several_contrasts_are_tested_at_the_same_quantile_of_each() -> None:
    letter, call, weight = [0.0, 0.1, 0.1, 0.4], [0.0, 0.0, 0.2, 0.2], np.array([0.5, 0.1, 0.2, 0.2])
    taus = np.array([letter, letter, letter, call, call]).T
    assert all_p(MIXED, FROZEN) == pytest.approx(dense(MIXED, taus, weight))


def test_equal_weights_keep_their_points_when_coupled() -> None:
    tau, weight = coupled([DOUBT, DOUBT])
    assert np.array_equal(tau, np.stack([DOUBT.tau, DOUBT.tau], axis=1))
    assert weight == pytest.approx(DOUBT.weight)


@given(*[st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda w: sum(w) > 0.01) for _ in range(2)])
def test_each_distribution_survives_the_coupling(first: list[float], second: list[float]) -> None:
    both = [TauWeights(np.arange(len(w), dtype=float), np.array(w) / sum(w), 3, 0) for w in (first, second)]
    tau, weight = coupled(both)
    assert weight.sum() == pytest.approx(1.0)
    for column, each in zip(tau.T, both, strict=True):
        share = np.bincount(column.astype(int), weights=weight, minlength=each.tau.size)
        assert share == pytest.approx(each.weight, abs=1e-12)
        assert (np.diff(column) >= 0).all()


@pytest.mark.parametrize("turned", [[0], [1, 2], [0, 1, 2], [3], [0, 4]])
def test_mirrored_outcomes_count_as_those_of_the_contrast(turned: list[int]) -> None:
    window = [each.reversed() if position in turned else each for position, each in enumerate(MIXED)]
    mirrored = {LETTER[::-1]: FROZEN[LETTER], CALL: FROZEN[CALL]}
    assert all_p(window, mirrored) == pytest.approx(all_p(MIXED, FROZEN))


@given(st.randoms(use_true_random=False))
def test_the_order_of_outcomes_does_not_matter(random: Random) -> None:
    assert all_p(sorted(MIXED, key=lambda _: random.random()), FROZEN) == all_p(MIXED, FROZEN)


@settings(max_examples=25)
@given(st.floats(1e-6, 1e6))
def test_the_unit_of_measurement_does_not_matter(factor: float) -> None:
    frozen = {pair: replace(each, tau=factor * each.tau) for pair, each in FROZEN.items()}
    assert all_p([_scaled(each, factor) for each in MIXED], frozen) == pytest.approx(all_p(MIXED, FROZEN), rel=1e-6)


def _scaled(each: RecordedOutcome, factor: float) -> RecordedOutcome:
    issued = replace(each.issued, estimate=factor * each.issued.estimate, sampling_sd=factor * each.issued.sampling_sd)
    graded = replace(each.graded, observed_sd=factor * each.graded.observed_sd)
    return replace(each, issued=issued, observed=factor * each.observed, graded=graded)


def test_an_experiment_is_tested_once_by_its_most_precise_contrast() -> None:
    rough = outcome(9, observed=-5.0, observed_sd=0.5, arm="call", experiment="experiment 1")
    assert all_p([rough, *MISSES], FROZEN) == all_p(MISSES, FROZEN)


def test_contrasts_without_frozen_weights_are_left_out() -> None:
    assert all_p(MIXED, {LETTER: DOUBT}) == all_p(MISSES, FROZEN)


@pytest.mark.parametrize("frozen", [FROZEN, {}])
def test_where_nothing_can_be_tested_nothing_is_significant(frozen: dict[tuple[str, str], TauWeights]) -> None:
    window = [] if frozen else MISSES
    assert significance(window, frozen) == Significance(1.0, 1.0, significant=False)
    assert trend_p(window, frozen) == 1.0


@pytest.mark.parametrize(("observed", "surprising"), [(0.7, True), (1.0, False)])
def test_exact_outcomes_of_exact_predictions_are_tested_in_finite_numbers(observed: float, *, surprising: bool) -> None:
    window = [_exact(outcome(number, observed=observed + 0.1 * (number % 2) * surprising)) for number in range(6)]
    found = significance(window, {LETTER: POINT})
    assert found.significant is surprising
    assert np.isfinite([found.p, trend_p(window, {LETTER: POINT})]).all()


def _exact(each: RecordedOutcome) -> RecordedOutcome:
    issued = replace(each.issued, sampling_sd=0.0)
    return replace(each, issued=issued, graded=replace(each.graded, observed_sd=0.0))


def test_either_pattern_alone_is_significant() -> None:
    shifted = [outcome(number, observed=1.75, observed_sd=0.3) for number in range(12)]
    scattered = [outcome(number, observed=1.0 + 0.5 * (-1) ** number) for number in range(12)]
    assert significance(shifted, {LETTER: POINT}).common_shift_p < 0.005
    assert significance(shifted, {LETTER: POINT}).chi_square_p > 0.005
    assert significance(shifted, {LETTER: POINT}).significant
    assert significance(scattered, {LETTER: POINT}).common_shift_p > 0.9
    assert significance(scattered, {LETTER: POINT}).significant


def test_a_drift_is_a_trend_and_a_shift_is_none() -> None:
    drifting = [outcome(number, observed=1.0 - 0.1 * number) for number in range(8)]
    shifted = [outcome(number, observed=0.3) for number in range(8)]
    assert trend_p(drifting, {LETTER: POINT}) < 1e-6
    assert trend_p(shifted, {LETTER: POINT}) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "window",
    [MISSES[:2], [replace(each, time=3.0) for each in MISSES]],
    ids=["two outcomes", "one moment"],
)
def test_a_trend_needs_three_outcomes_at_different_times(window: list[RecordedOutcome]) -> None:
    assert trend_p(window, FROZEN) == 1.0


def test_moments_since_the_epoch_lose_no_precision() -> None:
    later = [replace(each, time=1.76e9 + 60 * each.time) for each in MISSES]
    assert trend_p(later, FROZEN) == pytest.approx(trend_p(MISSES, FROZEN))
