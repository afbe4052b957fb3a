"""What a pool says of itself, and when that is worth a write."""

from __future__ import annotations

from typing import Any

import pytest

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.scaling import Limit, QueueLoad, ScalingDecision
from twin_operator.services.pools.pool import Pool, RefusedTemplate
from twin_operator.services.pools.status import pool_status, refused_status, worth_writing
from twin_operator.services.pools.workers import trouble
from twin_operator.services.reconciling.status import stalled

NOW = 1_800_000_000.0
SCALED = {"queues": ["a"], "autoscaling": {"maxReplicas": 4}}


def pool(spec: dict[str, Any], wanted: int = 2, ready: int = 2, **known: Any) -> Pool:
    body = {"metadata": {"name": "p", "namespace": "n", "uid": "u", "generation": 3}, "spec": spec}
    counts = {"replicas": ready, "readyReplicas": ready, "updatedReplicas": ready}
    return Pool(body, {"spec": {"replicas": wanted}, "status": counts}, **known)


def told(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


def decision(limit: Limit | None = None) -> ScalingDecision:
    return ScalingDecision(2, limit, 12.3456, ())


@pytest.mark.parametrize(
    ("wanted", "ready", "phase", "reason"),
    [(2, 2, "Ready", "WorkersReady"), (2, 1, "Scaling", "Scaling"), (0, 0, "Idle", "ScaledToZero")],
)
def test_the_phase_follows_the_workers(wanted: int, ready: int, phase: str, reason: str) -> None:
    status = pool_status(pool(SCALED, wanted, ready, decision=decision()), NOW)
    assert (status["phase"], told(status)["Ready"][1]) == (phase, reason)
    assert told(status)["ScalingActive"] == ("True", "FollowingQueues")
    assert told(status)["ScalingLimited"] == ("False", "WithinLimits")
    assert ("Reconciling" in told(status)) == (phase == "Scaling")


def test_a_pool_with_a_fixed_number_says_nothing_of_scaling() -> None:
    assert set(told(pool_status(pool({"queues": ["a"], "replicas": 2}), NOW))) == {"Ready"}


@pytest.mark.parametrize("limit", list(Limit))
def test_a_limit_is_a_condition(limit: Limit) -> None:
    assert told(pool_status(pool(SCALED, decision=decision(limit)), NOW))["ScalingLimited"] == ("True", str(limit))


def test_queues_out_of_reach_hold_the_workers() -> None:
    status = pool_status(pool(SCALED, unreachable_since=NOW), NOW)
    assert told(status)["ScalingActive"] == ("False", "QueueUnreachable")
    assert "stays 2" in next(c for c in status["conditions"] if c["type"] == "ScalingActive")["message"]


def test_a_refused_template_stalls_and_the_earlier_workers_go_on() -> None:
    refused = RefusedTemplate("d", "spec.containers: Required value", NOW)
    status = pool_status(pool(SCALED, refused=refused, decision=decision()), NOW)
    assert (status["phase"], told(status)["Stalled"]) == ("Failed", ("True", "InvalidTemplate"))
    assert "earlier template go on" in status["conditions"][0]["message"]
    assert told(status)["ScalingActive"][0] == "True"


def test_figures_are_rounded_and_small_rates_are_none() -> None:
    loads = (QueueLoad("a", 3, 1, 0.004, 1.23456, 7.8912), QueueLoad("b", 0, 0, 0.0, 9.0))
    status = pool_status(pool(SCALED, loads=loads, decision=decision()), NOW)
    assert status["queues"] == [{"name": "a", "depth": 3, "oldestSeconds": 7.89}, {"name": "b", "depth": 0}]
    figures = (status["running"], status["arrivalsPerSecond"], status["secondsPerTask"], status["drainSeconds"])
    assert figures == (1, 0.0, 1.23, 12.3)


def test_a_pool_that_is_not_taken_has_no_figures() -> None:
    status = refused_status(pool(SCALED), stalled(Reason.QUEUE_TAKEN, "Taken."), NOW)
    assert (status["phase"], status["queues"], status["running"]) == ("Failed", None, None)


def written(depth: int = 1, running: int = 1, rate: float = 1.0, **facts: Any) -> dict[str, Any]:
    return {"phase": "Ready", "queues": [{"name": "a", "depth": depth}], "running": running} | {
        "arrivalsPerSecond": rate,
        "secondsPerTask": 1.0,
        "drainSeconds": 1.0,
        **facts,
    }


@pytest.mark.parametrize(
    ("new", "since", "worth"),
    [
        (written(), 1000, False),
        (written(phase="Scaling"), 0, True),
        (written(desiredReplicas=3), 0, True),
        (written(depth=2), 1, False),
        (written(depth=2), 5, True),
        (written(running=0), 5, True),
        (written(rate=1.05), 1000, False),
        (written(rate=1.5), 5, False),
        (written(rate=1.5), 20, True),
        (written(rate=0.0), 20, True),
    ],
)
def test_facts_are_written_at_once_counts_soon_and_rates_when_they_moved(
    new: dict[str, Any], since: float, *, worth: bool
) -> None:
    assert worth_writing(written(), new, since) is worth


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    state = {"state": {"waiting": {"reason": reason, "message": message}}}
    return {"metadata": {"name": "p-1"}, "spec": {}, "status": {"phase": "Pending", "containerStatuses": [state]}}


def test_trouble_is_told_in_kubernetes_own_words_with_what_to_do() -> None:
    said = trouble([waiting("ImagePullBackOff", "Back-off pulling image")], None)
    assert said == (
        "Worker Pod p-1 does not start: ImagePullBackOff (Back-off pulling image); "
        "see that the image exists and that the workers' service account may pull it."
    )
    assert trouble([waiting("ContainerCreating")], None) is None
    crashed = waiting("CrashLoopBackOff", "back-off 40s restarting failed container")
    crashed["status"]["containerStatuses"][0] |= {"restartCount": 3, "lastState": {"terminated": {"exitCode": 2}}}
    assert "CrashLoopBackOff (it ended 3 times, at last with code 2)" in (trouble([crashed], None) or "")
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    pending = {"metadata": {"name": "p-2"}, "spec": {}, "status": {"phase": "Pending", "conditions": [scheduled]}}
    assert "Unschedulable (0/1 nodes); add nodes" in (trouble([pending], None) or "")
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    assert trouble([], {"status": {"conditions": [failure]}}) == "Worker Pods cannot be created: exceeded quota"
