"""Pools follow their queues: from zero to many and back, over priorities and several queues, up to their limits."""

from __future__ import annotations

import re

from tests.slow.scaling.conftest import Scaling

REQUESTS = re.compile(
    r'apiserver_request_total\{.*resource="(workerpools|deployments|pods|events)".*verb="(\w+)"\} (\S+)'
)


def test_a_pool_rises_from_zero_with_its_tasks_and_goes_back(scaling: Scaling) -> None:
    scaling.pool("burst")
    scaling.until_phase("WorkerPool", "burst", "Idle")
    runs = scaling.publish("burst", 6, seconds=1)
    scaling.kube.until(lambda: scaling.wanted("burst") == 3)
    scaling.until_done(runs)
    scaling.kube.until(lambda: scaling.wanted("burst") == 0)
    scaling.kube.until(lambda: scaling.status("burst")["running"] == 0)
    status = scaling.until_phase("WorkerPool", "burst", "Idle")["status"]
    assert (status["desiredReplicas"], status["queues"][0]["depth"]) == (0, 0)
    assert sorted(scaling.lines("begin", runs)) == sorted(runs)
    events = scaling.events("burst")
    assert re.match("From 0 to [123] workers: [1-6] tasks wait", events["ScaledUp"])
    assert events["ScaledDown"].endswith("no task came for a while.")
    scaling.remove("burst")


def test_all_priorities_and_queues_of_a_pool_count(scaling: Scaling) -> None:
    scaling.pool("several", "several.a", "several.b", autoscaling={"maxReplicas": 2})
    scaling.until_phase("WorkerPool", "several", "Idle")
    runs = [run for priority in (0, 3, 6, 9) for run in scaling.publish("several.a", 1, 4, priority)]
    runs += scaling.publish("several.b", 3, 4)
    seen = scaling.kube.until(lambda: _depths(scaling) if sum(_depths(scaling)) >= 5 else None)
    assert seen[0] >= 2
    assert seen[1] >= 1
    scaling.until_done(runs)
    scaling.remove("several")


def _depths(scaling: Scaling) -> list[int]:
    return [queue["depth"] for queue in scaling.status("several").get("queues", ())] or [0]


def test_a_pool_at_its_limit_says_so_and_grows_with_a_higher_one(scaling: Scaling) -> None:
    scaling.pool("full", autoscaling={"maxReplicas": 1})
    scaling.until_phase("WorkerPool", "full", "Idle")
    runs = scaling.publish("full", 12, seconds=4)
    condition = scaling.until_condition("WorkerPool", "full", "ScalingLimited", "TooManyTasks")
    assert condition["status"] == "True"
    assert scaling.wanted("full") == 1
    assert 'twinops_pool_limited{namespace="scaling",pool="full",reason="TooManyTasks",tier="Light"} 1.0' in (
        scaling.metrics()
    )
    scaling.patch("WorkerPool", "full", {"autoscaling": {"maxReplicas": 3}})
    scaling.kube.until(lambda: scaling.wanted("full") == 3)
    scaling.until_done(runs)
    scaling.remove("full")


def test_a_quiet_pool_asks_nothing_of_the_api_server(scaling: Scaling) -> None:
    scaling.pool("quiet")
    scaling.until_phase("WorkerPool", "quiet", "Idle")
    scaling.kube.until(lambda: _requests_during(scaling, reads=3) == {})  # what led here is reported
    assert _requests_during(scaling, reads=8) == {}
    scaling.remove("quiet")


def _requests_during(scaling: Scaling, reads: int) -> dict[tuple[str, str], float]:
    """Return the requests to the API server while the operator reads the queues so often."""
    before, begun = _requests(scaling), _reads(scaling)
    scaling.kube.until(lambda: _reads(scaling) >= begun + reads)
    after = _requests(scaling)
    return {what: count - before.get(what, 0) for what, count in after.items() if count != before.get(what, 0)}


def _reads(scaling: Scaling) -> int:
    """Return how often the operator has read the queues: each time it asks Redis for the time."""
    with scaling.client() as redis:
        calls: int = redis.info("commandstats")["cmdstat_time"]["calls"]
    return calls


def _requests(scaling: Scaling) -> dict[tuple[str, str], float]:
    counts: dict[tuple[str, str], float] = {}
    for resource, verb, count in REQUESTS.findall(scaling.kube.kubectl("get", "--raw", "/metrics")):
        if verb != "WATCH":
            counts[resource, verb] = counts.get((resource, verb), 0) + float(count)
    return counts


def test_workers_that_do_not_start_are_told_with_the_reason(scaling: Scaling) -> None:
    env = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "not-there", "key": "token"}}}
    template = {"spec": {"containers": [{"name": "worker", "env": [env]}]}}
    scaling.apply("WorkerPool", "hopeless", {"queues": ["hopeless"], "template": template})
    condition = scaling.until_condition("WorkerPool", "hopeless", "Ready", "WorkersNotStarting")
    assert "CreateContainerConfigError" in condition["message"]
    assert "Secrets" in condition["message"]
    scaling.remove("hopeless")
