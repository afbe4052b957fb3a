"""A candidate is compared with the champion on rows that neither was fitted on, and rejected only beyond chance."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.unit.domain.outcomes import outcome
from tests.unit.domain.tables import BINARY, COLUMNS, LINEAR, SITES, Table, bank_for, trial
from twin_operator.domain.effects.population import Clause, matching_rows
from twin_operator.domain.effects.predictive import predictive_of
from twin_operator.domain.effects.weighted_effect import weighted_effect
from twin_operator.domain.errors import DataInvalid
from twin_operator.domain.fidelity.gate import backtest, compare_backtests, compare_losses, gate, interval_score
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.fidelity.paired_losses import PairedLosses, held_out_losses
from twin_operator.domain.learning.contrasts import contrasts_of
from twin_operator.domain.learning.cross_fitting import cross_fit, predict_others
from twin_operator.domain.learning.learners import one_thread
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import Algorithm, Columns, Learner
from twin_operator.domain.table.experiment_data import prepare
from twin_operator.domain.twin import Bank, tau_weights

# Two folds: half of the fits, and as good a test.
LEARNER = replace(LINEAR, folds=2)
PLAN = TrainingPlan.of(LEARNER)
SITES_BINARY = replace(BINARY, experiment="site")
SCALE = 0.25


def bank(table: Table, columns: Columns = COLUMNS, learner: Learner = LEARNER) -> Bank:
    return bank_for(prepare(table, columns), learner)


def joined(*tables: Table) -> Table:
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def gaps(table: Table) -> Table:
    table["age"][::7] = np.nan
    table["region"][::5] = None
    return table


@pytest.mark.learner
@pytest.mark.parametrize("columns", [SITES, SITES_BINARY])
@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_the_champion_is_refitted_to_what_it_was(algorithm: Algorithm, columns: Columns) -> None:
    learner = Learner(algorithm, folds=2, seed=4)
    same = bank(gaps(trial(rows=300, sites=3)), columns, learner)
    losses = held_out_losses(same, same, TrainingPlan.of(learner))
    assert losses.candidate.size == same.held_out.sum() > 0
    np.testing.assert_allclose(losses.candidate, losses.champion, rtol=1e-9)


def test_the_champion_is_refitted_with_as_many_seeds_as_its_plan_says() -> None:
    data = prepare(trial(rows=500), COLUMNS)
    doubled = replace(bank_for(data), nuisance=cross_fit(data, LEARNER, lambda _share: None, 6).prediction)
    losses = held_out_losses(doubled, doubled, replace(PLAN, seeds=6))
    np.testing.assert_allclose(losses.candidate, losses.champion, rtol=1e-9)
    assert not np.allclose(losses.candidate, held_out_losses(doubled, doubled, PLAN).champion, rtol=1e-6)


def test_labels_are_matched_by_name_whatever_their_codes() -> None:
    champion = bank(trial(rows=800, sites=3), SITES)
    abroad = trial(rows=200, seed=8, sites=3)
    abroad["region"] = np.full(200, "abroad", dtype=object)
    abroad["site"] = np.full(200, "a site before all others", dtype=object)
    candidate = bank(joined(trial(rows=800, sites=3), abroad), SITES)
    losses = held_out_losses(candidate, champion, PLAN)
    rows = np.flatnonzero(candidate.held_out)
    known = candidate.experiment[rows] != candidate.experiments.index("a site before all others")
    own = champion.nuisance[np.arange(champion.rows), champion.arm]
    expected = ((champion.outcome - own) ** 2)[champion.held_out]
    np.testing.assert_allclose(np.sort(losses.champion[known]), np.sort(expected), rtol=1e-9)
    assert np.isfinite(losses.champion[~known]).all()
    assert (~known).sum() > 0


def test_an_unknown_level_is_asked_about_as_a_missing_one() -> None:
    data = prepare(gaps(trial(rows=600)), COLUMNS)
    asked = prepare(trial(rows=600, seed=5), COLUMNS)
    unknown = replace(asked, features={**asked.features, "region": np.full(600, -1, dtype=np.int32)})
    with one_thread():
        predicted = predict_others(data, LEARNER, unknown)
    assert np.isfinite(predicted).all()


def test_rows_of_an_arm_that_the_champion_does_not_know_are_left_out() -> None:
    old, new = trial(rows=600), trial(rows=300, seed=3)
    new["arm"] = np.where(new["arm"] == "letter", "a call", new["arm"]).astype(object)
    candidate = bank(joined(old, new))
    losses = held_out_losses(candidate, bank(old), PLAN)
    calls = candidate.held_out & (candidate.arm == candidate.arm_code("a call"))
    assert losses.candidate.size == candidate.held_out.sum() - calls.sum()
    assert calls.sum() > 0


def test_the_verdict_does_not_depend_on_the_order_of_rows() -> None:
    old, both = trial(rows=500), joined(trial(rows=500), trial(rows=200, seed=7))
    shuffle = np.random.default_rng(2).permutation(700)
    verdicts = [
        gate(bank(table), bank(champion), PLAN, (), 0.25, 0.0)
        for table, champion in (
            (both, old),
            ({name: both[name][shuffle] for name in both}, {name: old[name][::-1] for name in old}),
        )
    ]
    assert verdicts[0].champion_loss == pytest.approx(verdicts[1].champion_loss, rel=1e-6)
    assert verdicts[0].candidate_loss == pytest.approx(verdicts[1].candidate_loss, rel=1e-6)
    assert verdicts[0].passed == verdicts[1].passed


def test_versions_of_different_columns_are_not_compared() -> None:
    with pytest.raises(DataInvalid, match="different columns"):
        held_out_losses(bank(trial()), bank(trial(), BINARY), PLAN)


def paired(rng: np.random.Generator, worse: float = 0.0, rows: int = 400, size: int = 1) -> PairedLosses:
    """Losses with the skew of real ones; differences are shared within units of `size` rows."""
    champion = rng.exponential(1.0, rows)
    shared = np.repeat(rng.normal(worse, 0.1, rows // size), size)
    return PairedLosses(champion + shared, champion, np.arange(rows) // size)


@pytest.mark.parametrize("size", [1, 8])
def test_of_equally_good_candidates_one_in_twenty_is_rejected(size: int) -> None:
    rng = np.random.default_rng(11)
    rejected = [not compare_losses(paired(rng, size=size), 0.0).passed for _ in range(2_000)]
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.015)


def test_rows_taken_as_units_of_their_own_would_reject_more() -> None:
    rng = np.random.default_rng(11)
    losses = [paired(rng, size=8) for _ in range(500)]
    rejected = [not compare_losses(replace(each, cluster=np.arange(400)), 0.0).passed for each in losses]
    assert np.mean(rejected) > 0.2


def test_an_allowed_regression_is_a_share_of_the_champions_loss() -> None:
    worse = paired(np.random.default_rng(1), worse=0.05)
    assert not compare_losses(worse, 0.0).passed
    assert compare_losses(worse, 0.1).passed


@cache
def trainings(pairs: int = 24) -> list[tuple[Bank, Bank]]:
    """Candidates and champions from samples of their own of one population."""
    return [(bank(trial(400, seed=2 * k)), bank(trial(400, seed=2 * k + 1))) for k in range(pairs)]


def rejections(versions: list[tuple[Bank, Bank]]) -> float:
    return float(np.mean([not compare_losses(held_out_losses(*pair, PLAN), 0.0).passed for pair in versions]))


@pytest.mark.learner
def test_equally_good_trainings_are_rarely_rejected_although_half_have_a_larger_loss() -> None:
    larger = [compare_losses(held_out_losses(*pair, PLAN), 0.0).difference > 0 for pair in trainings()]
    assert rejections(trainings()) <= 0.125
    assert np.mean(larger) > 0.35


@pytest.mark.learner
def test_a_candidate_trained_on_shuffled_outcomes_is_rejected() -> None:
    spoilt = []
    for seed in range(12):
        data = prepare(trial(1_500, seed=2 * seed), COLUMNS)
        outcome, fitted = data.outcome.copy(), ~data.held_out
        outcome[fitted] = np.random.default_rng(seed).permutation(outcome[fitted])
        spoilt.append((bank_for(replace(data, outcome=outcome), LEARNER), bank(trial(1_500, seed=2 * seed + 1))))
    assert rejections(spoilt) > 0.95


def test_scores_on_outcomes_reject_beyond_chance_only() -> None:
    rng = np.random.default_rng(3)
    champion = rng.exponential(1.0, (1_000, 20))
    same = champion + rng.normal(0.0, 0.1, champion.shape)
    rejected = [not compare_backtests(*pair).passed for pair in zip(same, champion, strict=True)]
    assert np.mean(rejected) == pytest.approx(0.06, abs=0.02)
    assert not compare_backtests(champion[0] + 0.5 + 0.1 * rng.random(20), champion[0]).passed


def test_scores_are_compared_on_the_outcomes_that_both_can_predict() -> None:
    nan = float("nan")
    compared = compare_backtests(np.array([1.0, 2.0, nan, 4.0]), np.array([1.0, nan, 3.0, 2.0]))
    assert (compared.n, compared.candidate, compared.champion) == (2, 2.5, 1.5)
    assert compare_backtests(np.array([9.0]), np.array([1.0])).passed
    assert compare_backtests(np.array([nan]), np.array([1.0])).n == 0


def verdict(candidate: Bank, champion: Bank, **changes: Any) -> Any:
    arguments = {"champion_plan": PLAN, "ledger": (), "scale": 0.25, "max_regression": 0.0}
    return gate(candidate, champion, **{**arguments, **changes})


def test_the_verdict_says_what_was_compared() -> None:
    same = bank(trial(600))
    passed = verdict(same, same)
    assert passed.passed
    assert passed.sentence.startswith("Passed: on ")
    assert "held-out rows its squared error is" in passed.sentence
    assert "no known outcome yet" in passed.sentence
    assert np.isnan(passed.candidate_backtest)


def test_a_worse_candidate_is_told_by_how_much() -> None:
    good = bank(trial(1_500))
    refused = verdict(replace(good, nuisance=good.nuisance + 3.0), good, max_regression=0.02)
    assert not refused.passed
    assert refused.sentence.startswith("Not better: on ")
    assert "worse than chance and the allowed 2 % explain (difference" in refused.sentence


def test_without_a_held_out_row_nothing_is_held_against_a_candidate() -> None:
    same = bank(trial(600))
    none = verdict(replace(same, held_out=np.zeros(600, dtype=bool)), same)
    assert none.passed
    assert "losses were not compared" in none.sentence
    assert np.isnan(none.candidate_loss)


def test_a_single_randomised_unit_cannot_tell_versions_apart() -> None:
    compared = compare_losses(PairedLosses(np.full(9, 2.0), np.ones(9), np.zeros(9, dtype=np.int64)), 0.0)
    assert compared.passed
    assert np.isnan(compared.standard_error)


def bank_of_sites(table: Table | None = None) -> Bank:
    return bank_for(prepare(table or trial(rows=800, sites=4, between=0.3), SITES))


def scores(twin: Bank, *ledger: RecordedOutcome) -> list[float]:
    return list(backtest(twin, contrasts_of(twin), ledger, SCALE))


def test_an_interval_is_scored_by_its_width_and_by_how_far_it_misses() -> None:
    assert interval_score(-1.0, 1.0, 0.5, 0.95) == pytest.approx(2.0)
    assert interval_score(-1.0, 1.0, 1.5, 0.95) == pytest.approx(2.0 + 40 * 0.5)
    assert interval_score(-1.0, 1.0, -3.0, 0.9) == pytest.approx(2.0 + 20 * 2.0)


def test_a_new_experiment_is_predicted_from_all_rows_with_the_error_of_its_own_measurement() -> None:
    twin, new = bank_of_sites(), outcome()
    measured = weighted_effect(twin, matching_rows(twin, (), 1, 0), 1, 0)
    contrast = next(each for each in contrasts_of(twin) if each.arm == "letter")
    low, high = predictive_of(measured, tau_weights(contrast, SCALE), extra=0.2**2).interval(0.95)
    assert scores(twin, new) == pytest.approx([interval_score(low, high, 1.2, 0.95)])


def test_neither_an_outcome_nor_the_others_excuse_a_miss_by_a_wider_interval() -> None:
    twin = bank_of_sites()
    first, second = outcome("autumn"), outcome("winter", observed=9.0)
    assert scores(twin, first, second)[0] == scores(twin, first)[0]


def test_an_experiment_of_the_data_is_predicted_without_its_rows() -> None:
    spoilt = trial(rows=800, sites=4, between=0.3)
    own = (spoilt["site"] == "site 01") & (spoilt["arm"] == "letter")
    twin = bank_of_sites(spoilt)
    shifted = replace(
        twin, score=twin.score + 50.0 * (own.any() * (twin.experiment == 1)[:, None] * np.array([0.0, 1.0]))
    )
    assert scores(twin, outcome("site 01")) == pytest.approx(scores(shifted, outcome("site 01")))
    assert scores(twin, outcome("site 02")) != pytest.approx(scores(shifted, outcome("site 02")))


@pytest.mark.parametrize(
    "changes",
    [
        {"arm": "a call"},
        {"where": (Clause("region", "In", ("abroad",)),)},
        {"where": (Clause("height", "LessThan", ("2",)),)},
        {"where": (Clause("age", "LessThan", ("-5",)),)},
    ],
)
def test_what_a_bank_cannot_predict_has_no_score(changes: dict[str, Any]) -> None:
    assert np.isnan(scores(bank_of_sites(), outcome(**changes))).all()


def test_the_only_experiment_cannot_be_predicted_without_itself() -> None:
    twin = bank_of_sites(trial(rows=400, sites=1))
    assert np.isnan(scores(twin, outcome("site 00"))).all()
    assert np.isfinite(scores(twin, outcome("autumn"))).all()


def test_one_outcome_counts_per_experiment_and_pair_of_arms_the_widest() -> None:
    narrow = outcome(population_share=0.2, simulation="narrow")
    wide = outcome(population_share=0.9, simulation="wide", recorded=9.0, observed=3.0)
    known_before = outcome("spring", hindsight=True)
    mirrored = outcome(arm="none", against="letter", simulation="mirrored", population_share=0.5)
    twin = bank_of_sites()
    assert scores(twin, narrow, known_before, wide, mirrored) == scores(twin, wide)
    assert scores(twin, mirrored, wide, narrow) == scores(twin, wide)
    assert scores(twin) == []
