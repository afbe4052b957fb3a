"""Which workers go: a ReplicaSet's own order decides, and whoever holds a task stays."""

from __future__ import annotations

from typing import Any

import pytest

from twin_operator.services.pools.scale_in import Crew, plan_idle, plan_wish
from twin_operator.services.pools.workers import Worker, workers


def worker(name: str, cost: int = 0, created: str = "", *, ready: bool = True, running: bool = True) -> Worker:
    return Worker(name, assigned=True, phase=2 if running else 0, ready=ready, cost=cost, created=created, pod={})


def crew(*members: Worker, wanted: int | None = None, rolling: bool = False, behind: bool = False) -> Crew:
    count = len(members)
    status = {"observedGeneration": 1 if behind else 2, "replicas": count, "updatedReplicas": count - rolling}
    replicas = count if wanted is None else wanted
    return Crew({"metadata": {"generation": 2}, "spec": {"replicas": replicas}, "status": status}, members)


A, B, C = worker("a"), worker("b"), worker("c")
COLD = worker("cold", ready=False, running=False)
SICK = worker("sick", ready=False)


@pytest.mark.parametrize(
    ("members", "busy", "wanted", "victims", "replicas"),
    [
        ((A, B, C), {"a"}, 1, ["b", "c"], 1),
        ((A, B, C), {"a", "b"}, 1, ["c"], 2),
        ((A, B, C), {"a", "b", "c"}, 1, [], 3),
        ((A, B, C), set(), 2, ["a"], 2),
        ((A, B, C), set(), 3, [], 3),
        ((A, B, C), set(), 5, [], 3),
        ((A, B), set(), 0, ["a", "b"], 0),
        ((A, B), {"a"}, 0, ["b"], 1),
        # What is not ready goes first whatever its cost: it is chosen first.
        ((A, COLD), {"a"}, 1, ["cold"], 1),
        ((A, B, COLD), {"a"}, 1, ["cold", "b"], 1),
        ((A, SICK, COLD), {"a"}, 1, ["cold", "sick"], 1),
        # A busy one that is not ready would go before any idle one that is: nobody behind it may go.
        ((A, B, SICK), {"sick"}, 1, [], 3),
        ((A, COLD, SICK), {"sick"}, 1, ["cold"], 2),
    ],
)
def test_idle_workers_go_and_no_other(
    members: tuple[Worker, ...], busy: set[str], wanted: int, victims: list[str], replicas: int
) -> None:
    plan = plan_idle(crew(*members), busy, wanted)
    assert ([each.name for each in plan.victims], plan.replicas) == (victims, replicas)


def test_nobody_goes_while_kubernetes_is_behind_or_a_template_is_rolled_out() -> None:
    for held in (crew(A, B, behind=True), crew(A, B, rolling=True), crew(A, B, C, wanted=2)):
        assert plan_idle(held, {"a"}, 1).victims == ()


def test_a_rollout_that_never_ends_may_go_to_zero() -> None:
    stuck = crew(A, COLD, wanted=1, rolling=True)
    assert plan_idle(stuck, set(), 0).replicas == 0
    assert plan_idle(stuck, {"a"}, 0).replicas == 1


def test_workers_that_were_never_made_are_not_missed() -> None:
    plan = plan_idle(crew(A, B, wanted=6), {"a", "b"}, 1)
    assert (plan.victims, plan.replicas) == ((), 2)


def test_among_equals_those_go_that_were_chosen_before_and_then_the_newest() -> None:
    old, new = worker("old", created="2026-01-01T00:00:00Z"), worker("new", created="2026-01-02T00:00:00Z")
    assert [each.name for each in plan_idle(crew(old, new), set(), 1).victims] == ["new"]
    chosen = worker("old", cost=-1000, created="2026-01-01T00:00:00Z")
    assert [each.name for each in plan_idle(crew(chosen, new), set(), 1).victims] == ["old"]


@pytest.mark.parametrize(
    ("busy", "wanted", "victims"), [({"a"}, 2, ["b"]), ({"a", "b"}, 1, ["c", "a"]), ({"a"}, 0, ["b", "c", "a"])]
)
def test_a_persons_wish_ends_and_takes_idle_workers_first(busy: set[str], wanted: int, victims: list[str]) -> None:
    plan = plan_wish(crew(A, B, C), busy, wanted)
    assert ([each.name for each in plan.victims], plan.replicas) == (victims, wanted)


def pod(name: str, **changes: Any) -> dict[str, Any]:
    metadata = {"name": name, "annotations": changes.pop("annotations", {})}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], **changes.pop("status", {})}
    return {"metadata": {**metadata, **changes}, "spec": {"nodeName": "n"}, "status": status}


def test_pods_that_leave_or_are_over_are_no_workers() -> None:
    there = [
        pod("works", annotations={"controller.kubernetes.io/pod-deletion-cost": "-1000"}),
        pod("leaves", deletionTimestamp="2026-01-01T00:00:00Z"),
        pod("failed", status={"phase": "Failed"}),
        pod("odd", annotations={"controller.kubernetes.io/pod-deletion-cost": "dear"}),
    ]
    assert [(each.name, each.ready, each.cost) for each in workers(there)] == [("works", True, -1000), ("odd", True, 0)]
