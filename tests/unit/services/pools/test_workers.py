"""Which workers are removed, in a ReplicaSet's own order and none with a task; and why others do not start."""

from __future__ import annotations

import pytest

from tests.unit.services.pools.objects import deployment, pod
from twin_operator.services.pools.ports import ContainerState, Pod, WorkloadCondition
from twin_operator.services.pools.workers import Workers, active, plan_fixed, plan_idle, startup_problem


def workers(*pods: Pod, desired: int | None = None, rolling: bool = False, behind: bool = False) -> Workers:
    count = len(pods)
    there = deployment(
        count if desired is None else desired,
        count,
        updated=count - rolling,
        generation=2,
        observed_generation=1 if behind else 2,
    )
    return Workers(there, pods)


A, B, C = pod("a"), pod("b"), pod("c")
COLD = pod("cold", conditions=(), phase="Pending")
SICK = pod("sick", conditions=())


@pytest.mark.parametrize(
    ("pods", "busy", "wanted", "victims", "replicas"),
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
def test_idle_workers_are_removed_and_no_others(
    pods: tuple[Pod, ...], busy: set[str], wanted: int, victims: list[str], replicas: int
) -> None:
    plan = plan_idle(workers(*pods), busy, wanted)
    assert ([each.name for each in plan.victims], plan.replicas) == (victims, replicas)


def test_no_worker_is_removed_while_kubernetes_is_behind_or_a_template_is_rolled_out() -> None:
    for held in (workers(A, B, behind=True), workers(A, B, rolling=True), workers(A, B, C, desired=2)):
        assert plan_idle(held, {"a"}, 1).victims == ()


def test_a_rollout_that_never_ends_may_go_to_zero() -> None:
    stuck = workers(A, COLD, desired=1, rolling=True)
    assert plan_idle(stuck, set(), 0).replicas == 0
    assert plan_idle(stuck, {"a"}, 0).replicas == 1


def test_workers_that_were_never_made_are_not_missed() -> None:
    plan = plan_idle(workers(A, B, desired=6), {"a", "b"}, 1)
    assert (plan.victims, plan.replicas) == ((), 2)


def test_among_equals_those_that_were_chosen_before_are_removed_and_then_the_newest() -> None:
    old, new = pod("old", created="2026-01-01T00:00:00Z"), pod("new", created="2026-01-02T00:00:00Z")
    assert [each.name for each in plan_idle(workers(old, new), set(), 1).victims] == ["new"]
    chosen = pod("old", deletion_cost=-1000, created="2026-01-01T00:00:00Z")
    assert [each.name for each in plan_idle(workers(chosen, new), set(), 1).victims] == ["old"]


@pytest.mark.parametrize(
    ("busy", "wanted", "victims"), [({"a"}, 2, ["b"]), ({"a", "b"}, 1, ["c", "a"]), ({"a"}, 0, ["b", "c", "a"])]
)
def test_a_smaller_fixed_number_removes_idle_workers_first(busy: set[str], wanted: int, victims: list[str]) -> None:
    plan = plan_fixed(workers(A, B, C), busy, wanted)
    assert ([each.name for each in plan.victims], plan.replicas) == (victims, wanted)


def test_pods_that_terminate_or_have_finished_are_no_workers() -> None:
    pods = [
        pod("works"),
        pod("leaves", terminating=True),
        pod("failed", phase="Failed"),
        pod("done", phase="Succeeded"),
    ]
    assert [each.name for each in active(pods)] == ["works"]


def problem(
    *conditions: WorkloadCondition, restarts: int = 0, code: int | None = None, waiting: str = "", message: str = ""
) -> str | None:
    container = ContainerState(restarts, code, waiting, message)
    return startup_problem([pod("p-1", conditions=conditions, containers=(container,))], None)


def test_a_worker_that_does_not_start_is_shown_with_the_reason_of_kubernetes_and_what_to_do() -> None:
    assert problem(waiting="ImagePullBackOff", message="Back-off pulling image") == (
        "Worker Pod p-1 does not start: ImagePullBackOff (Back-off pulling image); "
        "see that the image exists and that the workers' service account may pull it."
    )


def test_a_container_that_is_being_created_is_no_problem() -> None:
    assert problem(waiting="ContainerCreating") is None


def test_a_container_that_ended_is_shown_with_its_exit_code() -> None:
    crashed = problem(restarts=3, code=2, waiting="CrashLoopBackOff", message="back-off 40s restarting")
    assert "CrashLoopBackOff (it ended 3 times, at last with code 2); see kubectl logs --previous" in (crashed or "")


def test_a_pod_that_no_node_takes_is_shown() -> None:
    unscheduled = WorkloadCondition("PodScheduled", "False", "Unschedulable", "0/1 nodes")
    assert "Unschedulable (0/1 nodes); add nodes" in (problem(unscheduled) or "")


def test_the_pods_of_ready_workers_are_no_problem() -> None:
    restarted = ContainerState(restarts=1, last_exit_code=1, waiting_reason="", waiting_message="")
    assert startup_problem([pod("p-1", containers=(restarted,))], None) is None


def test_pods_that_cannot_be_created_are_shown() -> None:
    failure = WorkloadCondition("ReplicaFailure", "True", "", "exceeded quota")
    there = deployment(conditions=(failure,))
    assert startup_problem([], there) == "Worker Pods cannot be created: exceeded quota"
