"""Pools that follow their queues on the real thing: from zero to many and back, and when the queue is not there."""

from __future__ import annotations

import time
from typing import Any

from conftest import question
from platform_fixture import Platform

QUICK = {"maxReplicas": 2, "scaleDownStabilizationSeconds": 4, "targetDrainSeconds": 1, "pollSeconds": 1}


def autoscaled(platform: Platform, name: str, *queues: str, **changes: Any) -> None:
    platform.apply("WorkerPool", name, {"queues": list(queues) or [name], "autoscaling": {**QUICK, **changes}})
    platform.until_phase("WorkerPool", name, "Idle")


def replicas(platform: Platform, name: str) -> int:
    wanted: int = platform.kube.get("deployment", name, "-n", platform.namespace)["spec"]["replicas"]
    return wanted


def test_a_pool_rises_from_zero_with_the_first_task_and_goes_back(trained: Platform) -> None:
    autoscaled(trained, "burst")
    asked = time.monotonic()
    for number in range(6):
        trained.apply("Simulation", f"burst-{number}", question(queue="burst", seed=number))
    trained.kube.until(lambda: replicas(trained, "burst") > 0)
    assert time.monotonic() - asked < 10
    for number in range(6):
        status = trained.until_phase("Simulation", f"burst-{number}", "Succeeded")["status"]
        assert status["worker"].startswith("burst-")
    status = trained.until_phase("WorkerPool", "burst", "Idle")["status"]
    assert (replicas(trained, "burst"), status["desiredReplicas"]) == (0, 0)
    events = trained.events("burst")
    assert "tasks wait" in events["ScaledUp"]
    assert "ScaledDown" in events
