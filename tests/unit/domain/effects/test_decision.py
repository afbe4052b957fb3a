"""Deploy, Skip or Refine, and the sentence that says so to a manager."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from tests.unit.domain.advised import Advised, advise
from tests.unit.domain.tables import BINARY, COLUMNS, certain, trial, twin, weights_for
from twin_operator.domain.effects.answers import Action, Why
from twin_operator.domain.effects.population import Clause
from twin_operator.domain.effects.simulate import Question
from twin_operator.domain.table.columns import Assignment, Better, Uncertainty
from twin_operator.domain.twin import Bank, TauWeights

TWIN = twin(trial(rows=2_000, effect=1.0))
LETTER = Question("letter", size=10_000)
PRIOR = weights_for(TWIN)


def answer(
    question: Question = LETTER,
    weights: TauWeights | None = None,
    uncertainty: Uncertainty | None = None,
    bank: Bank = TWIN.bank,
) -> Advised:
    return advise(bank, question, uncertainty or Uncertainty(), certain() if weights is None else weights)


def test_a_likely_benefit_of_a_calibrated_twin_is_deployed() -> None:
    found = answer().recommendation
    assert (found.action, found.reason) == (Action.DEPLOY, Why.BENEFIT_LIKELY)
    assert found.message.startswith("Deploy: letter instead of none should raise spend by")


def test_a_benefit_below_the_minimum_is_skipped() -> None:
    found = answer(replace(LETTER, minimum_effect=3.0)).recommendation
    assert (found.action, found.reason) == (Action.SKIP, Why.BENEFIT_UNLIKELY)


def test_a_harm_is_never_deployed_however_large() -> None:
    found = answer(Question("none", against="letter")).recommendation
    assert found.action is Action.SKIP
    assert "should lower spend by" in found.message


def test_lower_is_better_turns_the_decision_round() -> None:
    bank = replace(TWIN.bank, columns=replace(COLUMNS, better=Better.LOWER))
    assert answer(bank=bank).recommendation.action is Action.SKIP
    assert answer(Question("none", against="letter"), bank=bank).recommendation.action is Action.DEPLOY


def test_something_between_is_refined_with_the_trial_that_would_settle_it() -> None:
    estimate = answer().effect.estimate
    found = answer(replace(LETTER, minimum_effect=estimate - 0.05))
    assert (found.recommendation.action, found.recommendation.reason) == (Action.REFINE, Why.INCONCLUSIVE)
    assert found.trial.per_arm is None
    assert "plan more units" in found.recommendation.message


def test_one_experiment_is_not_enough_to_deploy() -> None:
    found = answer(weights=PRIOR).recommendation
    assert (found.action, found.reason) == (Action.REFINE, Why.NOT_CALIBRATED)
    assert "one experiment cannot show how much effects vary" in found.message


def test_a_skip_of_an_uncalibrated_twin_says_what_it_rests_on() -> None:
    found = answer(replace(LETTER, minimum_effect=1_000.0, confidence=0.9), weights=PRIOR).recommendation
    assert found.action is Action.SKIP
    assert "in past experiments alone" in found.message


def test_deploy_may_rest_on_the_prior_where_that_was_chosen() -> None:
    trusting = Uncertainty(accept_prior=True)
    weights = TauWeights(np.zeros(1), np.ones(1), 1, 0)
    assert answer(weights=weights).recommendation.action is Action.REFINE
    assert answer(weights=weights, uncertainty=trusting).recommendation.action is Action.DEPLOY


@pytest.mark.parametrize(
    ("experiments", "outcomes", "calibrated"), [(1, 3, False), (1, 4, True), (5, 0, True), (4, 0, False)]
)
def test_four_differences_between_experiments_make_a_twin_calibrated(
    experiments: int,
    outcomes: int,
    calibrated: bool,  # noqa: FBT001 - a column of the table of cases
) -> None:
    weights = TauWeights(np.zeros(1), np.ones(1), experiments, outcomes)
    assert answer(weights=weights).calibrated is calibrated


def test_an_observational_twin_needs_five_outcomes_of_its_own() -> None:
    bank = replace(TWIN.bank, columns=replace(COLUMNS, assignment=Assignment.OBSERVATIONAL))
    assert not answer(bank=bank, weights=TauWeights(np.zeros(1), np.ones(1), 20, 4)).calibrated
    assert answer(bank=bank, weights=TauWeights(np.zeros(1), np.ones(1), 1, 5)).calibrated


def test_a_population_with_few_units_is_answered_but_never_deployed() -> None:
    few = replace(LETTER, where=(Clause("age", "GreaterThan", ("68",)),))
    found = answer(few)
    assert found.population.matched < 100
    assert (found.recommendation.action, found.recommendation.reason) == (Action.REFINE, Why.TOO_FEW_UNITS)


def test_an_arm_with_four_events_has_too_few() -> None:
    table = trial(rows=1_000)
    table["bought"] = np.zeros(1_000)
    table["bought"][np.flatnonzero(table["arm"] == "none")[:4]] = 1.0
    table["bought"][table["arm"] == "letter"] = np.arange(500) % 2
    bank = twin(table, BINARY).bank
    assert answer(bank=bank).recommendation.reason is Why.TOO_FEW_UNITS


def test_one_heavy_row_is_too_few_units() -> None:
    weight = np.ones(TWIN.bank.rows)
    weight[0] = 0.06 * TWIN.bank.rows
    bank = replace(TWIN.bank, weight=weight, columns=replace(COLUMNS, weight="w"))
    assert answer(bank=bank).recommendation.reason is Why.TOO_FEW_UNITS


def test_at_the_tipping_point_the_probability_is_the_confidence() -> None:
    found = answer(replace(LETTER, minimum_effect=0.3), weights=PRIOR)
    tipping = found.recommendation.tipping_point_sd
    assert tipping is not None
    spread = np.sqrt(found.basis.sampling_sd**2 + tipping**2 * (1 + found.basis.experiment_share_squared))
    assert norm.cdf((found.effect.estimate - 0.3) / spread) == pytest.approx(0.95)


def test_there_is_no_tipping_point_below_the_minimum() -> None:
    assert answer(replace(LETTER, minimum_effect=5.0)).recommendation.tipping_point_sd is None


def test_the_probability_is_that_of_the_mixture() -> None:
    found = answer(replace(LETTER, minimum_effect=0.9))
    expected = norm.sf(0.9, found.effect.estimate, found.basis.sampling_sd)
    assert found.recommendation.probability_of_benefit == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("weights", [certain(), PRIOR], ids=["calibrated", "one experiment"])
@pytest.mark.parametrize("minimum", [0.0, 0.95, 1_000.0])
def test_the_message_is_one_sentence(weights: TauWeights, minimum: float) -> None:
    message = answer(replace(LETTER, minimum_effect=minimum), weights=weights).recommendation.message
    assert message.endswith(".")
    assert ". " not in message
    assert len(message) < 1_024


@pytest.mark.parametrize(
    ("minimum", "words"),
    [
        (0.0, "probability of a benefit "),
        (0.5, "probability of a benefit above 0.5 "),
        (-0.5, "probability of no loss above 0.5 "),
    ],
)
def test_the_message_names_the_benefit_that_was_asked_for(minimum: float, words: str) -> None:
    assert words in answer(replace(LETTER, minimum_effect=minimum)).recommendation.message
