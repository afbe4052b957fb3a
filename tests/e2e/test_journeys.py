"""One journey of each kind of resource, with the built image, under restricted Pod Security."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import EFFECT, NAMESPACE, Release, put_data
from tests.integration.conftest import Kube
from tests.integration.journey import experiments

REAL = -0.05  # what the letter does to those who come later


class Twins:
    """Resources of the release's namespace."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube

    def apply(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        metadata = {"name": name, "namespace": NAMESPACE}
        self.kube.apply({"apiVersion": "twinops.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})

    def patch(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        text = json.dumps({"spec": spec})
        self.kube.kubectl("patch", kind, name, "-n", NAMESPACE, "--type=merge", "-p", text)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        body: dict[str, Any] = self.kube.get(kind, name, "-n", NAMESPACE)
        return body

    def until(self, kind: str, name: str, holds: Callable[[dict[str, Any]], object], within: float = 180) -> Any:
        """Wait until something holds of a status; return the status."""

        def look() -> dict[str, Any] | None:
            status: dict[str, Any] = self.get(kind, name).get("status") or {}
            return status if holds(status) else None

        return self.kube.until(look, within)

    def until_phase(self, kind: str, name: str, phase: str, within: float = 180) -> Any:
        return self.until(kind, name, lambda status: status.get("phase") == phase, within)


@pytest.fixture(scope="module")
def twins(release: Release, kube: Kube) -> Twins:
    assert release.upgraded
    return Twins(kube)


@pytest.fixture(scope="module")
def letters(twins: Twins) -> Twins:
    """A TwinModel that serves; its training brought the heavy pool up from zero."""
    policy = {"cooldown": "0s", "minSamples": 100, "autoApproveBelow": 0}
    twins.apply("TwinModel", "letters", experiments.spec("file:///data/waves.csv", retraining=policy))
    twins.until_phase("TwinModel", "letters", "Ready", within=300)
    return twins


def ask(twins: Twins, name: str) -> Any:
    twins.apply("Simulation", name, {"modelRef": {"name": "letters"}, "intervention": {"arm": "Letter"}})
    return twins.until_phase("Simulation", name, "Succeeded")


def test_a_twin_is_trained_and_registered(letters: Twins) -> None:
    status = letters.get("TwinModel", "letters")["status"]
    assert status["model"]["version"] == "1"


def test_a_simulation_is_answered_by_a_pool_that_comes_up_from_zero(letters: Twins) -> None:
    status = ask(letters, "first")
    assert status["effect"]["low"] < EFFECT < status["effect"]["high"]
    assert status["recommendation"]["action"] == "Deploy"
    assert status["worker"].startswith("twin-operator-light-")


def test_pools_go_back_to_zero(letters: Twins) -> None:
    for pool in ("light", "medium", "heavy"):
        status = letters.until_phase("WorkerPool", f"twin-operator-{pool}", "Idle")
        assert status["desiredReplicas"] == 0


def test_a_twin_that_fails_is_retrained_after_approval(letters: Twins) -> None:
    for number in range(5):
        name = f"graded-{number}"
        ask(letters, name)
        observed = {"experiment": f"real-{number}", "effect": REAL, "standardError": 0.02}
        letters.patch("Simulation", name, {"observed": observed})
    letters.until_phase("TwinModel", "letters", "Degraded")
    later = experiments.rows(experiments.waves(5, "real"), REAL, seed=7)
    put_data(letters.kube, experiments.rows(experiments.waves(6), EFFECT) + later)
    job = letters.kube.until(lambda: _job(letters, "AwaitingApproval"), 240)
    assert job is not None
    letters.patch("RetrainingJob", job, {"approval": {"approved": True, "by": "kubernetes-admin"}})
    status = letters.until_phase("RetrainingJob", job, "Completed", within=300)
    assert status["gate"]["passed"] is True
    letters.until("TwinModel", "letters", lambda status: status["model"]["version"] == "2")


def _job(twins: Twins, phase: str) -> str | None:
    items = twins.kube.get("retrainingjobs", "-n", NAMESPACE)["items"]
    return next((item["metadata"]["name"] for item in items if item["status"].get("phase") == phase), None)
