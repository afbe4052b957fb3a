"""Outcomes: graded once, counted by the model within seconds, remembered beyond the life of their Simulations."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.integration.journey import experiments
from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform

EFFECT = 0.15


@pytest.fixture(scope="module")
def surveyed(platform: Platform) -> Platform:
    """The platform with a TwinModel `survey` of one experiment."""
    train(platform, "survey")
    return platform


def train(platform: Platform, name: str) -> None:
    experiments.write(platform.data / f"{name}.csv", experiments.rows(["first"], EFFECT))
    platform.apply("TwinModel", name, experiments.spec(f"file://{platform.data}/{name}.csv"))
    platform.until_phase("TwinModel", name, "Ready")


def ask(platform: Platform, name: str, model: str = "survey", **changes: Any) -> dict[str, Any]:
    platform.apply("Simulation", name, question(model, **changes))
    return platform.until_phase("Simulation", name, "Succeeded")


def outcome(experiment: str, effect: float, **changes: Any) -> dict[str, Any]:
    return {"observed": {"experiment": experiment, "effect": effect, "standardError": 0.02, **changes}}


def until_graded(platform: Platform, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        body = platform.get("Simulation", name)
        return body if (body["status"].get("fidelity") or {}).get("grade") else None

    body: dict[str, Any] = platform.kube.until(look)
    return body


def fidelity(platform: Platform, model: str = "survey") -> dict[str, Any]:
    found: dict[str, Any] = platform.get("TwinModel", model)["status"].get("fidelity") or {}
    return found


def until_validated(platform: Platform, count: int, model: str = "survey") -> dict[str, Any]:
    found: dict[str, Any] = platform.kube.until(
        lambda: fidelity(platform, model) if fidelity(platform, model).get("validations") == count else None
    )
    return found


def test_each_outcome_is_graded_and_four_make_the_twin_calibrated(platform: Platform) -> None:
    train(platform, "calibrated")
    assert platform.condition("TwinModel", "calibrated", "Faithful")["reason"] == "NotValidated"  # type: ignore[index]
    widths = []
    for number in range(5):
        answer = ask(platform, f"asked-{number}", "calibrated")["status"]["effect"]
        widths.append(answer["high"] - answer["low"])
        assert answer["calibrated"] is (number >= 4)
        platform.patch("Simulation", f"asked-{number}", outcome(f"later-{number}", answer["estimate"] + 0.01))
        body = until_graded(platform, f"asked-{number}")
        assert body["status"]["observedGeneration"] == body["metadata"]["generation"] == 2
        graded = body["status"]["fidelity"]
        assert graded["absoluteError"] == pytest.approx(0.01, rel=1e-4)
        assert graded["standardizedError"] == pytest.approx(0.01 / math.hypot(answer["standardError"], 0.02), rel=1e-4)
        assert (graded["grade"], graded["covered"], graded["hindsight"]) == ("Excellent", True, False)
        until_validated(platform, number + 1, "calibrated")
    assert widths == sorted(widths, reverse=True)
    assert widths[4] < widths[0] / 2
    assert platform.until_condition("TwinModel", "calibrated", "Faithful", "ThresholdsMet")["status"] == "True"
    model = fidelity(platform, "calibrated")
    assert (model["grade"], model["coverage"], model["validations"]) == ("Excellent", 1.0, 5)
    assert model["bias"] == pytest.approx(0.01, rel=1e-3)
    assert [each["simulation"] for each in model["recent"]] == [f"asked-{n}" for n in (4, 3, 2, 1, 0)]
    labels = f'{{model="calibrated",namespace="{platform.namespace}"}}'
    for sample in (f"twinops_model_fidelity_validations{labels} 5.0", f"twinops_model_faithful{labels} 1.0"):
        platform.kube.until(lambda sample=sample: sample in platform.metrics())
    assert "twinops_archive_up 1.0" in platform.metrics()


def test_a_second_question_of_one_experiment_counts_once(surveyed: Platform) -> None:
    before = fidelity(surveyed).get("validations", 0)
    where = {"where": [{"feature": "region", "operator": "In", "values": ["North"]}]}
    for name, population in (("narrow", where), ("wide", {})):
        ask(surveyed, name, population=population)
        surveyed.patch("Simulation", name, outcome("same", 0.16))
        until_graded(surveyed, name)
    found = until_validated(surveyed, before + 1)
    surveyed.kube.until(lambda: fidelity(surveyed)["recent"][0]["simulation"] == "wide")
    assert found["validations"] == before + 1


def test_hindsight_is_graded_and_does_not_count(surveyed: Platform) -> None:
    before = fidelity(surveyed).get("validations", 0)
    ask(surveyed, "late-question")
    surveyed.patch("Simulation", "late-question", outcome("long-ago", 0.1, time="2020-01-01T00:00:00Z"))
    assert until_graded(surveyed, "late-question")["status"]["fidelity"]["hindsight"] is True
    ask(surveyed, "with-its-outcome", **outcome("came-along", 0.1))
    assert until_graded(surveyed, "with-its-outcome")["status"]["fidelity"]["hindsight"] is True
    assert fidelity(surveyed).get("validations", 0) == before


def test_an_outcome_is_recorded_once(surveyed: Platform) -> None:
    before = fidelity(surveyed).get("validations", 0)
    ask(surveyed, "observed-twice")
    surveyed.patch("Simulation", "observed-twice", outcome("observed-twice", 0.15))
    refused = surveyed.patch("Simulation", "observed-twice", outcome("observed-twice", 0.5), check=False)
    assert "observed" in refused
    assert surveyed.get("Simulation", "observed-twice")["spec"]["observed"]["effect"] == 0.15
    until_validated(surveyed, before + 1)


def test_an_answer_that_cannot_be_graded_is_told_and_keeps_no_other_from_its_grade(surveyed: Platform) -> None:
    before = fidelity(surveyed).get("validations", 0)
    for name in ("without-basis", "beside-it"):
        ask(surveyed, name)
    lost = '{"status": {"basis": null}}'
    where = ("simulation", "without-basis", "-n", surveyed.namespace, "--subresource=status", "--type=merge")
    surveyed.kube.kubectl("patch", *where, "-p", lost)
    surveyed.patch("Simulation", "without-basis", outcome("lost", 0.15))
    surveyed.patch("Simulation", "beside-it", outcome("beside", 0.15))
    until_graded(surveyed, "beside-it")
    surveyed.kube.until(lambda: "NotGraded" in surveyed.events("without-basis"))
    until_validated(surveyed, before + 1)
    surveyed.kube.kubectl("delete", "simulation", "without-basis", "-n", surveyed.namespace)
