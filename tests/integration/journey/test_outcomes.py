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
    experiments.write(platform.data / "survey.csv", experiments.rows(["first"], EFFECT))
    platform.apply("TwinModel", "survey", experiments.spec(f"file://{platform.data}/survey.csv"))
    platform.until_phase("TwinModel", "survey", "Ready", within=120)
    return platform


def ask(platform: Platform, name: str, **changes: Any) -> dict[str, Any]:
    platform.apply("Simulation", name, question("survey", **changes))
    return platform.until_phase("Simulation", name, "Succeeded")


def outcome(experiment: str, effect: float, **changes: Any) -> dict[str, Any]:
    return {"observed": {"experiment": experiment, "effect": effect, "standardError": 0.02, **changes}}


def until_graded(platform: Platform, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        body = platform.get("Simulation", name)
        return body if (body["status"].get("fidelity") or {}).get("grade") else None

    body: dict[str, Any] = platform.kube.until(look, 30)
    return body


def fidelity(platform: Platform, model: str = "survey") -> dict[str, Any]:
    found: dict[str, Any] = platform.get("TwinModel", model)["status"].get("fidelity") or {}
    return found


def until_validated(platform: Platform, count: int) -> dict[str, Any]:
    found: dict[str, Any] = platform.kube.until(
        lambda: fidelity(platform) if fidelity(platform).get("validations") == count else None, 30
    )
    return found


def test_each_outcome_is_graded_and_four_make_the_twin_calibrated(surveyed: Platform) -> None:
    assert surveyed.condition("TwinModel", "survey", "Faithful")["reason"] == "NotValidated"  # type: ignore[index]
    widths = []
    for number in range(5):
        answer = ask(surveyed, f"asked-{number}")["status"]["effect"]
        widths.append(answer["high"] - answer["low"])
        assert answer["calibrated"] is (number >= 4)
        surveyed.patch("Simulation", f"asked-{number}", outcome(f"later-{number}", answer["estimate"] + 0.01))
        body = until_graded(surveyed, f"asked-{number}")
        assert body["status"]["observedGeneration"] == body["metadata"]["generation"] == 2
        graded = body["status"]["fidelity"]
        assert graded["absoluteError"] == pytest.approx(0.01, rel=1e-4)
        assert graded["standardizedError"] == pytest.approx(0.01 / math.hypot(answer["standardError"], 0.02), rel=1e-4)
        assert (graded["grade"], graded["covered"], graded["hindsight"]) == ("Excellent", True, False)
        until_validated(surveyed, number + 1)
    assert widths == sorted(widths, reverse=True)
    assert widths[4] < widths[0] / 2
    until_condition = surveyed.until_condition("TwinModel", "survey", "Faithful", "ThresholdsMet")
    assert until_condition["status"] == "True"
    model = fidelity(surveyed)
    assert (model["grade"], model["coverage"], model["validations"]) == ("Excellent", 1.0, 5)
    assert model["bias"] == pytest.approx(0.01, rel=1e-3)
    assert [each["simulation"] for each in model["recent"]] == [f"asked-{n}" for n in (4, 3, 2, 1, 0)]


def test_a_second_question_of_one_experiment_counts_once(surveyed: Platform) -> None:
    before = fidelity(surveyed)["validations"]
    where = {"where": [{"feature": "region", "operator": "In", "values": ["North"]}]}
    for name, population in (("narrow", where), ("wide", {})):
        ask(surveyed, name, population=population)
        surveyed.patch("Simulation", name, outcome("same", 0.16))
        until_graded(surveyed, name)
    found = until_validated(surveyed, before + 1)
    surveyed.kube.until(lambda: fidelity(surveyed)["recent"][0]["simulation"] == "wide", 30)
    assert found["validations"] == before + 1


def test_hindsight_is_graded_and_does_not_count(surveyed: Platform) -> None:
    before = fidelity(surveyed)["validations"]
    ask(surveyed, "late-question")
    surveyed.patch("Simulation", "late-question", outcome("long-ago", 0.1, time="2020-01-01T00:00:00Z"))
    assert until_graded(surveyed, "late-question")["status"]["fidelity"]["hindsight"] is True
    ask(surveyed, "with-its-outcome", **outcome("came-along", 0.1))
    assert until_graded(surveyed, "with-its-outcome")["status"]["fidelity"]["hindsight"] is True
    assert fidelity(surveyed)["validations"] == before


def test_an_outcome_is_told_once(surveyed: Platform) -> None:
    refused = surveyed.patch("Simulation", "asked-0", outcome("later-0", 0.5), check=False)
    assert "observed" in refused
    assert surveyed.get("Simulation", "asked-0")["spec"]["observed"]["effect"] < 0.5


def test_an_answer_that_cannot_be_graded_is_told_and_keeps_no_other_from_its_grade(surveyed: Platform) -> None:
    before = fidelity(surveyed)["validations"]
    for name in ("without-basis", "beside-it"):
        ask(surveyed, name)
    lost = '{"status": {"basis": null}}'
    where = ("simulation", "without-basis", "-n", surveyed.namespace, "--subresource=status", "--type=merge")
    surveyed.kube.kubectl("patch", *where, "-p", lost)
    surveyed.patch("Simulation", "without-basis", outcome("lost", 0.15))
    surveyed.patch("Simulation", "beside-it", outcome("beside", 0.15))
    until_graded(surveyed, "beside-it")
    surveyed.kube.until(lambda: "NotGraded" in surveyed.events("without-basis"), 30)
    until_validated(surveyed, before + 1)
    surveyed.kube.kubectl("delete", "simulation", "without-basis", "-n", surveyed.namespace)


def test_deleted_and_expired_simulations_and_another_leader_change_no_figure(surveyed: Platform) -> None:
    ask(surveyed, "brief-question", ttlSecondsAfterFinished=3)
    surveyed.patch("Simulation", "brief-question", outcome("brief", 0.16))
    gone = ("get", "simulation", "brief-question", "-n", surveyed.namespace, "--ignore-not-found", "-o", "name")
    surveyed.kube.until(lambda: surveyed.kube.kubectl(*gone) == "", 60)
    surveyed.kube.until(lambda: fidelity(surveyed)["recent"][0]["simulation"] == "brief-question", 30)
    settled = fidelity(surveyed)
    surveyed.kube.kubectl("delete", "simulation", "asked-0", "asked-1", "wide", "-n", surveyed.namespace)
    surveyed.operator.kill()
    surveyed.operator.start()
    answer = ask(surveyed, "asked-after-restart")
    assert answer["status"]["effect"]["calibrated"] is True
    surveyed.patch("TwinModel", "survey", {"description": "to have it looked at"})
    surveyed.kube.until(
        lambda: (
            (body := surveyed.get("TwinModel", "survey"))["status"]["observedGeneration"]
            == body["metadata"]["generation"]
        ),
        30,
    )
    assert fidelity(surveyed) == settled


def test_metrics_tell_of_the_fidelity_of_each_model(surveyed: Platform) -> None:
    text = surveyed.metrics()
    labels = f'{{model="survey",namespace="{surveyed.namespace}"}}'
    assert f"twinops_model_fidelity_validations{labels} {float(fidelity(surveyed)['validations'])}" in text
    assert f"twinops_model_faithful{labels} 1.0" in text
    assert "twinops_archive_up 1.0" in text
