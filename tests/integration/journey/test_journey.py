"""Manifests in, status out: the first path on the real thing."""

import os
import re

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
    ready = trained.condition("TwinModel", "letters", "Ready")
    assert ready is not None
    assert ready["status"] == "True"


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
    trained.until_phase("Simulation", "early", "Succeeded")


def test_status_and_logs_have_the_trace_of_the_caller_without_a_collector(trained: Platform) -> None:
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in {**os.environ, **trained.operator.environment}
    given, invalid = "1" * 32, "2" * 32
    headers = {"untraced": f"00-{given}-b7ad6b7169203331-01", "own": f"ff-{invalid}-b7ad6b7169203331-01"}
    for name, header in headers.items():
        body = trained.manifest("Simulation", name, question())
        body["metadata"]["annotations"] = {"twinops.dev/traceparent": header}
        trained.kube.apply(body)
    traces = {name: trained.until_phase("Simulation", name, "Succeeded")["status"]["traceID"] for name in headers}
    assert traces["untraced"] == given
    assert re.fullmatch("[0-9a-f]{32}", traces["own"])
    assert traces["own"] != invalid
    for trace in traces.values():
        for program in (trained.operator, trained.workers["light"]):
            trained.kube.until(lambda log=program.log, trace=trace: f"trace_id={trace}" in log.read_text())
