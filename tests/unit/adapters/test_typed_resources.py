"""Objects as models: what a status write sends, and what happens to an object that this version cannot read."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.cluster import InMemoryCluster
from tests.unit.services.letters import NAME, job, twin_model
from twin_operator.adapters.kubernetes_api.typed_resources import TypedResources, merge_patch, parse, status_patch
from twin_operator.api.v1alpha1 import RetrainingJob, TwinModel, TwinModelStatus, WorkerPool
from twin_operator.api.v1alpha1.conditions import TwinModelPhase
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.resource import ObjectMeta, TwinModelRef
from twin_operator.api.v1alpha1.retraining_job import RetrainingJobSpec
from twin_operator.api.v1alpha1.twin_model_status import ServingModel, TwinFidelity
from twin_operator.services.reconciling.ports import Changed, Unreadable
from twin_operator.services.runs.run import JSON

NAMESPACE = "default"


@pytest.fixture
def cluster() -> InMemoryCluster:
    cluster = InMemoryCluster(lambda: 1_800_000_000.0)
    body = twin_model()
    cluster.create_object({**body, "metadata": {**body["metadata"], "namespace": NAMESPACE}})
    return cluster


async def written(cluster: InMemoryCluster, **status: Any) -> JSON:
    resources = TypedResources(cluster)
    seen = await resources.read(TwinModel, NAMESPACE, NAME)
    await resources.update_status(seen, seen.replace(status=seen.status.replace(**status)))
    content: JSON = cluster.get("TwinModel", NAMESPACE, NAME)["status"]
    return content


async def test_a_status_is_written_under_the_names_of_the_api(cluster: InMemoryCluster) -> None:
    status = await written(cluster, phase=TwinModelPhase.READY, model=ServingModel(version="1", run_id="r"))
    assert status["model"] == {"version": "1", "runID": "r"}


def test_a_default_is_written_too_where_no_status_was_seen() -> None:
    seen = TwinModelStatus.model_validate({"observedGeneration": 1})
    assert status_patch(seen, seen.replace(trace_id=None)) == {"phase": "Pending"}


async def test_what_is_absent_now_is_removed(cluster: InMemoryCluster) -> None:
    await written(cluster, model=ServingModel(version="1", run_id="r"), fidelity=TwinFidelity(score=0.5))
    status = await written(cluster, model=ServingModel(version="2"), fidelity=None)
    assert status["model"] == {"version": "2"}
    assert "fidelity" not in status


async def test_a_field_that_this_version_does_not_know_stays(cluster: InMemoryCluster) -> None:
    await written(cluster, phase=TwinModelPhase.READY)
    stored = cluster.get("TwinModel", NAMESPACE, NAME)
    stored["status"]["later"] = 1
    seen = parse(TwinModel, stored)
    assert "later" not in str(seen)
    assert merge_patch({"later": 1, "phase": "Ready"}, {"phase": "Failed"}) == {"phase": "Failed"}


async def test_an_equal_status_is_no_request(cluster: InMemoryCluster) -> None:
    await written(cluster, phase=TwinModelPhase.READY, model=ServingModel(version="1"))
    before = len(cluster.writes)
    await written(cluster, phase=TwinModelPhase.READY, model=ServingModel(version="1"))
    assert len(cluster.writes) == before


async def test_a_status_of_an_object_that_was_changed_is_refused(cluster: InMemoryCluster) -> None:
    resources = TypedResources(cluster)
    seen = await resources.read(TwinModel, NAMESPACE, NAME)
    cluster.patch("TwinModel", NAMESPACE, NAME, {"metadata": {"labels": {"team": "crm"}}})
    with pytest.raises(Changed):
        await resources.update_status(seen, seen.replace(status=seen.status.replace(phase=TwinModelPhase.READY)))


async def test_a_created_object_is_read_with_its_defaults_and_its_identity(cluster: InMemoryCluster) -> None:
    job = RetrainingJob(
        metadata=ObjectMeta(name="again", namespace=NAMESPACE),
        spec=RetrainingJobSpec(model_ref=TwinModelRef(name=NAME)),
    )
    created = await TypedResources(cluster).create(job)
    assert created.uid
    assert created.key == (NAMESPACE, "again")
    assert created.spec.trigger.type is Trigger.MANUAL


def test_an_object_that_cannot_be_read_is_named_with_its_field() -> None:
    body = {"metadata": {"namespace": "growth", "name": "light"}, "spec": {"queues": ["a"]}, "status": {"phase": "Odd"}}
    with pytest.raises(Unreadable, match=r"^WorkerPool growth/light: this release cannot read .* status\.phase\.$"):
        parse(WorkerPool, body)


async def test_an_object_that_cannot_be_read_keeps_no_other_from_being_found(
    cluster: InMemoryCluster, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("again", "later"):
        cluster.create_object({**job(name), "metadata": {"name": name, "namespace": NAMESPACE}})
    resources, unreadable = TypedResources(_Altered(cluster)), "RetrainingJob default/again: this release cannot read"
    assert [each.name for each in await resources.of_model(RetrainingJob, NAMESPACE, NAME)] == ["later"]
    assert unreadable in caplog.text
    seen: list[RetrainingJob] = []
    following = asyncio.create_task(resources.follow(RetrainingJob, "", seen.append))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not following.done()
    following.cancel()
    assert [each.name for each in seen] == ["later"]


class _Altered:
    """A cluster whose object `again` has a phase of a newer release."""

    def __init__(self, cluster: InMemoryCluster) -> None:
        self.cluster = cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cluster, name)

    async def of_model(self, kind: str, namespace: str, model: str) -> list[JSON]:
        return [_newer(body) for body in await self.cluster.of_model(kind, namespace, model)]

    async def follow(self, kind: str, selector: str, seen: Callable[[JSON], None]) -> None:
        await self.cluster.follow(kind, selector, lambda body: seen(_newer(body)))


def _newer(body: JSON) -> JSON:
    return {**body, "status": {"phase": "Later"}} if body["metadata"]["name"] == "again" else body
