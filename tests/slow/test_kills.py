"""kill -9 of the operator or of a worker in each phase of a job: it ends in the right phase, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.journey import experiments
from tests.integration.journey.platform_fixture import Platform

pytestmark = pytest.mark.chaos

APPROVED = {"approval": {"approved": True, "by": "jane"}}
SLOW = {"learner": {"algorithm": "RandomForest", "folds": 20}}  # a few seconds of training: time to be killed in


@pytest.fixture(scope="module")
def model(platform: Platform) -> Platform:
    """The platform with a model of six experiments."""
    lines = experiments.rows(experiments.waves(8), 0.15, seed=11)
    experiments.write(platform.data / "killed.csv", lines)
    retraining = {"cooldown": "0s", "minSamples": 100, "maxAttempts": 100}
    spec = experiments.spec(f"file://{platform.data}/killed.csv", retraining=retraining)
    platform.apply("TwinModel", "killed-model", spec)
    platform.until_phase("TwinModel", "killed-model", "Ready")
    return platform


def operator(platform: Platform) -> None:
    platform.operator.kill()
    platform.operator.start()


def heavy(platform: Platform) -> None:
    platform.workers["heavy"].kill()
    platform.workers["heavy"].start()


def light(platform: Platform) -> None:
    platform.workers["light"].kill()
    platform.workers["light"].start()


def both(platform: Platform) -> None:
    heavy(platform)
    operator(platform)


def one_job_one_version(platform: Platform, name: str, before: list[str]) -> dict[str, Any]:
    """Wait for a job's end; assert that it left one version and that the champion is as its status says."""
    done = platform.until_phase("RetrainingJob", name, "Completed")
    candidate = done["status"]["candidate"]["version"]
    assert platform.versions("killed-model") == [*before, candidate]
    promoted = done["status"]["gate"]["passed"]
    expected = candidate if promoted else done["status"]["champion"]["version"]
    platform.kube.until(lambda: platform.get("TwinModel", "killed-model")["status"]["model"]["version"] == expected)
    assert platform.champion("killed-model") == expected
    return done


@pytest.mark.parametrize("kill", [operator, heavy, both])
def test_a_job_that_loses_its_processes_in_training_ends_with_one_version(
    model: Platform, kill: Callable[[Platform], None]
) -> None:
    before = model.versions("killed-model")
    name = f"training-{kill.__name__}"
    model.apply("RetrainingJob", name, {"modelRef": {"name": "killed-model"}, **SLOW, **APPROVED})
    model.watch_job(name, "Training")
    model.kube.until(lambda: (model.get("RetrainingJob", name)["status"].get("attempts") or 0) >= 1)
    kill(model)
    one_job_one_version(model, name, before)


@pytest.mark.parametrize("kill", [operator, light])
def test_a_job_that_loses_its_processes_in_validation_compares_again(
    model: Platform, kill: Callable[[Platform], None]
) -> None:
    before = model.versions("killed-model")
    name = f"validating-{kill.__name__}"
    model.apply("RetrainingJob", name, {"modelRef": {"name": "killed-model"}, **APPROVED})
    model.watch_job(name, "Validating")
    kill(model)
    one_job_one_version(model, name, before)


@pytest.mark.parametrize(
    ("phase", "spec"),
    [("AwaitingApproval", {}), ("CoolingDown", {}), ("Pending", APPROVED)],
)
def test_a_job_that_waits_is_found_again_by_the_next_operator(
    model: Platform, phase: str, spec: dict[str, Any]
) -> None:
    name = f"waiting-{phase.lower()}"
    if phase == "CoolingDown":
        model.patch("TwinModel", "killed-model", {"retraining": {"cooldown": "1h"}})
    if phase == "Pending":
        model.patch("TwinModel", "killed-model", {"retraining": {"suspend": True}})
    before = model.versions("killed-model")
    model.apply("RetrainingJob", name, {"modelRef": {"name": "killed-model"}, **spec})
    model.kube.until(
        lambda: (
            (body := model.get("RetrainingJob", name))["status"]["phase"] == phase
            and body["status"]["observedGeneration"] == 1
        )
    )
    operator(model)
    model.patch("TwinModel", "killed-model", {"retraining": {"cooldown": "0s", "suspend": False}})
    if not spec:
        model.patch("RetrainingJob", name, APPROVED)
    one_job_one_version(model, name, before)


def test_a_job_whose_turn_has_not_come_gets_it_from_the_next_operator(model: Platform) -> None:
    before = model.versions("killed-model")
    model.apply("RetrainingJob", "ahead", {"modelRef": {"name": "killed-model"}, **SLOW, **APPROVED})
    model.watch_job("ahead", "Training")
    model.apply("RetrainingJob", "behind", {"modelRef": {"name": "killed-model"}, **APPROVED})
    model.until_condition("RetrainingJob", "behind", "Reconciling", "ModelBusy")
    assert model.get("RetrainingJob", "behind")["status"]["phase"] == "Approved"
    operator(model)
    first = model.until_phase("RetrainingJob", "ahead", "Completed")
    one_job_one_version(model, "behind", [*before, first["status"]["candidate"]["version"]])


def test_two_operators_that_fight_leave_one_job_at_work(model: Platform) -> None:
    before = model.versions("killed-model")
    rival = model.standby("rival")
    rival.environment["TWINOPS_LEASE_NAME"] = "another-lease"  # it believes that it leads
    rival.environment["KUBECONFIG"] = str(model.kube.kubeconfig)  # the operator's account has one Lease alone
    rival.start()
    try:
        names = [f"fought-{number}" for number in range(3)]
        for name in names:
            model.apply("RetrainingJob", name, {"modelRef": {"name": "killed-model"}, **APPROVED})
        working = set()

        def all_done() -> bool:
            jobs = model.kube.get("retrainingjobs", "-n", model.namespace)["items"]  # as they were at one moment
            phases = [job["status"]["phase"] for job in jobs if job["metadata"]["name"] in names]
            working.add(sum(phase in {"Training", "Validating"} for phase in phases))
            return phases.count("Completed") == len(names)

        model.kube.until(all_done)
    finally:
        rival.stop()
    assert max(working) <= 1
    candidates = [model.get("RetrainingJob", name)["status"]["candidate"]["version"] for name in names]
    assert sorted([*before, *candidates], key=int) == model.versions("killed-model")
