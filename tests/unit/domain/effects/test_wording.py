"""The sentence of a recommendation: short, and without the words of one field."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from twin_operator.domain.effects.answers import Action, ArmSupport, Evidence, TrialPlan, Why
from twin_operator.domain.effects.wording import Case, Statement

MOST_WORDS = 52  # the usual sentence has about 45; the longest reason and next step need some more
SUPPORT = ArmSupport(effective_rows=1_000.0, events=200, others=800)
EVIDENCE = Evidence(
    probability_of_benefit=0.769,
    probability_in_own_experiments=0.9999,
    experiments=3,
    outcomes=0,
    treated_arm=SUPPORT,
    control_arm=SUPPORT,
    largest_share=0.0001,
    outcome="visits",
    binary=True,
    randomised=True,
    accept_prior=False,
)
CASE = Case(
    arm="letter",
    against="none",
    minimum_effect=0.01,
    confidence=0.95,
    estimate=0.0736,
    low=-0.111,
    high=0.573,
    interval_confidence=0.95,
    plan=TrialPlan(per_arm=1_374, total=2_748, minimum_detectable_effect=None),
    evidence=EVIDENCE,
)
PLANS = [CASE.plan, TrialPlan(None, None, 0.0321), TrialPlan(None, None, None)]
REASONS = {
    Action.DEPLOY: [Why.BENEFIT_LIKELY],
    Action.SKIP: [Why.BENEFIT_UNLIKELY],
    Action.REFINE: sorted(set(Why) - {Why.BENEFIT_LIKELY, Why.BENEFIT_UNLIKELY}),
}
CONCLUSIONS = [(action, reason) for action, reasons in REASONS.items() for reason in reasons]


def sentences(action: Action, reason: Why) -> list[str]:
    """Return the sentences of a conclusion, in every form that figures and plans give them."""
    return [
        str(Statement(replace(CASE, plan=plan, minimum_effect=minimum, evidence=evidence), action, reason, missing))
        for plan, minimum, missing in product(PLANS, (-0.01, 0.0, 0.01), (0, 4))
        for evidence in (EVIDENCE, replace(EVIDENCE, randomised=False), replace(EVIDENCE, binary=False))
    ]


@pytest.mark.parametrize(("action", "reason"), CONCLUSIONS)
def test_a_recommendation_is_a_sentence_of_about_45_words(action: Action, reason: Why) -> None:
    words = {sentence: len(sentence.replace(" %", "").split()) for sentence in sentences(action, reason)}
    assert {sentence: count for sentence, count in words.items() if count > MOST_WORDS} == {}


@pytest.mark.parametrize(("action", "reason"), CONCLUSIONS)
def test_a_recommendation_names_no_field_of_application(action: Action, reason: Why) -> None:
    assert [sentence for sentence in sentences(action, reason) if "campaign" in sentence] == []


def test_a_recommendation_has_the_effect_its_interval_the_rule_and_the_next_step() -> None:
    assert str(Statement(CASE, Action.REFINE, Why.NOT_CALIBRATED, 4)) == (
        "Refine: letter instead of none should raise visits by 7.36 points (95 % interval in a new experiment -11.1 to "
        "57.3 points); probability of a benefit above 1 point 76.9 % (Deploy needs 95 %); 3 experiments cannot show "
        "how much effects vary; next, try it on 1,374 units per arm."
    )


def test_a_skip_says_what_it_allows() -> None:
    evidence = replace(EVIDENCE, probability_of_benefit=0.02)
    sentence = str(Statement(replace(CASE, evidence=evidence), Action.SKIP, Why.BENEFIT_UNLIKELY, 0))
    assert sentence.endswith(
        "probability of a benefit above 1 point 2 % (Skip allows 5 %); next, try another intervention."
    )
