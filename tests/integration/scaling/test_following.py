"""Pools follow their queues: from zero to many and back, over priorities and several queues, up to their limits."""

from __future__ import annotations

from tests.integration.scaling.conftest import Scaling


def test_a_pool_rises_from_zero_with_its_tasks_and_goes_back(scaling: Scaling) -> None:
    scaling.pool("burst")
    scaling.until_phase("WorkerPool", "burst", "Idle")
    runs = scaling.publish("burst", 6, seconds=1)
    scaling.kube.until(lambda: scaling.wanted("burst") == 3)
    scaling.until_done(runs)
    scaling.kube.until(lambda: scaling.wanted("burst") == 0)
    status = scaling.until_phase("WorkerPool", "burst", "Idle")["status"]
    assert (status["desiredReplicas"], status["running"], status["queues"][0]["depth"]) == (0, 0, 0)
    assert sorted(scaling.lines("begin", runs)) == sorted(runs)
    events = scaling.events("burst")
    assert events["ScaledUp"].startswith("From 0 to 3 workers: 6 tasks wait")
    assert events["ScaledDown"].endswith("no task came for a while.")
    scaling.remove("burst")
