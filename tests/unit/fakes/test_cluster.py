"""What the in-memory cluster has for tests beyond the contract: interleavings, recorded writes, outages, policies."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from tests.fakes.cluster import InMemoryCluster, Invalid
from tests.fakes.deployments import is_ready
from tests.fakes.workloads import InMemoryWorkloads
from twin_operator.adapters.kubernetes_api.client import ApiError
from twin_operator.adapters.kubernetes_api.workloads import deployment_view, pod_view
from twin_operator.api.v1alpha1 import API_VERSION, OwnerReference, WorkerPool
from twin_operator.services.pools.ports import Deployment
from twin_operator.services.reconciling.ports import Event, Refused
from twin_operator.services.runs.run import JSON

POOL: Final[JSON] = {
    "apiVersion": API_VERSION,
    "kind": "WorkerPool",
    "metadata": {"name": "workers", "namespace": "growth"},
    "spec": {"queues": ["simulations"]},
}
POD: Final[JSON] = {"metadata": {"labels": {"app": "workers"}}, "spec": {"containers": [{"name": "worker"}]}}
DEPLOYMENT: Final[JSON] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "workers", "namespace": "growth"},
    "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "workers"}}, "template": POD},
}
OWNER: Final = OwnerReference(api_version=API_VERSION, kind="WorkerPool", name="workers", uid="uid", controller=True)
Request = Callable[[InMemoryCluster, InMemoryWorkloads], Awaitable[object]]
PLACE: Final = ("WorkerPool", "growth", "workers")


def event_of(cluster: InMemoryCluster) -> Event:
    return Event(WorkerPool.model_validate(cluster.get(*PLACE)), "ScaledUp", "From 2 to 3 workers.")


def deployed(cluster: InMemoryCluster) -> Deployment:
    return deployment_view(cluster.objects("Deployment")[0])


REQUESTS: Final[dict[str, Request]] = {
    "read": lambda cluster, _: cluster.read(*PLACE),
    "write_status": lambda cluster, _: cluster.write_status("WorkerPool", cluster.get(*PLACE), {"replicas": 3}),
    "delete": lambda cluster, _: cluster.delete(*PLACE, cluster.get(*PLACE)["metadata"]["uid"]),
    "create": lambda cluster, _: cluster.create(
        "WorkerPool", {**POOL, "metadata": {**POOL["metadata"], "name": "two"}}
    ),
    "of_model": lambda cluster, _: cluster.of_model("Simulation", "growth", "spring"),
    "finished": lambda cluster, _: _all(cluster),
    "emit": lambda cluster, _: cluster.emit(
        Event(WorkerPool.model_validate(cluster.get(*PLACE)), "Scaled", "It has 3 workers.")
    ),
    "cluster_uid": lambda cluster, _: cluster.cluster_uid(),
    "create_deployment": lambda _, workloads: workloads.create_deployment(
        {**DEPLOYMENT, "metadata": {**DEPLOYMENT["metadata"], "name": "others"}}
    ),
    "apply_deployment": lambda cluster, workloads: workloads.apply_deployment(deployed(cluster), DEPLOYMENT),
    "adopt": lambda cluster, workloads: workloads.adopt(deployed(cluster), OWNER),
    "check_deployment": lambda cluster, workloads: workloads.check_deployment(deployed(cluster), DEPLOYMENT),
    "read_deployment": lambda _, workloads: workloads.read_deployment("growth", "workers"),
    "list_pods": lambda cluster, workloads: workloads.list_pods(deployed(cluster), "app=workers"),
    "set_deletion_cost": lambda cluster, workloads: workloads.set_deletion_cost(
        pod_view(cluster.objects("Pod")[0]), -1000
    ),
    "scale": lambda cluster, workloads: workloads.scale(deployed(cluster), 3),
}
NEVER_RAISES: Final = frozenset({"emit"})
MADE: Final = {
    "write_status": ("patch", "WorkerPool", "status"),
    "delete": ("delete", "WorkerPool", ""),
    "create": ("create", "WorkerPool", ""),
    "create_deployment": ("create", "Deployment", ""),
    "apply_deployment": ("apply", "Deployment", ""),
    "adopt": ("patch", "Deployment", ""),
    "set_deletion_cost": ("patch", "Pod", ""),
    "scale": ("patch", "Deployment", ""),
}
"""Verb, kind and subresource of the requests that write."""


async def _all(cluster: InMemoryCluster) -> list[Any]:
    return [one async for one in cluster.finished("Simulation")]


@pytest.fixture
def cluster() -> InMemoryCluster:
    cluster = InMemoryCluster(lambda: 1_780_000_000.0)
    cluster.apply(POOL)
    cluster.apply(DEPLOYMENT)
    return cluster


@pytest.fixture
def workloads(cluster: InMemoryCluster) -> InMemoryWorkloads:
    workloads = InMemoryWorkloads(cluster)
    workloads.settle()
    return workloads


@pytest.mark.parametrize("name", MADE)
async def test_a_request_takes_effect_after_others_had_their_turn(
    name: str, cluster: InMemoryCluster, workloads: InMemoryWorkloads
) -> None:
    request = asyncio.ensure_future(REQUESTS[name](cluster, workloads))
    await asyncio.sleep(0)
    assert cluster.writes == []
    await request
    assert len(cluster.writes) == 1


@pytest.mark.parametrize("name", REQUESTS)
async def test_an_answer_arrives_after_others_had_their_turn(
    name: str, cluster: InMemoryCluster, workloads: InMemoryWorkloads
) -> None:
    request = asyncio.ensure_future(REQUESTS[name](cluster, workloads))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not request.done()
    await request


@pytest.mark.parametrize("name", REQUESTS)
async def test_writes_of_the_operator_are_recorded_and_nothing_else(
    name: str, cluster: InMemoryCluster, workloads: InMemoryWorkloads
) -> None:
    await REQUESTS[name](cluster, workloads)
    made = [(write.verb, write.kind, write.subresource) for write in cluster.writes]
    assert made == ([MADE[name]] if name in MADE else [])


async def test_a_write_that_is_refused_is_not_recorded(cluster: InMemoryCluster) -> None:
    with pytest.raises(Refused):
        await cluster.write_status("WorkerPool", cluster.get(*PLACE), {"replicas": -1})
    assert cluster.writes == []


@pytest.mark.parametrize("name", sorted(REQUESTS.keys() - NEVER_RAISES))
async def test_an_api_server_that_does_not_answer_is_an_error(
    name: str, cluster: InMemoryCluster, workloads: InMemoryWorkloads
) -> None:
    request = REQUESTS[name](cluster, workloads)
    cluster.reachable = False
    with pytest.raises(ApiError):
        await request
    assert cluster.writes == []


async def test_an_event_that_cannot_be_emitted_is_no_error(cluster: InMemoryCluster) -> None:
    cluster.reachable = False
    await cluster.emit(event_of(cluster))
    assert cluster.events == []


async def test_a_policy_refuses_what_the_schema_takes(cluster: InMemoryCluster, workloads: InMemoryWorkloads) -> None:
    cluster.policies.append(lambda body: "no Deployments on Fridays" if body["kind"] == "Deployment" else None)
    with pytest.raises(Refused, match="on Fridays"):
        await workloads.check_deployment(
            deployed(cluster), {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 1}}
        )
    cluster.patch(*PLACE, {"spec": {"concurrency": 2}})
    assert cluster.get(*PLACE)["spec"]["concurrency"] == 2


def test_applying_replaces_the_spec_and_keeps_status_and_annotations(cluster: InMemoryCluster) -> None:
    cluster.patch(*PLACE, {"spec": {"tier": "Heavy"}, "metadata": {"annotations": {"a": "1"}}})
    cluster.patch_status(*PLACE, {"status": {"replicas": 3}})
    meta = {**POOL["metadata"], "annotations": {"b": "2"}}
    applied = cluster.apply({**POOL, "metadata": meta, "spec": {"queues": ["training"]}, "status": {"replicas": 9}})
    assert (applied["spec"]["queues"], applied["spec"]["tier"]) == (["training"], "Light")
    assert applied["status"]["replicas"] == 3
    assert applied["metadata"]["annotations"] == {"a": "1", "b": "2"}


def test_applying_what_the_schema_excludes_is_invalid(cluster: InMemoryCluster) -> None:
    with pytest.raises(Invalid, match=r"spec\.queues"):
        cluster.apply({**POOL, "spec": {"queues": []}})


def test_a_handler_that_writes_does_not_change_the_order_of_changes(cluster: InMemoryCluster) -> None:
    seen: list[int] = []

    def scale_up(_: str, body: JSON) -> None:
        if body["spec"]["concurrency"] < 4:
            cluster.patch(*PLACE, {"spec": {"concurrency": body["spec"]["concurrency"] + 1}})

    cluster.watch("WorkerPool", lambda _, body: seen.append(body["spec"]["concurrency"]))
    writer = cluster.watch("WorkerPool", scale_up)
    cluster.watch("WorkerPool", lambda _, body: seen.append(body["spec"]["concurrency"]))
    cluster.patch(*PLACE, {"metadata": {"labels": {"a": "b"}}})
    writer.stop()
    cluster.patch(*PLACE, {"spec": {"concurrency": 1}})
    assert seen == [1, 2, 2, 2, 2, 3, 3, 4, 4, 1, 1]


def test_a_watch_that_a_handler_begins_delivers_no_change_that_it_began_with(cluster: InMemoryCluster) -> None:
    seen: list[str] = []

    def begin(change: str, _: JSON) -> None:
        if change == "MODIFIED" and not seen:
            cluster.patch(*PLACE, {"spec": {"concurrency": 2}})
            cluster.watch("WorkerPool", lambda change, _: seen.append(change))

    cluster.watch("WorkerPool", begin)
    cluster.patch(*PLACE, {"metadata": {"labels": {"a": "b"}}})
    assert seen == ["ADDED"]


def test_a_watch_that_was_stopped_delivers_nothing(cluster: InMemoryCluster) -> None:
    changes: list[str] = []
    watch = cluster.watch("WorkerPool", lambda change, _: changes.append(change))
    watch.stop()
    cluster.remove(*PLACE)
    assert changes == ["ADDED"]


def test_pods_of_the_earlier_template_stay_until_those_of_the_new_one_are_ready(
    cluster: InMemoryCluster, workloads: InMemoryWorkloads
) -> None:
    template = {"metadata": {"annotations": {"a": "b"}}}
    cluster.patch("Deployment", "growth", "workers", {"spec": {"template": template}})
    workloads.settle(ready=False)
    status = cluster.get("Deployment", "growth", "workers")["status"]
    assert sorted(map(is_ready, cluster.objects("Pod"))) == [False, False, True, True]
    assert (status["replicas"], status["updatedReplicas"], status["readyReplicas"]) == (4, 2, 2)
    workloads.settle()
    assert [pod["metadata"]["annotations"] for pod in cluster.objects("Pod")] == [{"a": "b"}, {"a": "b"}]
