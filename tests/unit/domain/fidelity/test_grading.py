"""One prediction and its outcome: how far off, how surprising, and in which words."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import norm

from tests.unit.domain.ledgers import DOUBT, ISSUED, POINT
from twin_operator.domain.fidelity.grading import grade, grade_of, observed_sd, relative_error
from twin_operator.domain.fidelity.ledger import Grade, Issued, Observed
from twin_operator.domain.twin import TauWeights

EFFECTS = st.floats(-1e6, 1e6, allow_subnormal=False)
NOISES = st.floats(1e-9, 1e6)


def seen(effect: float, standard_error: float | None = 0.1) -> Observed:
    return Observed("spring", effect, standard_error=standard_error)


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (Observed("spring", 1.0, standard_error=0.3), 0.3),
        (Observed("spring", 1.0, low=0.0, high=2.0, confidence=0.95), 1 / norm.ppf(0.975)),
        (Observed("spring", 1.0, low=0.5, high=2.5, confidence=0.5), 1 / norm.ppf(0.75)),
        (Observed("spring", 1.0, sample_size=200), math.sqrt(2 * (3**2 + 4**2) / 200)),
        (Observed("spring", 1.0, standard_error=0.3, sample_size=200), 0.3),
        (Observed("spring", 1.0, low=0.0, high=2.0, confidence=0.95, sample_size=9), 1 / norm.ppf(0.975)),
    ],
)
def test_the_noise_of_an_outcome_comes_from_what_was_said_most_directly(observed: Observed, expected: float) -> None:
    assert observed_sd(observed, ISSUED) == pytest.approx(expected)


def test_an_outcome_without_any_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="standardError, or low with high and confidence, or sampleSize"):
        observed_sd(seen(1.0, None), ISSUED)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (0.0, Grade.EXCELLENT),
        (0.0999, Grade.EXCELLENT),
        (0.10, Grade.GOOD),
        (0.1999, Grade.GOOD),
        (0.20, Grade.FAIR),
        (0.3499, Grade.FAIR),
        (0.35, Grade.POOR),
        (7.0, Grade.POOR),
    ],
)
def test_a_grade_is_a_range_of_relative_errors(error: float, expected: Grade) -> None:
    assert grade_of(error) is expected


@pytest.mark.parametrize(
    ("predicted", "observed", "noise", "expected"),
    [
        (1.0, 1.0, 0.1, 0.0),
        (1.0, 1.5, 0.0, 0.5 / 1.5),
        (1.5, 1.0, 0.0, 0.5 / 1.5),
        (1.0, 1.5, 0.4, 0.3 / 1.5),
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, 0.5, 0.0),
        (-1.0, 1.0, 0.0, 2.0),
        (1e-200, 2e-200, 0.0, 0.5),
    ],
)
def test_the_relative_error_is_what_the_noise_leaves(
    predicted: float, observed: float, noise: float, expected: float
) -> None:
    assert relative_error(predicted, observed, noise) == pytest.approx(expected)


@given(EFFECTS, st.floats(-1, 1), NOISES)
def test_a_prediction_within_the_noise_is_excellent(predicted: float, share: float, noise: float) -> None:
    observed = predicted + 0.99 * share * noise
    if abs(observed - predicted) < noise:
        assert grade(replace(ISSUED, estimate=predicted), DOUBT, seen(observed, noise)).grade is Grade.EXCELLENT


@given(st.floats(1e-6, 1e6), NOISES, st.floats(2.001, 1e4))
def test_a_clear_effect_of_the_other_sign_is_poor(predicted: float, noise: float, times: float) -> None:
    graded = grade(replace(ISSUED, estimate=predicted), DOUBT, seen(-times * noise, noise))
    assert graded.grade is Grade.POOR


def test_the_standardised_error_counts_the_noise_of_both() -> None:
    graded = grade(replace(ISSUED, standard_error=0.3), DOUBT, seen(1.5, 0.4))
    assert graded.standardized_error == pytest.approx(1.0)
    assert graded.absolute_error == pytest.approx(0.5)
    assert graded.observed_sd == 0.4


@pytest.mark.parametrize(("distance", "covered"), [(1.95, True), (1.97, False), (-1.95, True), (-1.97, False)])
def test_covered_means_inside_the_interval_of_prediction_and_noise(distance: float, *, covered: bool) -> None:
    sd = math.hypot(ISSUED.sampling_sd, 0.1)
    assert grade(ISSUED, POINT, seen(1.0 + distance * sd)).covered is covered


def test_covered_integrates_over_how_much_effects_differ() -> None:
    scales = np.sqrt(ISSUED.sampling_sd**2 + DOUBT.tau**2 * (1 + ISSUED.share_squared) + 0.1**2)
    inside, outside = (float(DOUBT.weight @ (2 * norm.cdf(error / scales) - 1)) for error in (0.61, 0.66))
    assert inside < 0.95 < outside
    assert grade(ISSUED, DOUBT, seen(1.61)).covered
    assert not grade(ISSUED, DOUBT, seen(1.66)).covered
    assert not grade(ISSUED, POINT, seen(1.61)).covered


def test_few_clusters_cover_more() -> None:
    assert grade(replace(ISSUED, degrees=4.0), POINT, seen(1.5)).covered
    assert not grade(ISSUED, POINT, seen(1.5)).covered


@given(EFFECTS, EFFECTS, NOISES)
@example(1.0, 1.0, 0.1)
def test_reading_a_contrast_the_other_way_round_changes_signs_only(
    predicted: float, observed: float, noise: float
) -> None:
    issued = replace(ISSUED, estimate=predicted)
    graded = grade(issued, DOUBT, seen(observed, noise))
    assert grade(issued.reversed(), DOUBT, seen(-observed, noise)) == graded.reversed()


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(0.01, 10), st.floats(1e-3, 1e6))
def test_the_unit_of_measurement_does_not_matter(
    predicted: float, observed: float, noise: float, factor: float
) -> None:
    plain = grade(replace(ISSUED, estimate=predicted), DOUBT, seen(observed, noise))
    issued = replace(ISSUED, estimate=factor * predicted, standard_error=factor * 0.3, sampling_sd=factor * 0.2)
    weights = TauWeights(factor * DOUBT.tau, DOUBT.weight, 6, 0)
    scaled = grade(issued, weights, seen(factor * observed, factor * noise))
    assert scaled.relative_error == pytest.approx(plain.relative_error, rel=1e-6, abs=1e-6)
    assert scaled.standardized_error == pytest.approx(plain.standardized_error, rel=1e-6)
    rounding = 40 * factor * 2**-52  # half an ulp of two products, both differences and their product, each below 20
    assert scaled.absolute_error == pytest.approx(factor * plain.absolute_error, abs=rounding)


SILENT = Issued(0.0, 0.0, 0.0, 1.0, 100.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("predicted", "effect", "covered"),
    [(0.0, 0.0, True), (0.2, 0.2, True), (0.2, 0.2 + 1e-9, True), (0.2, 0.3, False), (0.0, 0.3, False)],
)
def test_an_outcome_that_never_varied_is_graded_in_finite_numbers(
    predicted: float, effect: float, *, covered: bool
) -> None:
    graded = grade(replace(SILENT, estimate=predicted), POINT, Observed("spring", effect, sample_size=100))
    assert graded.observed_sd == 0
    assert math.isfinite(graded.standardized_error)
    assert graded.covered is covered
