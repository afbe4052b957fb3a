"""Grading what a Simulation's status and spec say, and reading the recorded outcomes of a registered model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.api.v1alpha1.simulation_status import PredictionFidelity
from twin_operator.domain.fidelity.ledger import Grade, TwinKey
from twin_operator.domain.twin import TauWeights
from twin_operator.services.outcomes.grading import Ungradable, equivalent_weights, outcome_of
from twin_operator.services.outcomes.health import prediction_fidelity
from twin_operator.services.runs.run import Outcome, Run
from twin_operator.services.simulations.status import finished

COMPLETED = "2027-01-15T08:00:00Z"
NOW = 1_800_000_600.0
WEIGHTS = TauWeights(np.array([0.0, 0.01]), np.array([0.5, 0.5]), 5, 0)


def simulation(observed: dict[str, Any] | None = None, **status: Any) -> Simulation:
    answered = {
        "phase": "Succeeded",
        "completionTime": COMPLETED,
        "modelVersion": "2",
        "modelRunID": "4f1d",
        "registeredModel": "n.spring",
        "effect": {"estimate": 0.07, "standardError": 0.011},
        "basis": {
            "against": "No E-Mail",
            "samplingSD": 0.005,
            "experimentShareSquared": 0.2,
            "degreesOfFreedom": 9_998.0,
            "controlSD": 0.3,
            "treatedSD": 0.4,
            "weightsDigest": WEIGHTS.digest,
        },
        "population": {"share": 0.5},
        **status,
    }
    spec = {
        "modelRef": {"name": "spring"},
        "intervention": {"arm": "E-Mail"},
        "population": {"where": [{"feature": "age", "operator": "LessThan", "values": ["40"]}]},
        "observed": observed or {"experiment": " spring-25 ", "effect": 0.068, "standardError": 0.003},
    }
    metadata = {"namespace": "n", "name": "asked", "uid": "u", "generation": 2}
    return Simulation.model_validate({"metadata": metadata, "spec": spec, "status": answered})


def test_an_outcome_is_graded_with_the_prediction_as_it_was_issued() -> None:
    outcome = outcome_of(simulation(), {WEIGHTS.digest: WEIGHTS}, NOW, "c")
    assert (outcome.experiment, outcome.arm, outcome.against) == ("spring-25", "E-Mail", "No E-Mail")
    assert (outcome.registered_model, outcome.model_version, outcome.population_share) == ("n.spring", "2", 0.5)
    assert (outcome.twin, outcome.run_id) == (TwinKey("c", "n", "spring"), "4f1d")
    assert outcome.where[0].values == ("40",)
    assert outcome.graded.standardized_error == pytest.approx(-0.002 / math.hypot(0.011, 0.003))
    assert outcome.graded.grade is Grade.EXCELLENT
    assert outcome.graded.covered
    assert not outcome.hindsight
    assert (outcome.time, outcome.recorded) == (NOW, NOW)


def test_the_grade_is_written_in_the_words_of_the_api() -> None:
    fidelity = prediction_fidelity(outcome_of(simulation(), {WEIGHTS.digest: WEIGHTS}, NOW, "c"), None, ())
    assert fidelity.manifest() == {
        "grade": "Excellent",
        "absoluteError": 0.002,
        "relativeError": 0.0,
        "standardizedError": -0.175412,
        "covered": True,
        "hindsight": False,
        "recordedTime": "2027-01-15T08:10:00Z",
    }


@pytest.mark.parametrize(("time", "hindsight"), [("2027-01-15T07:59:59Z", True), ("2027-01-15T08:00:00Z", False)])
def test_an_outcome_that_was_known_before_its_prediction_is_hindsight(time: str, *, hindsight: bool) -> None:
    told = {"experiment": "e", "effect": 0.07, "standardError": 0.003, "time": time}
    assert outcome_of(simulation(told), {}, NOW, "c").hindsight is hindsight


def test_an_outcome_that_came_with_the_question_is_hindsight_whatever_its_time() -> None:
    told = {"experiment": "e", "effect": 0.07, "standardError": 0.003, "time": "2030-01-01T00:00:00Z"}
    written = finished(simulation(told), Run(finished=NOW), Outcome(Reason.SUCCEEDED, "", {}), None, NOW)
    assert written.fidelity == PredictionFidelity(hindsight=True)
    assert outcome_of(simulation(fidelity={"hindsight": True}), {}, NOW, "c").hindsight


def test_a_question_without_an_outcome_is_not_hindsight() -> None:
    asked = simulation()
    unanswered = asked.replace(spec=asked.spec.replace(observed=None))
    assert finished(unanswered, Run(), Outcome(Reason.SUCCEEDED, "", {}), None, NOW).fidelity is None


@pytest.mark.parametrize(
    ("status", "path"),
    [
        ({"basis": None}, "status.basis"),
        ({"effect": None}, "status.effect"),
        ({"registeredModel": None}, "status.registeredModel"),
        ({"modelVersion": None}, "status.modelVersion"),
    ],
)
def test_what_an_answer_lacks_for_its_grade_is_named(status: dict[str, Any], path: str) -> None:
    with pytest.raises(Ungradable, match=f"{path} is missing"):
        outcome_of(simulation(**status), {}, NOW, "c")


def test_lost_weights_are_replaced_by_the_one_tau_that_gives_the_interval_as_issued() -> None:
    outcome = outcome_of(simulation(), {}, NOW, "c")
    weights = equivalent_weights(outcome.issued)
    spread = math.sqrt(outcome.issued.sampling_sd**2 + weights.tau[0] ** 2 * (1 + outcome.issued.share_squared))
    assert spread == pytest.approx(0.011)


def test_an_outcome_told_by_its_sample_size_takes_its_precision_from_the_arms() -> None:
    outcome = outcome_of(simulation({"experiment": "e", "effect": 0.07, "sampleSize": 1000}), {}, NOW, "c")
    assert outcome.graded.observed_sd == pytest.approx(math.sqrt(2 * (0.3**2 + 0.4**2) / 1000))
