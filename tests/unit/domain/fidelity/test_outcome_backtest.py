"""Known outcomes are predicted as if they were not known: without their experiment, and without themselves."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.unit.domain.outcomes import outcome
from tests.unit.domain.tables import SITES, Table, bank_for, trial
from twin_operator.domain.effects.population import Clause, matching_rows
from twin_operator.domain.effects.predictive import predictive_of
from twin_operator.domain.effects.weighted_effect import weighted_effect
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.fidelity.outcome_backtest import backtest, interval_score
from twin_operator.domain.learning.contrasts import contrasts_of
from twin_operator.domain.table.experiment_data import prepare
from twin_operator.domain.twin.bank import Bank
from twin_operator.domain.twin.tau_mixture import tau_weights

SCALE = 0.25


def bank(table: Table | None = None) -> Bank:
    return bank_for(prepare(table or trial(rows=800, sites=4, between=0.3), SITES))


def scores(twin: Bank, *ledger: RecordedOutcome) -> list[float]:
    return list(backtest(twin, contrasts_of(twin), ledger, SCALE))


def test_an_interval_is_scored_by_its_width_and_by_how_far_it_misses() -> None:
    assert interval_score(-1.0, 1.0, 0.5, 0.95) == pytest.approx(2.0)
    assert interval_score(-1.0, 1.0, 1.5, 0.95) == pytest.approx(2.0 + 40 * 0.5)
    assert interval_score(-1.0, 1.0, -3.0, 0.9) == pytest.approx(2.0 + 20 * 2.0)


def test_a_new_experiment_is_predicted_from_all_rows_with_the_error_of_its_own_measurement() -> None:
    twin, new = bank(), outcome()
    measured = weighted_effect(twin, matching_rows(twin, (), 1, 0), 1, 0)
    contrast = next(each for each in contrasts_of(twin) if each.arm == "letter")
    low, high = predictive_of(measured, tau_weights(contrast, SCALE), extra=0.2**2).interval(0.95)
    assert scores(twin, new) == pytest.approx([interval_score(low, high, 1.2, 0.95)])


def test_neither_an_outcome_nor_the_others_excuse_a_miss_by_a_wider_interval() -> None:
    twin = bank()
    first, second = outcome("autumn"), outcome("winter", observed=9.0)
    assert scores(twin, first, second)[0] == scores(twin, first)[0]


def test_an_experiment_of_the_data_is_predicted_without_its_rows() -> None:
    spoilt = trial(rows=800, sites=4, between=0.3)
    own = (spoilt["site"] == "site 01") & (spoilt["arm"] == "letter")
    twin = bank(spoilt)
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
    assert np.isnan(scores(bank(), outcome(**changes))).all()


def test_the_only_experiment_cannot_be_predicted_without_itself() -> None:
    twin = bank(trial(rows=400, sites=1))
    assert np.isnan(scores(twin, outcome("site 00"))).all()
    assert np.isfinite(scores(twin, outcome("autumn"))).all()


def test_one_outcome_counts_per_experiment_and_pair_of_arms_the_widest() -> None:
    narrow = outcome(population_share=0.2, simulation="narrow")
    wide = outcome(population_share=0.9, simulation="wide", recorded=9.0, observed=3.0)
    known_before = outcome("spring", hindsight=True)
    mirrored = outcome(arm="none", against="letter", simulation="mirrored", population_share=0.5)
    twin = bank()
    assert scores(twin, narrow, known_before, wide, mirrored) == scores(twin, wide)
    assert scores(twin, mirrored, wide, narrow) == scores(twin, wide)
    assert scores(twin) == []
