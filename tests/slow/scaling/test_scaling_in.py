"""Fewer workers: idle ones go, whoever works stays; what the operator left half done is put right."""

from __future__ import annotations

import time
from typing import Any

from tests.slow.scaling.conftest import Scaling
from twin_operator.adapters.redis_queue import keys

COST = "controller.kubernetes.io/pod-deletion-cost"


def pods(scaling: Scaling, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scaling.kube.get("pods", "-n", scaling.namespace, "-l", f"twinops.dev/pool={name}")[
        "items"
    ]
    return found


def test_scaling_in_takes_no_worker_that_has_a_task(scaling: Scaling) -> None:
    scaling.pool("long", autoscaling={"maxReplicas": 4})
    scaling.until_phase("WorkerPool", "long", "Idle")
    lengths = (2, 2, 25, 45)
    runs = [run for seconds in lengths for run in scaling.publish("long", 1, seconds)]
    scaling.kube.until(lambda: len(scaling.lines("begin", runs)) == len(runs))
    seen = []

    def over() -> bool:
        seen.append(scaling.wanted("long"))
        return set(scaling.lines("end", runs)) == set(runs)

    scaling.kube.until(over)
    assert sorted(scaling.lines("begin", runs)) == sorted(runs)  # none was begun again
    assert 0 not in seen
    assert min(seen) < 4  # the idle ones went while others worked
    scaling.until_phase("WorkerPool", "long", "Idle")
    scaling.remove("long")


def test_fewer_replicas_end_workers_and_tasks_are_finished(scaling: Scaling) -> None:
    scaling.pool("wish", replicas=3)
    scaling.until_phase("WorkerPool", "wish", "Ready")
    runs = scaling.publish("wish", 2, seconds=12)
    scaling.kube.until(lambda: len(scaling.lines("begin", runs)) == 2)
    scaling.kube.kubectl("scale", "workerpool", "wish", "--replicas=1", "-n", scaling.namespace)
    scaling.kube.until(lambda: scaling.wanted("wish") == 1)
    scaling.until_done(runs)
    assert sorted(scaling.lines("begin", runs)) == sorted(runs)
    scaling.kube.kubectl("scale", "workerpool", "wish", "--replicas=0", "-n", scaling.namespace)
    scaling.until_phase("WorkerPool", "wish", "Idle")
    scaling.remove("wish")


def test_a_new_template_is_rolled_out_without_a_lost_task(scaling: Scaling) -> None:
    scaling.pool("roll", replicas=2)
    scaling.until_phase("WorkerPool", "roll", "Ready")
    runs = scaling.publish("roll", 2, seconds=10)
    scaling.kube.until(lambda: len(scaling.lines("begin", runs)) == 2)
    old = {pod["metadata"]["name"] for pod in pods(scaling, "roll")}
    scaling.patch("WorkerPool", "roll", {"terminationGracePeriodSeconds": 100})
    scaling.kube.until(lambda: not old & {pod["metadata"]["name"] for pod in pods(scaling, "roll")})
    assert sorted(scaling.lines("end", runs)) == sorted(scaling.lines("begin", runs)) == sorted(runs)
    scaling.until_phase("WorkerPool", "roll", "Ready")
    scaling.remove("roll")


def test_what_a_killed_operator_left_is_put_right(scaling: Scaling) -> None:
    scaling.pool("left", replicas=2)
    scaling.until_phase("WorkerPool", "left", "Ready")
    scaling.operator.kill()
    name = pods(scaling, "left")[0]["metadata"]["name"]
    scaling.kube.kubectl("annotate", "pod", name, f"{COST}=-1000", "-n", scaling.namespace)
    with scaling.client() as redis:
        redis.set(keys.draining_key(name), 1, ex=600)
        scaling.operator.start()
        scaling.kube.until(lambda: not redis.exists(keys.draining_key(name)))

    def costs() -> list[str]:
        return [COST for pod in pods(scaling, "left") if COST in pod["metadata"].get("annotations", {})]

    scaling.kube.until(lambda: not costs())
    assert scaling.wanted("left") == 2
    scaling.remove("left")


def test_a_killed_worker_at_the_end_leaves_nobody_waiting(scaling: Scaling) -> None:
    scaling.pool("last", autoscaling={"scaleDownStabilizationSeconds": 0})
    scaling.until_phase("WorkerPool", "last", "Idle")
    (run,) = scaling.publish("last", 1, seconds=6)
    scaling.kube.until(lambda: scaling.lines("begin", [run]))
    started = time.monotonic()
    (pod,) = [pod["metadata"]["name"] for pod in pods(scaling, "last")]
    scaling.kube.kubectl("delete", "pod", pod, "-n", scaling.namespace, "--grace-period=0", "--force")
    scaling.until_done([run])
    assert time.monotonic() - started < 120
    scaling.until_phase("WorkerPool", "last", "Idle")
    scaling.remove("last")
