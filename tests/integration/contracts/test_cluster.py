"""The API server keeps the contract of the cluster, and admits manifests as the in-memory cluster does."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from tests.contracts.cluster import DeletionContract, EventsContract, ObjectsContract, StatusContract, UpdatesContract
from tests.contracts.cluster_admission import AdmissionContract
from tests.contracts.cluster_deployments import DeploymentsContract, PodsContract
from tests.contracts.cluster_selection import FollowContract, SelectionContract, WatchContract
from tests.contracts.cluster_world import POLL, WITHIN, Changes, World
from tests.contracts.manifests import SCHEMAS, full_manifest
from tests.fakes.cluster import InMemoryCluster
from tests.integration.conftest import Kube
from twin_operator.adapters.kubernetes_api.client import ApiError, KubernetesApi, client_of_a_user
from twin_operator.adapters.kubernetes_api.resources import ClusterResources
from twin_operator.adapters.kubernetes_api.workloads import ClusterWorkloads
from twin_operator.api.v1alpha1 import API_VERSION, PLURALS
from twin_operator.services.reconciling.ports import Changed, Refused
from twin_operator.services.runs.run import JSON

COLLECTIONS: Final[Mapping[str, str]] = {
    **{kind: f"/apis/{API_VERSION}/namespaces/{{}}/{plural}" for kind, plural in PLURALS.items()},
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Event": "/apis/events.k8s.io/v1/namespaces/{}/events",
}
MANAGER: Final = "a-user"  # not the operator's, whose fields its next apply may remove
EXAMPLES: Final = Path(__file__).parents[3] / "examples"
OWN: Final = frozenset({"uid", "creationTimestamp", "resourceVersion", "managedFields", "namespace"})
"""Metadata that differ between any two API servers."""


@dataclass(frozen=True)
class ClusterUser:
    """A user of the real cluster."""

    api: KubernetesApi
    namespace: str

    async def create(self, body: JSON) -> JSON:
        if body["kind"] == "Pod":
            await self._account()
        with _facts():
            return await self.api.create(self._collection(body["kind"]), body, fieldManager=MANAGER)

    async def get(self, kind: str, name: str) -> JSON:
        with _facts():
            return await self.api.get(self._path(kind, name))

    async def patch(self, kind: str, name: str, patch: JSON) -> JSON:
        with _facts():
            return await self.api.merge(self._path(kind, name), patch, fieldManager=MANAGER)

    async def patch_status(self, kind: str, name: str, patch: JSON) -> JSON:
        with _facts():
            return await self.api.merge(f"{self._path(kind, name)}/status", patch, fieldManager=MANAGER)

    async def delete(self, kind: str, name: str) -> None:
        with _facts():
            await self.api.request("DELETE", self._path(kind, name), {"propagationPolicy": "Background"})

    @asynccontextmanager
    async def watch(self, kind: str, selector: str) -> AsyncIterator[Changes]:
        path, changes = self._collection(kind), Changes()
        page = await self.api.get(path, fieldSelector=selector)
        changes += [("ADDED", body) for body in page["items"]]
        task = asyncio.create_task(self._collect(path, page["metadata"]["resourceVersion"], selector, changes))
        try:
            yield changes
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def events(self) -> list[tuple[str, str]]:
        items = [item async for item in self.api.items(self._collection("Event"))]
        return [(item["reason"], item["note"]) for item in items]

    async def settle(self, deployment: str) -> None:
        async with asyncio.timeout(WITHIN):
            while not await self._settled(deployment):  # noqa: ASYNC110 - a server has no asyncio.Event
                await asyncio.sleep(POLL)

    async def _account(self) -> None:
        """Wait for the account that Pods of a new namespace need."""
        async with asyncio.timeout(WITHIN):
            while True:
                with suppress(ApiError):
                    await self.api.get(f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default")
                    return
                await asyncio.sleep(POLL)

    async def _settled(self, name: str) -> bool:
        body = await self.get("Deployment", name)
        status, wanted = body["status"], body["spec"]["replicas"]
        keys = "replicas", "updatedReplicas", "readyReplicas"
        pods = [pod async for pod in self.api.items(self._collection("Pod"))]
        observed = status.get("observedGeneration") == body["metadata"]["generation"]
        return observed and {len(pods), *(status.get(key, 0) for key in keys)} == {wanted}

    async def _collect(self, path: str, version: str, selector: str, changes: Changes) -> None:
        async for change in self.api.watch(path, version, fieldSelector=selector):
            changes.append(change)

    def _collection(self, kind: str) -> str:
        return COLLECTIONS[kind].format(self.namespace)

    def _path(self, kind: str, name: str) -> str:
        return f"{self._collection(kind)}/{name}"


@contextmanager
def _facts() -> Iterator[None]:
    """Raise refusals as the port does, and `KeyError` for what is not there."""
    try:
        yield
    except ApiError as error:
        match error.status:
            case HTTPStatus.NOT_FOUND:
                raise KeyError(error.message) from error
            case HTTPStatus.CONFLICT:
                raise Changed(error.message) from error
            case HTTPStatus.UNPROCESSABLE_ENTITY | HTTPStatus.BAD_REQUEST:
                raise Refused(error.message) from error
        raise


@pytest.fixture
async def world(kube: Kube) -> AsyncIterator[World]:
    """A namespace of the test's own."""
    settings = Configuration()
    await config.load_kube_config(client_configuration=settings, config_file=str(kube.kubeconfig))  # type: ignore[no-untyped-call]
    api, namespace = client_of_a_user(settings), f"contract-{uuid.uuid4().hex[:8]}"
    await api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    resources = ClusterResources(api, [namespace])
    yield World(resources, ClusterWorkloads(api), ClusterUser(api, namespace), namespace)
    await api.request("DELETE", f"/api/v1/namespaces/{namespace}")
    await api.close()


def examples() -> dict[str, JSON]:
    """Return the manifests of the examples, and full ones with fields removed, unknown or null, by name."""
    found = {
        f"{path.parent.name}/{path.stem} {number}": body
        for path in sorted(EXAMPLES.rglob("*.yaml"))
        for number, body in enumerate(yaml.safe_load_all(path.read_text()))
        if body.get("kind") in PLURALS  # a configuration of Kustomize has none
    }
    for kind in SCHEMAS:
        body = full_manifest(kind)
        found[f"full {kind}"] = body
        found[f"strange {kind}"] = {**body, "spec": _strange(body["spec"]), "mood": "good"}
    return found


def _strange(value: Any) -> Any:
    """Return a spec with an unknown field in each object; `shares` is a map, in which every field is known."""
    if isinstance(value, list):
        return [_strange(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {k: v if k == "shares" else _strange(v) for k, v in value.items()} | {"unknownField": {"a": [1, None]}}


@pytest.mark.parametrize("name", examples())
async def test_the_in_memory_cluster_admits_as_the_api_server_does(name: str, world: World) -> None:
    body = deepcopy(examples()[name])
    body["metadata"]["namespace"] = world.namespace
    real = await world.resources.create(body["kind"], body)
    assert _comparable(InMemoryCluster(time.time).create_object(body)) == _comparable(real)


def _comparable(body: JSON) -> JSON:
    meta = body["metadata"]
    drawn = {"name"} if "generateName" in meta else set()
    return {**body, "metadata": {key: value for key, value in meta.items() if key not in OWN | drawn}}


class TestObjects(ObjectsContract):
    """Objects."""


class TestUpdates(UpdatesContract):
    """Updates by users."""


class TestStatus(StatusContract):
    """The status subresource."""


class TestDeletion(DeletionContract):
    """Deletion and owners."""


class TestEvents(EventsContract):
    """Events of Kubernetes."""


class TestSelection(SelectionContract):
    """Lists."""


class TestWatch(WatchContract):
    """Watches."""


class TestFollow(FollowContract):
    """Following."""


class TestAdmission(AdmissionContract):
    """Admission."""


class TestDeployments(DeploymentsContract):
    """Deployments."""


class TestPods(PodsContract):
    """Pods of Deployments."""
