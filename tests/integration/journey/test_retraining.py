"""Retraining: from a trigger over cool-down, approval, training and gate to a better model, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.journey import experiments
from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform

EFFECT = 0.15
REAL = -0.05  # what the letter does to those who come later
TRAINED = experiments.waves(6)


@pytest.fixture(scope="module")
def served(platform: Platform) -> Platform:
    """The platform, with data of six experiments."""
    experiments.write(platform.data / "waves.csv", experiments.rows(TRAINED, EFFECT))
    return platform


def make(platform: Platform, name: str, file: str, **spec: Any) -> None:
    retraining = {"cooldown": "0s", "minSamples": 100, **spec.pop("retraining", {})}
    full = experiments.spec(f"file://{platform.data}/{file}", retraining=retraining, **spec)
    platform.apply("TwinModel", name, full)
    platform.until_phase("TwinModel", name, "Ready")


def copy_waves(platform: Platform, file: str, extra: list[str] | None = None) -> None:
    experiments.write(platform.data / file, experiments.rows(TRAINED, EFFECT) + (extra or []))


def jobs_of(platform: Platform, model: str) -> list[dict[str, Any]]:
    items = platform.kube.get("retrainingjobs", "-n", platform.namespace)["items"]
    return [item for item in items if item["spec"]["modelRef"]["name"] == model]


def until_job(platform: Platform, model: str, phase: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        return next((job for job in jobs_of(platform, model) if job["status"]["phase"] == phase), None)

    job: dict[str, Any] = platform.kube.until(look)
    return job


def version(platform: Platform, model: str) -> str:
    return str(platform.get("TwinModel", model)["status"]["model"]["version"])


def retraining_of(platform: Platform, model: str) -> dict[str, Any]:
    retraining: dict[str, Any] = platform.get("TwinModel", model)["status"].get("retraining", {})
    return retraining


def approve(platform: Platform, job: str, *, approved: bool = True) -> None:
    platform.patch("RetrainingJob", job, {"approval": {"approved": approved, "by": "jane", "message": "as discussed"}})


def by_hand(platform: Platform, model: str, name: str, **spec: Any) -> None:
    platform.apply("RetrainingJob", name, {"modelRef": {"name": model}, **spec})


APPROVED = {"approval": {"approved": True, "by": "jane"}}


def test_a_twin_that_fails_is_degraded_and_replaced_by_a_better_one(served: Platform) -> None:
    copy_waves(served, "failing.csv")
    make(served, "failing", "failing.csv", retraining={"autoApproveBelow": 0, "cooldown": "24h"})
    for number in range(5):
        served.apply("Simulation", f"failing-{number}", question("failing"))
    for number in range(5):
        served.until_phase("Simulation", f"failing-{number}", "Succeeded")
        observed = {"experiment": f"real-{number}", "effect": REAL, "standardError": 0.02}
        served.patch("Simulation", f"failing-{number}", {"observed": observed})
    condition = served.until_condition("TwinModel", "failing", "Faithful", "FidelityDegraded")
    assert condition["status"] == "False"
    served.until_condition("TwinModel", "failing", "Retrainable", "NoNewData")
    body = served.get("TwinModel", "failing")
    assert (body["status"]["phase"], body["status"]["fidelity"]["grade"]) == ("Degraded", "Poor")
    assert served.condition("TwinModel", "failing", "Ready")["status"] == "True"  # type: ignore[index]
    assert "needs new data" in served.condition("TwinModel", "failing", "Faithful")["message"]  # type: ignore[index]
    assert jobs_of(served, "failing") == []

    copy_waves(served, "failing.csv", experiments.rows(experiments.waves(5, "real"), REAL, seed=7))
    job = until_job(served, "failing", "AwaitingApproval")
    assert job["spec"]["trigger"]["type"] == "FidelityDegraded"
    assert job["metadata"]["ownerReferences"][0]["name"] == "failing"
    assert served.get("TwinModel", "failing")["status"]["data"]["newRows"] == 5 * experiments.UNITS
    name = job["metadata"]["name"]
    approve(served, name)
    done = served.until_phase("RetrainingJob", name, "Completed")["status"]
    assert (done["approvedBy"], done["candidate"]["version"], done["champion"]["version"]) == ("jane", "2", "1")
    assert done["gate"]["passed"] is True
    assert done["candidate"]["backtestScore"] < done["champion"]["backtestScore"]
    assert served.condition("RetrainingJob", name, "Promoted")["reason"] == "GatePassed"  # type: ignore[index]
    served.kube.until(lambda: version(served, "failing") == "2")
    after = served.until_condition("TwinModel", "failing", "Faithful", "NotValidated")
    assert after["status"] == "Unknown"  # a promotion starts a new window
    status = served.get("TwinModel", "failing")["status"]
    assert "fidelity" not in status
    retraining = served.kube.until(lambda: (r := retraining_of(served, "failing")).get("lastJob") and r)
    assert (retraining["lastJob"], retraining["failedAttempts"], retraining["previousVersion"]) == (name, 0, "1")
    assert {"Trained", "FidelityDegraded"} <= set(served.events("failing"))
    assert {"AwaitingApproval", "RetrainingStarted", "Promoted"} <= set(served.events(name))

    by_hand(served, "failing", "too-soon", **APPROVED)
    waiting = served.until_phase("RetrainingJob", "too-soon", "CoolingDown")["status"]
    assert waiting["notBefore"] == retraining["nextAllowedTime"]
    served.patch("RetrainingJob", "too-soon", {"cancel": True})
    served.until_phase("RetrainingJob", "too-soon", "Cancelled")


def test_new_rows_of_an_unchanged_kind_are_trained_on_by_policy(served: Platform) -> None:
    copy_waves(served, "growing.csv")
    make(served, "growing", "growing.csv", retraining={"approval": "Automatic"})
    copy_waves(served, "growing.csv", experiments.rows(["one-more"], EFFECT, seed=9))
    job = until_job(served, "growing", "Completed")
    assert job["spec"]["trigger"]["type"] == "NewData"
    assert job["status"]["approvedBy"] == "policy"
    served.kube.until(lambda: version(served, "growing") == "2")
    assert len(jobs_of(served, "growing")) == 1


def test_a_changed_learner_makes_a_job_and_a_rejection_keeps_the_version(served: Platform) -> None:
    make(served, "changed", "waves.csv")
    served.patch("TwinModel", "changed", {"learner": {"seed": 3}})
    job = until_job(served, "changed", "AwaitingApproval")
    assert job["spec"]["trigger"]["type"] == "SpecChanged"
    approve(served, job["metadata"]["name"], approved=False)
    served.until_phase("RetrainingJob", job["metadata"]["name"], "Rejected")
    assert version(served, "changed") == "1"
    assert "Rejected" in served.events(job["metadata"]["name"])


@pytest.mark.slow  # gradient boosting with cross-fitting; unit tests have the gate
def test_a_worse_candidate_is_not_promoted(served: Platform) -> None:
    experiments.write(served.data / "curved.csv", experiments.rows(TRAINED, EFFECT, curved=True))
    make(served, "curved", "curved.csv", learner={"algorithm": "GradientBoosting"})
    by_hand(served, "curved", "straight", learner={"algorithm": "Linear"}, **APPROVED)
    done = served.until_phase("RetrainingJob", "straight", "Completed")
    assert done["status"]["plan"]["algorithm"] == "Linear"
    assert done["status"]["candidate"]["loss"] > done["status"]["champion"]["loss"]
    assert done["status"]["gate"]["passed"] is False
    assert served.condition("RetrainingJob", "straight", "Promoted")["reason"] == "NotBetter"  # type: ignore[index]
    assert served.condition("RetrainingJob", "straight", "Ready")["status"] == "True"  # type: ignore[index]
    served.kube.until(
        lambda: served.get("TwinModel", "curved")["status"].get("retraining", {}).get("failedAttempts") == 1
    )
    assert (version(served, "curved"), served.versions("curved")) == ("1", ["1", "2"])


def test_the_next_job_waits_while_one_is_at_work_and_a_cancelled_task_stops(served: Platform) -> None:
    make(served, "busy", "waves.csv")
    forest = {"learner": {"algorithm": "RandomForest", "folds": 20}, **APPROVED}
    by_hand(served, "busy", "first", **forest)
    served.watch_job("first", "Training")
    by_hand(served, "busy", "second", **APPROVED)
    condition = served.until_condition("RetrainingJob", "second", "Reconciling", "ModelBusy")
    assert "first" in condition["message"]
    served.patch("RetrainingJob", "first", {"cancel": True})
    served.until_phase("RetrainingJob", "first", "Cancelled")
    served.until_phase("RetrainingJob", "second", "Completed")
    served.kube.until(
        lambda: served.get("TwinModel", "busy")["status"].get("retraining", {}).get("lastJob") == "second"
    )


def test_a_deadline_counts_from_the_start_of_training(served: Platform) -> None:
    make(served, "slow", "waves.csv")
    served.patch("TwinModel", "slow", {"queue": "nobody-trains"})
    by_hand(served, "slow", "in-vain", activeDeadlineSeconds=3, **APPROVED)
    served.until_condition("RetrainingJob", "in-vain", "Reconciling", "NoWorkers")
    served.until_phase("RetrainingJob", "in-vain", "Failed")
    assert served.condition("RetrainingJob", "in-vain", "Stalled")["reason"] == "DeadlineExceeded"  # type: ignore[index]


def test_data_that_cannot_be_trained_on_fails_the_job_and_keeps_the_version(served: Platform) -> None:
    copy_waves(served, "broken.csv")
    make(served, "broken", "broken.csv")
    experiments.write(served.data / "broken.csv", ["40,North,wave-0,Nothing,maybe"])
    by_hand(served, "broken", "on-rubbish", **APPROVED)
    served.until_phase("RetrainingJob", "on-rubbish", "Failed")
    stalled = served.condition("RetrainingJob", "on-rubbish", "Stalled")
    assert stalled is not None
    assert (stalled["reason"], "DataInvalid" in stalled["message"]) == ("TrainingFailed", True)
    assert version(served, "broken") == "1"
    served.until_condition("TwinModel", "broken", "Retrainable", "DataInvalid")


def test_a_job_of_a_deleted_model_does_not_go_on(served: Platform) -> None:
    make(served, "leaving", "waves.csv")
    by_hand(served, "leaving", "left-alone", learner={"algorithm": "RandomForest", "folds": 20}, **APPROVED)
    served.watch_job("left-alone", "Training")
    served.kube.kubectl("delete", "twinmodel", "leaving", "-n", served.namespace)
    served.until_phase("RetrainingJob", "left-alone", "Failed")
    assert served.condition("RetrainingJob", "left-alone", "Stalled")["reason"] == "ModelNotFound"  # type: ignore[index]


def test_a_deleted_job_gives_its_turn_back(served: Platform) -> None:
    make(served, "forgetful", "waves.csv")
    by_hand(served, "forgetful", "dropped", learner={"algorithm": "RandomForest", "folds": 20}, **APPROVED)
    served.watch_job("dropped", "Training")
    served.kube.kubectl("delete", "retrainingjob", "dropped", "-n", served.namespace)
    by_hand(served, "forgetful", "instead", **APPROVED)
    served.until_phase("RetrainingJob", "instead", "Completed")


@pytest.fixture
def promoted(served: Platform) -> Iterator[str]:
    """A model whose second version was promoted."""
    make(served, "regretted", "waves.csv")
    by_hand(served, "regretted", "second-version", **APPROVED)
    served.until_phase("RetrainingJob", "second-version", "Completed")
    served.kube.until(lambda: version(served, "regretted") == "2")
    yield "regretted"
    served.kube.kubectl("delete", "twinmodel", "regretted", "-n", served.namespace)


def test_a_pin_serves_and_unpinning_returns_to_the_champion_and_a_rollback_moves_it(
    served: Platform, promoted: str
) -> None:
    served.patch("TwinModel", promoted, {"version": "1"})
    served.kube.until(lambda: version(served, promoted) == "1")
    served.until_condition("TwinModel", promoted, "Retrainable", "VersionPinned")
    served.patch("TwinModel", promoted, {"version": None})
    served.kube.until(lambda: version(served, promoted) == "2")
    wish = {"from": "2", "to": "1", "reason": "worse in March", "by": "jane"}
    annotations = [f"twinops.dev/rollback-{key}={value}" for key, value in wish.items()]
    served.kube.kubectl("annotate", "twinmodel", promoted, "-n", served.namespace, *annotations)
    served.kube.until(lambda: version(served, promoted) == "1")
    assert "worse in March" in served.events(promoted)["RolledBack"]
    tags = served.tags(promoted, "2")
    assert "worse in March" in " ".join(tags.values())
    assert served.get("TwinModel", promoted)["status"]["retraining"]["rolledBackVersion"] == "2"
