"""Plans and recorded outcomes travel as JSON and come back as they were."""

import json
from typing import Any

import pytest

from tests.unit.domain.outcomes import outcome
from twin_operator.api.v1alpha1.retraining_job import TrainingPlan as StatusPlan
from twin_operator.domain.effects.population import Clause
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import Algorithm
from twin_operator.services.runs.payloads import outcome_from_json, outcome_to_json, plan_from_json, plan_to_json

CARRIED_OUT = TrainingPlan(Algorithm.LINEAR, 10, 3, seeds=6, newest_only=1_743_465_600.0, reason="Why.")


@pytest.mark.parametrize(
    "plan",
    [
        TrainingPlan(Algorithm.RANDOM_FOREST, 5, 0),
        CARRIED_OUT,
        TrainingPlan(Algorithm.LINEAR, 10, 0, candidates=tuple(Algorithm), seed_factor=2),
    ],
)
def test_a_plan_comes_back_as_it_was(plan: TrainingPlan) -> None:
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


def test_a_plan_that_was_carried_out_reads_as_in_status() -> None:
    written = plan_to_json(CARRIED_OUT)
    assert written["newestOnly"] == "2025-04-01T00:00:00Z"
    assert StatusPlan.model_validate(written).model_dump(by_alias=True, exclude_none=True).keys() == written.keys()


@pytest.mark.parametrize("changes", [{}, {"where": (Clause("region", "In", ("north", "west")),), "hindsight": True}])
def test_an_outcome_comes_back_as_it_was(changes: dict[str, Any]) -> None:
    recorded = outcome(**changes)
    assert outcome_from_json(json.loads(json.dumps(outcome_to_json(recorded)))) == recorded
