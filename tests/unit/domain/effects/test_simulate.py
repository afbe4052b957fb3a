"""A Simulation's numbers hang together."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from tests.unit.domain.tables import BINARY, certain, trial, twin, weights_for
from twin_operator.domain.effects.population import Clause
from twin_operator.domain.effects.predictive import two_sided
from twin_operator.domain.effects.simulate import Question, simulate
from twin_operator.domain.errors import UnknownArm
from twin_operator.domain.table.columns import Uncertainty

TWIN = twin(trial(rows=1_200))
RARE = twin(trial(rows=1_200), BINARY)
WEIGHTS = weights_for(TWIN)
SURE = Uncertainty()


def test_the_standard_error_is_the_interval_s() -> None:
    effect = simulate(TWIN.bank, Question("letter"), SURE, WEIGHTS).effect
    assert effect.standard_error == pytest.approx((effect.high - effect.low) / (2 * two_sided(0.95)))


def test_the_interval_of_the_data_s_own_experiments_is_the_plain_one() -> None:
    effect = simulate(TWIN.bank, Question("letter"), SURE, WEIGHTS).effect
    half = 1.962 * effect.within_experiment.standard_error
    assert effect.within_experiment.high - effect.estimate == pytest.approx(half, rel=1e-3)


def test_an_event_s_interval_stays_within_what_is_possible() -> None:
    effect = simulate(RARE.bank, Question("letter"), SURE, weights_for(RARE)).effect
    assert effect.low == pytest.approx(-effect.baseline)
    assert effect.high == pytest.approx(1 - effect.baseline)


def test_without_a_size_there_is_no_outcome() -> None:
    answer = simulate(TWIN.bank, Question("letter"), SURE, WEIGHTS)
    assert answer.outcome is None
    assert answer.trial.minimum_detectable_effect is None


def test_a_trial_of_size_units_shows_the_effect_and_the_noise_of_both_arms() -> None:
    answer = simulate(TWIN.bank, Question("letter", size=500), SURE, certain())
    assert answer.outcome is not None
    noise = 2 * (answer.basis.control_sd**2 + answer.basis.treated_sd**2) / 500
    half = two_sided(0.95) * math.sqrt(answer.basis.sampling_sd**2 + noise)
    assert answer.outcome.trial.high - answer.effect.estimate == pytest.approx(half, rel=1e-3)


def test_the_incremental_outcome_is_that_of_size_units_against_as_many_untreated() -> None:
    answer = simulate(TWIN.bank, Question("letter", size=500), SURE, certain())
    assert answer.outcome is not None
    incremental = answer.outcome.incremental
    variance = 500**2 * answer.basis.sampling_sd**2 + 500 * (answer.basis.control_sd**2 + answer.basis.treated_sd**2)
    assert incremental.expected == pytest.approx(500 * answer.effect.estimate)
    assert incremental.high - incremental.expected == pytest.approx(two_sided(0.95) * math.sqrt(variance), rel=1e-3)


def test_the_control_is_what_an_arm_is_compared_with_unless_said() -> None:
    named = simulate(TWIN.bank, Question("letter", against="none"), SURE, WEIGHTS)
    assert named == simulate(TWIN.bank, Question("letter"), SURE, WEIGHTS)


def test_an_arm_is_not_compared_with_itself() -> None:
    with pytest.raises(UnknownArm, match="cannot be compared with itself"):
        simulate(TWIN.bank, Question("letter", against="letter"), SURE, WEIGHTS)


def test_shares_of_a_partition_sum_to_one() -> None:
    shares = [
        simulate(
            TWIN.bank, Question("letter", where=(Clause("region", "In", (region,)),)), SURE, WEIGHTS
        ).population.share
        for region in TWIN.bank.levels["region"]
    ]
    assert sum(shares) == pytest.approx(1.0)


def test_relative_is_absent_without_a_positive_baseline() -> None:
    below = replace(TWIN.bank, score=TWIN.bank.score - 100.0)
    assert simulate(below, Question("letter"), SURE, WEIGHTS).effect.relative is None


@pytest.mark.parametrize("size", [None, 1, 10_000])
def test_every_number_is_finite_or_absent(size: int | None) -> None:
    for trained in (TWIN, RARE):
        answer = simulate(trained.bank, Question("letter", size=size), SURE, weights_for(trained))
        assert json.loads(json.dumps(asdict(answer), allow_nan=False))


def test_a_question_changes_no_array_of_the_bank() -> None:
    frozen = replace(TWIN.bank, score=TWIN.bank.score.copy(), weight=TWIN.bank.weight.copy())
    for array in (frozen.score, frozen.weight):
        array.flags.writeable = False
    assert np.isfinite(simulate(frozen, Question("letter"), SURE, WEIGHTS).effect.estimate)
