"""Every right of the operator's Roles is used by some work, read from the audit log of one operator's account.

That an operator asks for nothing without a right is checked wherever one runs (`running_platform`).
"""

from __future__ import annotations

from typing import Final

from tests.integration.chart.conftest import Helm
from tests.integration.journey import experiments
from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform
from tests.integration.release_account import Right, account_name, granted, roles, used

UNSEEN: Final = {
    Right("get", "twinops.dev", "workerpools"): "used before the Deployment of an earlier pool is adopted, which the "
    "garbage collector has to have left for 30 s: tests/unit/services/pools/test_ownership.py",
    Right("patch", "", "pods"): "used where pools scale in: tests/slow/scaling",
}
"""Rights that the log of this operator cannot show, each with its reason."""


def test_every_right_is_used(platform: Platform) -> None:
    train_and_retrain(platform)
    answer_grade_and_expire(platform)
    run_a_pool(platform)
    rights = granted(roles(Helm(platform.kube.helm, platform.kube.kubeconfig)))
    assert rights - used(platform.kube, account_name(platform.namespace)) - UNSEEN.keys() == set()


def train_and_retrain(platform: Platform) -> None:
    """Train a model, have its changed learner retrained by policy, and have a job expire."""
    experiments.write(platform.data / "waves.csv", experiments.rows(experiments.waves(6), 0.15))
    retraining = {"cooldown": "0s", "minSamples": 100, "approval": "Automatic"}
    platform.apply("TwinModel", "twin", experiments.spec(f"file://{platform.data}/waves.csv", retraining=retraining))
    platform.until_phase("TwinModel", "twin", "Ready")
    platform.patch("TwinModel", "twin", {"learner": {"seed": 3}})
    platform.kube.until(lambda: platform.get("TwinModel", "twin")["status"].get("retraining", {}).get("lastJob"))
    platform.apply(
        "RetrainingJob", "brief", {"modelRef": {"name": "twin"}, "cancel": True, "ttlSecondsAfterFinished": 1}
    )
    until_gone(platform, "retrainingjob", "brief")


def answer_grade_and_expire(platform: Platform) -> None:
    """Answer two questions, grade one of them, and have the other expire."""
    platform.apply("Simulation", "asked", question("twin"))
    platform.apply("Simulation", "brief", question("twin", ttlSecondsAfterFinished=1))
    platform.until_phase("Simulation", "asked", "Succeeded")
    platform.patch("Simulation", "asked", {"observed": {"experiment": "e", "effect": 0.14, "standardError": 0.02}})
    platform.kube.until(lambda: "fidelity" in platform.get("Simulation", "asked")["status"])
    until_gone(platform, "simulation", "brief")


def run_a_pool(platform: Platform) -> None:
    """Run a pool of one worker, and scale it to zero."""
    platform.apply("WorkerPool", "extra", {"queues": ["extra"], "replicas": 1})
    platform.until_phase("WorkerPool", "extra", "Ready")
    platform.patch("WorkerPool", "extra", {"replicas": 0})
    platform.until_phase("WorkerPool", "extra", "Idle")


def until_gone(platform: Platform, kind: str, name: str) -> None:
    listed = ("get", kind, name, "-n", platform.namespace, "--ignore-not-found", "-o", "name")
    platform.kube.until(lambda: platform.kube.kubectl(*listed) == "")
