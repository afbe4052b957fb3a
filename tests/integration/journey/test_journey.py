"""Manifests in, status out: the first path on the real thing."""

import pytest

from tests.integration.journey.campaign import EFFECT, model_spec, question
from tests.integration.journey.platform_fixture import Platform


def test_a_twin_is_trained_and_says_what_it_learned(trained: Platform) -> None:
    body = trained.get("TwinModel", "letters")
    model, (effect,) = body["status"]["model"], body["status"]["effects"]
    assert model["version"] == "1"
    assert model["samples"] == 3000
    assert model["arms"] == ["Nothing", "Letter"]
    assert model["dataDigest"].startswith("sha256:")
    assert effect["arm"] == "Letter"
    assert abs(effect["estimate"] - EFFECT) < 0.05
    assert trained.condition("TwinModel", "letters", "Ready")["status"] == "True"


def test_a_question_is_answered_in_status(trained: Platform) -> None:
    trained.apply("Simulation", "all", question(population={"size": 10000}))
    status = trained.until_phase("Simulation", "all", "Succeeded")["status"]
    assert status["modelVersion"] == "1"
    assert status["attempts"] == 1
    effect = status["effect"]
    assert effect["low"] < effect["estimate"] < effect["high"]
    assert status["recommendation"]["action"] == "Refine"
    assert status["outcome"]["incremental"]["expected"] == pytest.approx(effect["estimate"] * 10000, rel=1e-5)


def test_a_question_may_come_before_its_model(trained: Platform) -> None:
    trained.apply("Simulation", "early", question("late"))
    trained.until_condition("Simulation", "early", "Reconciling", "ModelNotFound")
    trained.apply("TwinModel", "late", model_spec(f"file://{trained.data}/campaign.csv"))
    trained.until_phase("Simulation", "early", "Succeeded", within=120)
