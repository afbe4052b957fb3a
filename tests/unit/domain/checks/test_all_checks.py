"""What a demanding reader wants to know of a training is found when it is there, and only then."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, mannwhitneyu
from sklearn.metrics import roc_auc_score

from tests.unit.domain.tables import BINARY, COLUMNS, SITES, Table, trial, twin
from twin_operator.domain.checks.assignment_check import AssignmentCheck, check_assignment, stratified_rank_test
from twin_operator.domain.checks.balance import check_balance, check_gaps, check_sample_ratio
from twin_operator.domain.table.columns import Columns, Feature, FeatureType
from twin_operator.domain.table.experiment_data import prepare

CLUSTERED = replace(COLUMNS, cluster="household")


def assignment(table: Table, columns: Columns = COLUMNS) -> AssignmentCheck:
    return check_assignment(prepare(table, columns), seed=0)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_without_strata_the_rank_test_is_mann_and_whitney_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, chosen = np.round(rng.normal(size=80), 1), rng.random(80) < 0.5
    auc, p = stratified_rank_test(score, chosen, np.zeros(80, dtype=np.int32))
    oracle = mannwhitneyu(
        score[chosen], score[~chosen], alternative="greater", method="asymptotic", use_continuity=False
    )
    assert auc == pytest.approx(roc_auc_score(chosen, score))
    assert p == pytest.approx(oracle.pvalue)


@pytest.mark.learner
def test_a_random_assignment_is_not_accused() -> None:
    p_values = [assignment(trial(rows=600, seed=seed)).findings.metrics["assignment_p"] for seed in range(12)]
    assert min(p_values) > 0.001
    assert np.mean(np.array(p_values) < 0.05) <= 0.2


def test_a_feature_that_leaks_the_treatment_is_named() -> None:
    table = trial(rows=1_000)
    table["age"] = table["age"] + 15 * (table["arm"] == "letter")
    found = assignment(table)
    assert found.findings.metrics["assignment_p"] < 0.001
    assert found.sentence is not None
    assert '"age"' in found.sentence
    assert '"visits"' not in found.sentence


def test_a_gap_that_only_one_arm_has_is_a_leak() -> None:
    table = trial(rows=1_000)
    table["visits"][(table["arm"] == "letter") & (np.arange(1_000) % 3 == 0)] = np.nan
    sentence = assignment(table).sentence
    assert sentence is not None
    assert '"visits"' in sentence


def test_different_shares_in_different_experiments_are_no_leak() -> None:
    table = trial(rows=1_200, sites=2)
    other = np.flatnonzero(table["site"] == "site 01")
    table["arm"][other] = np.where(np.arange(other.size) % 5 == 0, "letter", "none")
    table["age"][other] += 30
    assert assignment(table, SITES).sentence is None


def test_clusters_that_share_features_and_arm_are_no_leak() -> None:
    rng = np.random.default_rng(2)
    table, village = trial(rows=2_000), np.arange(2_000) // 50
    table["age"] = rng.normal(50, 10, 40)[village]
    table["arm"] = np.where(rng.permutation(np.arange(40) % 2)[village] == 1, "letter", "none").astype(object)
    table["village"] = village
    assert assignment(table, replace(COLUMNS, cluster="village")).sentence is None
    assert assignment(table).sentence is not None


def test_a_design_that_depends_on_features_is_not_tested() -> None:
    table = trial()
    chance = np.where(table["age"] > 50, 0.8, 0.3)
    treated = np.random.default_rng(0).random(600) < chance
    table |= {"arm": np.where(treated, "letter", "none").astype(object), "p": np.where(treated, chance, 1 - chance)}
    assert assignment(table, replace(COLUMNS, propensity="p")).findings.metrics == {}


def test_the_sample_ratio_is_tested_by_chi_square() -> None:
    table = trial(rows=1_000)
    table["arm"][np.flatnonzero(table["arm"] == "letter")[:20]] = "none"
    p = check_sample_ratio(prepare(table, COLUMNS)).metrics["sample_ratio_mismatch_p"]
    assert p == pytest.approx(chisquare([480, 520]).pvalue)


def test_lost_units_of_an_arm_are_warned_of() -> None:
    table = trial(rows=20_000)
    kept = ~((table["arm"] == "letter") & (np.arange(20_000) % 20 < 2))
    found = check_sample_ratio(prepare({name: column[kept] for name, column in table.items()}, COLUMNS))
    assert "differ more from the design" in found.warnings[0]


def test_an_unequal_design_is_no_mismatch() -> None:
    table = trial(rows=1_000)
    table["arm"][np.flatnonzero(table["arm"] == "letter")[:200]] = "none"
    assert check_sample_ratio(prepare(table, COLUMNS)).metrics == {}


def test_given_probabilities_say_what_the_ratio_should_be() -> None:
    table = trial(rows=1_000)
    table["p"] = np.where(table["arm"] == "letter", 0.3, 0.7)
    found = check_sample_ratio(prepare(table, replace(COLUMNS, propensity="p")))
    assert found.metrics["sample_ratio_mismatch_p"] < 1e-6


def test_the_balance_is_the_largest_standardised_difference() -> None:
    table = trial(rows=1_000)
    table["age"] = table["age"] + 3 * (table["arm"] == "letter")
    treated = table["arm"] == "letter"
    difference = (table["age"][treated].mean() - table["age"][~treated].mean()) / table["age"].std()
    found = check_balance(prepare(table, COLUMNS))
    assert found.metrics["largest_standardised_mean_difference"] == pytest.approx(difference)
    assert '"age"' in found.warnings[0]


def test_missing_shares_are_reported() -> None:
    table = trial()
    table["age"][:180] = np.nan
    found = check_gaps(prepare(table, COLUMNS))
    assert found.metrics["largest_missing_share"] == pytest.approx(0.3)
    assert '"age" (30%)' in found.warnings[0]


def test_outcomes_lost_in_one_arm_are_warned_of() -> None:
    table = trial()
    table["spend"][np.flatnonzero(table["arm"] == "letter")[:40]] = np.nan
    found = check_gaps(prepare(table, COLUMNS))
    assert found.metrics["dropped_share"] == pytest.approx(40 / 600)
    assert "40 rows without an outcome were dropped" in found.warnings[0]
    assert "more often in some arms" in found.warnings[1]


def test_placebo_effects_are_rarely_significant() -> None:
    metrics = twin(trial(rows=800)).metrics
    assert metrics["placebo_rejections"] < 0.12
    assert metrics["placebo_effect_sd"] == pytest.approx(0.0, abs=0.03)


def test_forgotten_clusters_are_not_hidden_by_naming_them() -> None:
    table = trial(rows=1_200)
    household = np.arange(1_200) // 30
    arm = np.random.default_rng(1).permutation(np.arange(40) % 2)[household]
    table["arm"] = np.where(arm == 1, "letter", "none").astype(object)
    table["spend"] = table["spend"] + np.random.default_rng(4).normal(0, 3, 40)[household]
    named = twin({**table, "household": household}, CLUSTERED)
    assert named.metrics["placebo_rejections"] < 0.14


def test_r_squared_is_what_the_model_explains_out_of_fold() -> None:
    metrics = twin(trial(rows=4_000)).metrics
    explained = 1 + 0.75 + 2 / 9
    assert metrics["r_squared_none"] == pytest.approx(explained / (explained + 4), abs=0.04)


def test_names_of_arms_in_metrics_are_what_a_registry_takes() -> None:
    table = trial()
    table["arm"] = np.where(table["arm"] == "letter", "5 % off!", "none").astype(object)
    assert any(name.startswith("r_squared_5 _ off__") for name in twin(table).metrics)


def test_each_experiment_is_predicted_from_the_others() -> None:
    metrics = twin(trial(rows=3_000, sites=6, between=0.2), SITES).metrics
    assert metrics["backtest_experiments"] == 6
    assert metrics["backtest_coverage"] >= 5 / 6


def test_there_is_no_backtest_of_one_experiment() -> None:
    assert "backtest_coverage" not in twin(trial()).metrics


def test_an_effect_that_fades_is_warned_of() -> None:
    table = trial(rows=4_000, effect=0.0)
    years = np.arange(4_000) / 1_000
    table["spend"] += np.where(table["arm"] == "letter", 3 - 0.7 * years, 0)
    table["when"] = np.datetime64("2022-01-01", "ns") + (years * 365.25 * 86_400).astype("timedelta64[s]")
    trained = twin(table, replace(COLUMNS, time="when"))
    assert trained.metrics["trend_p_letter"] < 0.01
    assert any("has fallen over time by" in warning for warning in trained.warnings)


def test_a_model_that_is_no_better_than_the_mean_is_said_so() -> None:
    table = {**trial(), "noise": np.random.default_rng(9).normal(size=600)}
    columns = replace(COLUMNS, features=(Feature("noise", FeatureType.NUMERIC),))
    assert any("the mean is used instead" in warning for warning in twin(table, columns).warnings)


def test_an_arm_that_was_never_compared_with_the_control_is_said_so() -> None:
    table = trial(rows=900, sites=2)
    at_second = table["site"] == "site 01"
    table["arm"][at_second] = np.where(np.arange(at_second.sum()) % 2 == 0, "call", "visit")
    trained = twin(table, SITES)
    assert [effect.arm for effect in trained.effects] == ["letter"]
    assert any('"call", "visit" with the control' in warning for warning in trained.warnings)
    assert {(each.arm, each.against) for each in trained.contrasts} >= {("call", "visit"), ("visit", "call")}


@pytest.mark.parametrize("columns", [COLUMNS, BINARY, SITES, CLUSTERED])
def test_every_metric_is_a_finite_number(columns: Columns) -> None:
    assert all(np.isfinite(value) for value in twin(trial(rows=800, sites=2), columns).metrics.values())


def test_an_arm_in_too_few_clusters_has_no_average_effect_and_a_warning() -> None:
    table = trial(rows=900, sites=2)
    table["arm"][(table["site"] == "site 01") & (np.arange(900) % 3 == 0)] = "call"
    table["village"] = np.where(table["site"] == "site 01", np.arange(900) % 4, 10 + np.arange(900) % 20)
    trained = twin(table, replace(SITES, cluster="village"))
    assert [effect.arm for effect in trained.effects] == ["letter"]
    assert any('no average effect of "call"' in warning for warning in trained.warnings)


def test_times_of_impossible_years_are_counted_in_a_warning() -> None:
    table = trial()
    when = ["9999-12-31"] * 4 + ["2026-03-01"] * 596
    warnings = twin({**table, "when": np.array(when, dtype=object)}, replace(COLUMNS, time="when")).warnings
    assert '4 times in "when" are outside the years 1900 to 2200 and count as missing.' in warnings
