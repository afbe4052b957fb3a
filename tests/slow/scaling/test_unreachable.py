"""While the queues cannot be read a pool keeps the workers it has, and says so."""

from __future__ import annotations

from tests.slow.scaling.conftest import Scaling


def test_a_pool_holds_what_it_has_until_its_queues_answer(scaling: Scaling) -> None:
    assert scaling.redis is not None
    scaling.pool("held", autoscaling={"minReplicas": 1, "scaleDownStabilizationSeconds": 0})
    scaling.until_phase("WorkerPool", "held", "Ready")
    runs = scaling.publish("held", 8, seconds=3)
    scaling.kube.until(lambda: scaling.wanted("held") == 3)
    scaling.redis.kill()
    condition = scaling.until_condition("WorkerPool", "held", "ScalingActive", "QueueUnreachable")
    assert (condition["status"], scaling.wanted("held")) == ("False", 3)
    assert "QueueUnreachable" in scaling.events("held")
    scaling.redis.start()
    condition = scaling.until_condition("WorkerPool", "held", "ScalingActive", "FollowingQueues")
    assert condition["status"] == "True"
    scaling.until_done(runs)
    scaling.kube.until(lambda: scaling.wanted("held") == 1)
    scaling.remove("held")
