"""How much effects differ between experiments, integrated over: likelihoods against their matrix forms."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from twin_operator.domain.twin import Contrast, LedgerOutcome, TauWeights, tau_weights

SD0 = 2.0


def contrast(y: list[float], v: list[float], sd0: float = SD0) -> Contrast:
    names = tuple(f"experiment {number}" for number in range(len(y)))
    pi = np.full(len(y), 1 / len(y))
    return Contrast("letter", "none", names, np.array(y), np.array(v), pi, sd0)


ONE = contrast([1.0], [0.01])
THREE = contrast([1.0, 0.2, 1.9], [0.04, 0.09, 0.02])
LEDGER = [
    LedgerOutcome("spring", 1.0, 0.7, 0.2, 0.1, 1.0),
    LedgerOutcome("summer", 1.1, 1.9, 0.3, 0.2, 0.5),
]


def restricted(tau: float, y: np.ndarray, v: np.ndarray) -> float:
    """Return log |V| + log |X'V^-1 X| + r'V^-1 r, times -1/2, by matrices."""
    inverse, ones = np.linalg.inv(np.diag(v + tau**2)), np.ones(y.size)
    information = ones @ inverse @ ones
    residual = y - ones * (ones @ inverse @ y) / information
    return float(-0.5 * (-np.linalg.slogdet(inverse)[1] + np.log(information) + residual @ inverse @ residual))


def unexplained(found: TauWeights, prior: TauWeights) -> np.ndarray:
    """Log likelihood up to a constant: what the weights have beyond the prior."""
    log_ratio = np.log(found.weight) - np.log(prior.weight)
    return np.asarray(log_ratio - log_ratio[50])


def prior_on(weights: TauWeights, scale: float) -> TauWeights:
    """Half-Cauchy density times the width of the grid's cells."""
    tau = weights.tau / SD0
    edges = np.concatenate([tau[:1], (tau[1:] + tau[:-1]) / 2, tau[-1:]])
    mass = np.diff(edges) / (1 + (tau / scale) ** 2)
    return TauWeights(weights.tau, mass / mass.sum(), 1, 0)


def test_one_experiment_leaves_the_prior_as_it_is() -> None:
    found = tau_weights(ONE, 0.25)
    assert found.weight == pytest.approx(prior_on(found, 0.25).weight)


def test_the_median_of_the_prior_is_near_its_scale() -> None:
    assert tau_weights(ONE, 0.25).median == pytest.approx(0.25 * SD0, rel=0.2)


def test_training_experiments_enter_by_their_restricted_likelihood() -> None:
    found = tau_weights(THREE, 0.25)
    expected = np.array([restricted(tau, THREE.y / SD0, THREE.v / SD0**2) for tau in found.tau / SD0])
    assert unexplained(found, prior_on(found, 0.25)) == pytest.approx(expected - expected[50])


def test_outcomes_enter_with_the_error_that_their_predictions_share() -> None:
    found = tau_weights(ONE, 0.25, LEDGER)
    r = np.array([o.observed - o.predicted for o in LEDGER])
    noise = np.array([o.observed_sd for o in LEDGER])
    expected = []
    for tau in found.tau:
        b = np.array([np.sqrt(o.sampling_sd**2 + tau**2 * o.share_squared) for o in LEDGER])
        covariance = np.diag(noise**2 + tau**2) + np.outer(b, b)
        expected.append(multivariate_normal(np.zeros(2), covariance).logpdf(r))
    relative = np.array(expected) - expected[50]
    assert unexplained(found, prior_on(found, 0.25)) == pytest.approx(relative)
    assert (found.experiments, found.outcomes) == (1, 2)


def test_an_outcome_counts_once_and_not_beside_its_own_training_data() -> None:
    again = [*LEDGER, LEDGER[0], LedgerOutcome("experiment 0", 1.0, 5.0, 0.1, 0.1, 1.0)]
    assert np.array_equal(tau_weights(ONE, 0.25, again).weight, tau_weights(ONE, 0.25, LEDGER).weight)


def test_experiments_that_agree_make_large_differences_unlikely() -> None:
    agreeing = contrast([1.0] * 8, [0.001] * 8)
    assert tau_weights(agreeing, 0.25).median < 0.05 * SD0


def test_experiments_that_disagree_are_believed() -> None:
    disagreeing = contrast([-4.0, 4.0, -3.0, 3.0, 0.0, 5.0], [0.01] * 6)
    assert tau_weights(disagreeing, 0.25).median == pytest.approx(disagreeing.y.std(ddof=1), rel=0.35)


@settings(max_examples=25)
@given(st.floats(0.001, 1000))
def test_the_unit_of_measurement_does_not_matter(factor: float) -> None:
    scaled = contrast((THREE.y * factor).tolist(), (THREE.v * factor**2).tolist(), SD0 * factor)
    found, plain = tau_weights(scaled, 0.25), tau_weights(THREE, 0.25)
    assert found.weight == pytest.approx(plain.weight, rel=1e-6)
    assert found.tau == pytest.approx(plain.tau * factor, rel=1e-6)


def test_a_contrast_and_its_reverse_weigh_tau_alike() -> None:
    assert tau_weights(THREE.reversed(), 0.25).digest == tau_weights(THREE, 0.25).digest


def test_a_contrast_survives_json() -> None:
    read = Contrast.from_dict(json.loads(json.dumps(THREE.as_dict())))
    assert read.as_dict() == THREE.as_dict()


def test_the_digest_tells_weights_apart() -> None:
    assert tau_weights(THREE, 0.25).digest != tau_weights(THREE, 0.5).digest
