"""How large the next trial must be, against statsmodels and arithmetic."""

import math
from dataclasses import replace

import pytest
from statsmodels.stats.power import NormalIndPower

from twin_operator.domain.effects.answers import TrialPlan
from twin_operator.domain.effects.trial_size import TrialDesign, trial_plan
from twin_operator.domain.effects.weighted_effect import ArmSummary, WeightedEffect

ARM = ArmSummary(sd=2.0, residual_variance=4.0, effective_rows=300.0, events=0, others=300, event_variance=0.0)
EFFECT = WeightedEffect(
    estimate=0.5,
    variance=0.01,
    clusters=600,
    baseline=1.0,
    treated=1.5,
    share_squared=1.0,
    matched=600,
    effective_rows=600.0,
    largest_share=1 / 600,
    weight_share=1.0,
    treated_arm=ARM,
    control_arm=ARM,
)
DESIGN = TrialDesign(confidence=0.95, power=0.8)


def test_units_per_arm_are_those_of_a_one_sided_z_test() -> None:
    oracle = NormalIndPower().solve_power(effect_size=0.5 / 2.0, alpha=0.05, power=0.8, alternative="larger")
    assert trial_plan(EFFECT, 0.5, DESIGN, None).per_arm == math.ceil(oracle)


def test_what_the_prediction_explains_need_not_be_bought_with_units() -> None:
    explained = replace(
        EFFECT, treated_arm=replace(ARM, residual_variance=2.0), control_arm=replace(ARM, residual_variance=2.0)
    )
    plain, adjusted = (trial_plan(effect, 0.1, DESIGN, None).per_arm for effect in (EFFECT, explained))
    assert plain is not None
    assert adjusted == pytest.approx(plain / 2, abs=1)


def test_clusters_inflate_the_trial_and_stay_whole() -> None:
    clustered = replace(DESIGN, intraclass_correlation=0.05, cluster_size=20, cluster_size_cv=0.5)
    per_arm = trial_plan(EFFECT, 0.5, clustered, None).per_arm
    units = NormalIndPower().solve_power(effect_size=0.25, alpha=0.05, power=0.8, alternative="larger")
    assert per_arm == 20 * math.ceil(units * (1 + (20 * 1.25 - 1) * 0.05) / 20)


def test_a_population_that_is_too_small_gets_no_plan_but_what_it_can_tell() -> None:
    plan = trial_plan(EFFECT, 0.5, DESIGN, 300)
    quantiles = 1.6448536 + 0.8416212
    assert (plan.per_arm, plan.total) == (None, None)
    assert plan.minimum_detectable_effect == pytest.approx(quantiles * math.sqrt(8.0 / 150), rel=1e-6)


def test_a_population_that_is_large_enough_gets_both() -> None:
    plan = trial_plan(EFFECT, 0.5, DESIGN, 10_000)
    assert plan.per_arm is not None
    assert plan.total == 2 * plan.per_arm
    assert plan.minimum_detectable_effect is not None


def test_the_smallest_detectable_distance_needs_just_that_population() -> None:
    detectable = trial_plan(EFFECT, 0.5, DESIGN, 1_000).minimum_detectable_effect
    assert detectable is not None
    assert trial_plan(EFFECT, detectable * 1.000001, DESIGN, 1_000).per_arm == 500


@pytest.mark.parametrize("distance", [0.0, 1e-12])
def test_an_effect_at_the_minimum_cannot_be_told_from_it(distance: float) -> None:
    assert trial_plan(EFFECT, distance, DESIGN, None) == TrialPlan(None, None, None)


def test_a_population_smaller_than_a_cluster_an_arm_can_tell_nothing() -> None:
    assert trial_plan(EFFECT, 0.5, replace(DESIGN, cluster_size=30), 50).minimum_detectable_effect is None
