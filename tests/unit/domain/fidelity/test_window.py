"""Which outcomes count, and what a window of them adds up to."""

from dataclasses import replace
from itertools import permutations
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.ledgers import SCALE, outcome
from twin_operator.domain.fidelity.ledger import Grade, NotCounted, RecordedOutcome, VersionIdentity
from twin_operator.domain.fidelity.window import ledger_of, oriented, summarise, why_not_counted, window_of
from twin_operator.domain.twin import Contrast, LedgerOutcome, tau_weights

CONTRAST = Contrast("letter", "none", ("winter",), np.array([1.0]), np.array([0.01]), np.ones(1), 2.0)


def made(
    number: int, experiment: int, share: float, observed: float, version: str, *, mirrored: bool, hindsight: bool
) -> RecordedOutcome:
    plain = outcome(
        number,
        observed=observed,
        experiment=f"experiment {experiment}",
        population_share=share,
        model_version=version,
        hindsight=hindsight,
        simulation=f"{number} {experiment} {share} {version} {mirrored}",
    )
    return plain.reversed() if mirrored else plain


OUTCOMES = st.lists(
    st.builds(
        made,
        number=st.integers(0, 4),
        experiment=st.integers(0, 3),
        share=st.sampled_from([0.2, 1.0]),
        observed=st.floats(-3, 3),
        version=st.sampled_from("12"),
        mirrored=st.booleans(),
        hindsight=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda each: each.simulation,
)


def names(outcomes: tuple[RecordedOutcome, ...]) -> list[str]:
    return [each.name for each in outcomes]


def test_the_ledger_of_a_contrast_has_what_the_mixture_needs() -> None:
    assert ledger_of([outcome(1)], CONTRAST) == [LedgerOutcome("experiment 1", 1.0, 1.1, 0.1, 0.2, 0.25)]


def test_a_mirrored_outcome_enters_the_ledger_with_its_signs_turned() -> None:
    assert ledger_of([outcome(1).reversed()], CONTRAST) == ledger_of([outcome(1)], CONTRAST)
    assert ledger_of([outcome(1)], CONTRAST.reversed()) == [LedgerOutcome("experiment 1", -1.0, -1.1, 0.1, 0.2, 0.25)]


@pytest.mark.parametrize(
    "other",
    [outcome(1, hindsight=True), outcome(1, arm="call"), outcome(1, against="call")],
    ids=["hindsight", "another arm", "another control"],
)
def test_the_ledger_leaves_out_hindsight_and_other_contrasts(other: RecordedOutcome) -> None:
    assert ledger_of([other], CONTRAST) == []


def test_the_ledger_takes_outcomes_of_every_version_in_the_order_of_recording() -> None:
    found = ledger_of([outcome(3, time=0.0), outcome(1, model_version="1"), outcome(2)], CONTRAST)
    assert [each.experiment for each in found] == ["experiment 1", "experiment 2", "experiment 3"]


VERSION = VersionIdentity("2", None, 0.0)


COUNT_ONCE = [
    outcome(1, experiment="spring", population_share=0.3, observed=1.0),
    outcome(2, experiment="spring", population_share=0.9, observed=2.0),
    outcome(3, experiment="spring", population_share=0.9, observed=3.0).reversed(),
]


@pytest.mark.parametrize("order", list(permutations(COUNT_ONCE)))
def test_an_experiment_counts_once_by_its_widest_population_that_was_recorded_first(
    order: tuple[RecordedOutcome, ...],
) -> None:
    assert [each.observed for each in ledger_of(order, CONTRAST)] == [2.0]
    assert names(window_of(order, VERSION, 50)) == ["simulation-2"]


def test_the_window_counts_each_contrast_of_an_experiment() -> None:
    call = outcome(2, arm="call", experiment="spring")
    assert len(window_of([outcome(1, experiment="spring"), call], VERSION, 50)) == 2


def test_the_window_is_the_newest_outcomes_of_a_version_newest_first() -> None:
    outcomes = [
        outcome(1, time=5.0),
        outcome(2, time=7.0),
        outcome(3, time=7.0, recorded=1.0),
        outcome(4, time=1.0),
        outcome(5, model_version="1"),
        outcome(6, hindsight=True),
    ]
    assert names(window_of(outcomes, VERSION, 3)) == ["simulation-2", "simulation-3", "simulation-1"]


TRAINED = VersionIdentity("2", "run", trained=5.0)


@pytest.mark.parametrize(
    ("version", "changes", "counts"),
    [
        (TRAINED, {"run_id": "run"}, True),
        (TRAINED, {"run_id": "run", "model_version": "1"}, True),
        (TRAINED, {"run_id": "of the deleted version 2", "predicted_at": 9.0}, False),
        (TRAINED, {"run_id": None, "predicted_at": 5.0}, True),
        (TRAINED, {"run_id": None, "predicted_at": 4.9}, False),
        (TRAINED, {"run_id": None, "predicted_at": 9.0, "model_version": "1"}, False),
        (replace(TRAINED, trained=None), {"run_id": None, "predicted_at": 9.0}, False),
        (replace(TRAINED, run_id=None), {"run_id": "run", "predicted_at": 9.0}, True),
        (replace(TRAINED, run_id=None), {"run_id": "run", "predicted_at": 4.0}, False),
    ],
)
def test_a_number_that_is_given_out_again_is_another_version(
    version: VersionIdentity, changes: dict[str, Any], *, counts: bool
) -> None:
    assert bool(window_of([outcome(1, **changes)], version, 50)) is counts


@given(OUTCOMES, st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_window_never_counts_a_contrast_of_an_experiment_twice_in_any_order(
    outcomes: list[RecordedOutcome],
    size: int,
    random: Random,
) -> None:
    window = window_of(outcomes, VERSION, size)
    assert len({each.experiment for each in window}) == len(window) <= size
    assert all(each.model_version == "2" and not each.hindsight for each in window)
    shuffled = sorted(outcomes, key=lambda _: random.random())
    assert window_of(shuffled, VERSION, size) == window
    assert ledger_of(shuffled, CONTRAST) == ledger_of(outcomes, CONTRAST)


@settings(deadline=None)
@given(OUTCOMES)
def test_an_outcome_is_in_the_window_or_there_is_a_reason(outcomes: list[RecordedOutcome]) -> None:
    version, trained_on = VersionIdentity("1", None, 0.0), {"experiment 3"}
    predicted = [each for each in outcomes if each.experiment not in trained_on]
    window = window_of(predicted, version, len(outcomes) or 1)
    for each in outcomes:
        found = why_not_counted(each, outcomes, version, trained_on)
        assert (found is None) == (each in window)
        if found is not None and found[0] in {NotCounted.NOT_WIDEST, NotCounted.SAME_EXPERIMENT}:
            assert found[1] in window


def test_a_window_without_outcomes_adds_up_to_nothing() -> None:
    assert summarise([]) is None


def test_a_window_adds_up_by_the_formulas() -> None:
    window = [outcome(1, 1.0, 1.5, 0.3), outcome(2, 2.0, 1.0, 0.1), outcome(3, 0.1, 0.0, 0.2)]
    window[2] = replace(window[2], graded=replace(window[2].graded, covered=False))
    window[:2] = [replace(each, graded=replace(each.graded, covered=True)) for each in window[:2]]
    found = summarise(window)
    excess = np.mean([0.5**2 - 0.3**2, 1.0 - 0.1**2, 0.1**2 - 0.2**2])
    error = np.sqrt(excess / np.mean([1.5**2, 2.0**2, 0.2**2]))
    assert found is not None
    assert found.mean_relative_error == pytest.approx(error)
    assert found.coverage == pytest.approx(2 / 3)
    assert found.score == pytest.approx(0.7 * (1 - error) + 0.3 * (1 - (0.95 - 2 / 3) / 0.95))
    assert found.bias == pytest.approx((0.5 - 1.0 - 0.1) / 3)
    assert (found.validations, found.grade, found.last_validated) == (3, Grade.POOR, 3.0)


def test_an_error_within_the_noise_is_no_error() -> None:
    found = summarise([outcome(1, 1.0, 1.2, 0.5), outcome(2, 1.0, 0.7, 0.5)])
    assert found is not None
    assert (found.mean_relative_error, found.grade) == (0.0, Grade.EXCELLENT)


@pytest.mark.parametrize("size", [0.0, 1e-200])
def test_effects_of_no_size_at_all_add_up(size: float) -> None:
    silent = outcome(1, size, size)
    found = summarise([replace(silent, graded=replace(silent.graded, observed_sd=0.0))])
    assert found is not None
    assert found.mean_relative_error == 0


@given(OUTCOMES.filter(bool), st.randoms(use_true_random=False))
def test_the_score_is_between_0_and_1_in_any_order(window: list[RecordedOutcome], random: Random) -> None:
    found = summarise(window)
    assert found is not None
    assert 0 <= found.score <= 1
    assert summarise(sorted(window, key=lambda _: random.random())) == found


def test_the_bias_of_mirrored_contrasts_does_not_cancel() -> None:
    window = [outcome(1, 1.0, 0.5), outcome(2, 1.0, 0.5), outcome(3, 1.0, 0.5).reversed()]
    found = summarise(window)
    assert found is not None
    assert found.bias == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("window", "arms"),
    [
        ([outcome(1), outcome(2), outcome(3).reversed()], {"letter"}),
        ([outcome(1).reversed(), outcome(2).reversed(), outcome(3)], {"none"}),
        ([outcome(1), outcome(2).reversed()], {"letter"}),
        ([outcome(1).reversed(), outcome(2, arm="call")], {"letter", "call"}),
        ([outcome(1).reversed(), outcome(2, arm="call").reversed()], {"letter", "call"}),
    ],
    ids=["as most", "as most, reversed", "alphabetical", "against the common arm", "against it though asked reversed"],
)
def test_a_pair_of_arms_is_read_in_one_direction(window: list[RecordedOutcome], arms: set[str]) -> None:
    assert {each.arm for each in oriented(window)} == arms


def test_reversing_twice_changes_nothing() -> None:
    assert outcome(1).reversed().reversed() == outcome(1)
    assert outcome(1).reversed().error == pytest.approx(-outcome(1).error)


@settings(max_examples=20)
@given(OUTCOMES)
def test_the_mixture_counts_each_later_experiment_of_the_ledger_once(outcomes: list[RecordedOutcome]) -> None:
    ledger = ledger_of(outcomes, CONTRAST)
    assert tau_weights(CONTRAST, SCALE, ledger).outcomes == len({each.experiment for each in ledger}) == len(ledger)


def test_outcomes_whose_experiment_is_in_the_data_teach_nothing_more() -> None:
    ledger = ledger_of([outcome(1, experiment="winter", observed=9.0)], CONTRAST)
    assert tau_weights(CONTRAST, SCALE, ledger).digest == tau_weights(CONTRAST, SCALE).digest


@pytest.mark.parametrize(("observed", "wider"), [(5.0, True), (1.05, False)])
def test_outcomes_teach_how_much_effects_differ(observed: float, *, wider: bool) -> None:
    ledger = ledger_of([outcome(number, observed=observed) for number in range(6)], CONTRAST)
    before, after = tau_weights(CONTRAST, SCALE), tau_weights(CONTRAST, SCALE, ledger)
    assert (after.median > before.median) is wider
