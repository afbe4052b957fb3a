"""Messages about training: they come back as they were, and those of the previous release are understood."""

import json
import math
from dataclasses import asdict, replace
from typing import Any

import orjson
import pytest

from tests.unit.domain.outcomes import outcome
from tests.unit.services.trainings import Workshop
from twin_operator.api.v1alpha1.retraining_job import Contender, Gate, GateResult
from twin_operator.api.v1alpha1.retraining_job import TrainingPlan as StatusPlan
from twin_operator.domain.effects.population import Clause
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import Algorithm, Uncertainty
from twin_operator.services.runs.message import Message
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.training_messages import (
    Comparison,
    ComparisonPayload,
    DataCheckPayload,
    DataFound,
    DataUnchanged,
    RetrainingPayload,
    TrainedVersion,
    TrainingPayload,
    data_check_result,
    read_plan,
    write_plan,
)

CARRIED_OUT = TrainingPlan(Algorithm.LINEAR, 10, 3, seeds=6, newest_only=1_743_465_600.0, reason="Why.")
INFINITE = replace(outcome(), issued=replace(outcome().issued, degrees=math.inf))
SELECTED = outcome(where=(Clause("region", "In", ("north", "west")),), hindsight=True)

# Messages of the previous release, byte for byte the values that it sent.
SPEC: JSON = {
    "data": {"uri": "s3://shop/past.csv", "sha256": "0" * 64},
    "columns": {
        "features": [{"name": "age", "type": "Numeric"}],
        "treatment": {"name": "arm", "control": "none"},
        "outcome": {"name": "spend", "type": "Continuous", "better": "Higher"},
        "experiment": "site",
        "assignment": "Randomized",
    },
    "learner": {"algorithm": "Linear", "folds": 5, "seed": 0},
    "retraining": {
        "cooldown": "90m",
        "suspend": False,
        "approval": "Manual",
        "autoApproveBelow": 0.5,
        "maxAttempts": 3,
        "minSamples": 1000,
        "maxDataAge": "2160h",
        "timeZone": "Etc/UTC",
    },
    "population": "Custom",
    "uncertainty": {"confidence": 0.95, "betweenExperimentScale": 0.25, "acceptPrior": False},
    "fidelity": {
        "threshold": 0.7,
        "minValidations": 5,
        "maxMeanRelativeError": 0.25,
        "minIntervalCoverage": 0.8,
        "window": 50,
    },
    "queue": "training",
    "deletionPolicy": "Retain",
    "suspend": False,
}
TRAIN: JSON = {"spec": SPEC, "registeredModel": "default.letters", "owner": "c/default/letters/u", "run": "u-d"}
RETRAIN: JSON = {
    **TRAIN,
    "job": "j",
    "trigger": "CoverageDrop",
    "plan": {"algorithm": "Linear", "folds": 5, "seed": 0, "reason": "Why.", "seedFactor": 2},
}
GATE: JSON = {
    "run": "j-against-1",
    "registeredModel": "default.letters",
    "candidate": "2",
    "champion": "1",
    "plans": {"1": {"algorithm": "Linear", "folds": 5, "seed": 0, "seeds": 3, "newestOnly": "2025-04-01T00:00:00Z"}},
    "uncertainty": {"confidence": 0.95, "between_experiment_scale": 0.25, "accept_prior": False},
    "gate": {"maxRegression": 0.02},
    "ledger": [
        {
            "simulation": "uid-autumn",
            "name": "autumn",
            "registered_model": "n.m",
            "model_version": "1",
            "experiment": "autumn",
            "arm": "letter",
            "against": "none",
            "where": [{"feature": "region", "operator": "In", "values": ["north", "west"]}],
            "population_share": 1.0,
            "issued": {
                "estimate": 1.0,
                "standard_error": 0.3,
                "sampling_sd": 0.1,
                "share_squared": 0.25,
                "degrees": math.inf,
                "control_sd": 2.0,
                "treated_sd": 2.0,
            },
            "observed": 1.2,
            "graded": {
                "observed_sd": 0.2,
                "absolute_error": 0.2,
                "relative_error": 0.0,
                "standardized_error": 0.5,
                "covered": True,
                "grade": "Excellent",
            },
            "hindsight": False,
            "predicted_at": 1.0,
            "time": 2.0,
            "recorded": 3.0,
        }
    ],
}
VALIDATE: JSON = {"spec": SPEC, "known": None, "registeredModel": "default.letters", "version": "1"}
VALIDATE_AGAIN: JSON = {**VALIDATE, "known": {"stamp": "etag", "digest": "sha256:0"}}
TRAINED: JSON = {
    "dataDigest": "sha256:0",
    "specDigest": "a-b",
    "samples": 200,
    "arms": ["none", "letter"],
    "experiments": ["north"],
    "features": {"age": "Numeric", "region": "Categorical"},
    "algorithm": "Linear",
    "plan": {"algorithm": "Linear", "folds": 2, "seed": 0, "seeds": 3},
    "metrics": {"loss": 0.8971094188945845},
    "effects": [
        {
            "arm": "letter",
            "estimate": 1.2234780501274045,
            "standard_error": 0.975486536242759,
            "low": -0.6884404283121293,
            "high": 3.1353965285669383,
            "confidence": 0.95,
            "calibrated": False,
        }
    ],
    "warnings": ["Age differs."],
    "assignmentNotRandom": None,
    "contrasts": [
        {
            "arm": "letter",
            "against": "none",
            "experiments": ["north"],
            "y": [1.147907262467085],
            "v": [0.22907840602507107],
            "pi": [1.0],
            "sd0": 2.4354803703868475,
        }
    ],
    "trainedTime": "2027-01-15T08:00:00Z",
    "runID": "r",
    "version": "1",
}
COMPARED: JSON = {
    "candidate": {"version": "2", "loss": 0.4},
    "champion": {"version": "1", "loss": 0.5, "backtestScore": 1.5},
    "gate": {"passed": True, "message": "Passed."},
}
PREVIOUS: dict[str, tuple[type[Message], JSON]] = {
    "training": (TrainingPayload, TRAIN),
    "retraining": (RetrainingPayload, RETRAIN),
    "comparison": (ComparisonPayload, GATE),
    "data check": (DataCheckPayload, VALIDATE),
    "another data check": (DataCheckPayload, VALIDATE_AGAIN),
    "trained version": (TrainedVersion, TRAINED),
    "result of a comparison": (Comparison, COMPARED),
}


def sent(message: Message) -> Any:
    """Return what arrives."""
    return as_json(message.wire())


def as_json(value: Any) -> Any:
    """Return what adapters write and read: null for what is not finite."""
    return orjson.loads(orjson.dumps(value))


def test_degrees_of_freedom_without_end_arrive_as_such() -> None:
    outcome = {**GATE["ledger"][0], "issued": {**GATE["ledger"][0]["issued"], "degrees": math.inf}}
    payload = ComparisonPayload.model_validate({**GATE, "ledger": [outcome]})
    assert ComparisonPayload.model_validate(sent(payload)).ledger[0].issued.degrees == math.inf


def test_a_figure_that_is_not_finite_does_not_arrive() -> None:
    trained = TrainedVersion.model_validate({**TRAINED, "metrics": {"loss": math.nan, "r_squared": 0.5}})
    assert TrainedVersion.model_validate(sent(trained)).metrics == {"r_squared": 0.5}


def with_added(content: JSON) -> JSON:
    """Return a message of the previous release with what comparisons, outcomes and data checks have since."""
    added = {"twin": {"cluster": "", "namespace": "", "name": ""}, "run_id": None}
    if "ledger" in content:
        return content | {"ledger": [each | added for each in content["ledger"]], "mlflowRuns": {}}
    return content | {"runID": None} if "known" in content else content


@pytest.mark.parametrize("name", PREVIOUS)
def test_a_message_of_the_previous_release_is_understood_and_written_as_it_was(name: str) -> None:
    kind, content = PREVIOUS[name]
    assert sent(kind.model_validate(content)) == with_added(as_json(content))


@pytest.mark.parametrize("name", PREVIOUS)
def test_a_field_of_a_newer_release_is_ignored(name: str) -> None:
    kind, content = PREVIOUS[name]
    assert sent(kind.model_validate({**content, "later": {"a": 1}})) == with_added(as_json(content))


def test_a_newer_field_of_an_outcome_in_the_ledger_is_ignored() -> None:
    newer = {**GATE, "ledger": [{**GATE["ledger"][0], "later": 1}]}
    assert sent(ComparisonPayload.model_validate(newer)) == with_added(as_json(GATE))


@pytest.mark.parametrize(
    "content",
    [
        {"unchanged": True, "stamp": "etag"},
        {"unchanged": True, "stamp": None},
        {"stamp": "etag", "digest": "sha256:0", "rows": 3, "newRows": None, "newestRowTime": None},
        {"stamp": None, "digest": "sha256:0", "rows": 3, "newRows": 2, "newestRowTime": "2024-01-28T00:00:00Z"},
    ],
)
def test_the_result_of_a_data_check_of_the_previous_release_is_understood(content: JSON) -> None:
    result = data_check_result(content)
    assert isinstance(result, DataUnchanged if "unchanged" in content else DataFound)
    assert sent(result) == content


@pytest.mark.parametrize(
    "plan",
    [
        TrainingPlan(Algorithm.RANDOM_FOREST, 5, 0),
        CARRIED_OUT,
        TrainingPlan(Algorithm.LINEAR, 10, 0, candidates=tuple(Algorithm), seed_factor=2),
    ],
)
def test_a_plan_comes_back_as_it_was(plan: TrainingPlan) -> None:
    assert read_plan(json.loads(json.dumps(write_plan(plan)))) == plan


def test_a_plan_that_was_carried_out_reads_as_in_status() -> None:
    written = write_plan(CARRIED_OUT)
    assert written["newestOnly"] == "2025-04-01T00:00:00Z"
    assert StatusPlan.model_validate(written).manifest() == written


@pytest.mark.parametrize("recorded", [outcome(), INFINITE, SELECTED])
def test_an_outcome_comes_back_as_it_was_under_the_domain_s_names(recorded: Any) -> None:
    payload = ComparisonPayload(
        run="r",
        registered_model="n.m",
        candidate="2",
        champion="1",
        plans={"1": CARRIED_OUT},
        uncertainty=Uncertainty(),
        gate=Gate(),
        ledger=(recorded,),
    )
    arrived = sent(payload)
    assert arrived["ledger"][0].keys() == asdict(recorded).keys()
    assert ComparisonPayload.model_validate(arrived) == payload


def test_the_figures_of_a_comparison_are_rounded_and_left_out_where_there_are_none() -> None:
    comparison = Comparison(
        candidate=Contender(version="2", loss=0.123456789, backtest_score=math.nan),
        champion=Contender(version="1", loss=math.nan),
        gate=GateResult(passed=True, message="Passed."),
    )
    assert sent(comparison)["candidate"] == {"version": "2", "loss": 0.123457}
    assert sent(comparison)["champion"] == {"version": "1"}


def test_what_a_training_returns_is_a_trained_version() -> None:
    value = Workshop().train("run").value
    assert sent(TrainedVersion.model_validate(value)) == value
