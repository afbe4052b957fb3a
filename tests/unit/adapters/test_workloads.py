"""What is read of Deployments and Pods, also where Kubernetes leaves fields out."""

from typing import Any

import pytest

from twin_operator.adapters.kubernetes_api.workloads import (
    DELETION_COST,
    as_applied,
    controller_uid,
    deployment_view,
    pod_view,
)
from twin_operator.services.pools.ports import ContainerState, Pod, ReplicaCounts, WorkloadCondition

META = {"name": "light-1", "namespace": "ops", "uid": "u", "resourceVersion": "9", "generation": 4}


def pod(status: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **meta: Any) -> Pod:
    return pod_view({"metadata": {**META, **meta}, "spec": spec or {}, "status": status or {}})


def test_the_replicas_of_a_deployment_are_read_from_its_spec_and_its_status() -> None:
    status = {"observedGeneration": 3, "replicas": 5, "updatedReplicas": 4, "readyReplicas": 2, "conditions": []}
    view = deployment_view({"metadata": META, "spec": {"replicas": 6}, "status": status})
    assert view.replicas == ReplicaCounts(desired=6, current=5, updated=4, ready=2)
    assert (view.generation, view.observed_generation) == (4, 3)


def test_a_deployment_that_no_controller_saw_has_no_replicas() -> None:
    view = deployment_view({"metadata": META, "spec": {"replicas": 1}})
    assert view.replicas == ReplicaCounts(desired=1, current=0, updated=0, ready=0)
    assert (view.observed_generation, view.conditions) == (0, ())


def test_the_conditions_of_a_deployment_are_read() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    view = deployment_view({"metadata": META, "spec": {"replicas": 1}, "status": {"conditions": [failure]}})
    assert view.conditions == (WorkloadCondition("ReplicaFailure", "True", "FailedCreate", "exceeded quota"),)


def test_a_pod_is_assigned_ready_and_terminating_where_kubernetes_says_so() -> None:
    new = pod()
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    leaving = pod(ready, {"nodeName": "n"}, deletionTimestamp="2026-01-01T00:00:00Z")
    assert (new.phase, new.assigned, new.ready, new.terminating) == ("Pending", False, False, False)
    assert (leaving.phase, leaving.assigned, leaving.ready, leaving.terminating) == ("Running", True, True, True)


@pytest.mark.parametrize(("annotation", "cost"), [("-1000", -1000), ("7", 7), ("dear", 0), ("", 0)])
def test_a_deletion_cost_that_is_no_number_counts_as_zero(annotation: str, cost: int) -> None:
    assert pod(annotations={DELETION_COST: annotation}).deletion_cost == cost


def test_the_states_of_containers_are_read_init_containers_first() -> None:
    waiting = {"restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}}
    crashed = {"restartCount": 3, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 2}}}
    view = pod({"containerStatuses": [crashed], "initContainerStatuses": [waiting]})
    assert view.containers == (
        ContainerState(restarts=0, last_exit_code=None, waiting_reason="ImagePullBackOff", waiting_message="Back-off"),
        ContainerState(restarts=3, last_exit_code=2, waiting_reason="", waiting_message=""),
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("twin-operator", "Update", ""), ("twin-operator", "Apply", "")),
        (("twin-operator", "Update", "status"), ("twin-operator", "Update", "status")),
        (("kubectl", "Update", ""), ("kubectl", "Update", "")),
    ],
)
def test_fields_of_the_operators_create_become_applied_ones(
    before: tuple[str, str, str], after: tuple[str, str, str]
) -> None:
    assert as_applied([managed(*before)]) == [managed(*after)]


def test_fields_stay_as_they_are_managed_where_some_are_applied_already() -> None:
    fields = [managed("twin-operator", "Apply"), managed("twin-operator", "Update")]
    assert as_applied(fields) == fields


def managed(manager: str, operation: str, subresource: str = "") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, **({"subresource": subresource} if subresource else {})}


def test_only_the_controller_among_the_owners_is_the_controller() -> None:
    owners = [{"uid": "one"}, {"uid": "two", "controller": True}]
    assert controller_uid({"metadata": {"ownerReferences": owners}}) == "two"
    assert controller_uid({"metadata": {"ownerReferences": owners[:1]}}) is None
    assert controller_uid({"metadata": {}}) is None
