"""The in-memory cluster keeps the contract of the cluster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.contracts.cluster import DeletionContract, EventsContract, ObjectsContract, StatusContract, UpdatesContract
from tests.contracts.cluster_admission import AdmissionContract
from tests.contracts.cluster_deployments import DeploymentsContract, PodsContract
from tests.contracts.cluster_selection import FollowContract, SelectionContract, WatchContract
from tests.contracts.cluster_world import Changes, World
from tests.fakes.cluster import InMemoryCluster
from tests.fakes.workloads import InMemoryWorkloads
from twin_operator.services.runs.run import JSON

NAMESPACE = "growth"


@dataclass(frozen=True)
class InMemoryUser:
    """A user of the in-memory cluster."""

    cluster: InMemoryCluster
    workloads: InMemoryWorkloads

    async def create(self, body: JSON) -> JSON:
        return self.cluster.create_object(body)

    async def get(self, kind: str, name: str) -> JSON:
        return self.cluster.get(kind, NAMESPACE, name)

    async def patch(self, kind: str, name: str, patch: JSON) -> JSON:
        return self.cluster.patch(kind, NAMESPACE, name, patch)

    async def patch_status(self, kind: str, name: str, patch: JSON) -> JSON:
        return self.cluster.patch_status(kind, NAMESPACE, name, patch)

    async def delete(self, kind: str, name: str) -> None:
        self.cluster.remove(kind, NAMESPACE, name)

    @asynccontextmanager
    async def watch(self, kind: str, selector: str) -> AsyncIterator[Changes]:
        changes: Changes = []
        watch = self.cluster.watch(kind, lambda *change: changes.append(change), selector)
        yield changes
        watch.stop()

    async def events(self) -> list[tuple[str, str]]:
        return [(event.reason, event.message) for event in self.cluster.events]

    async def settle(self, deployment: str) -> None:
        assert self.cluster.get("Deployment", NAMESPACE, deployment)
        self.workloads.settle()


@pytest.fixture
def world() -> World:
    cluster = InMemoryCluster(lambda: 1_780_000_000.0)
    workloads = InMemoryWorkloads(cluster)
    return World(cluster, workloads, InMemoryUser(cluster, workloads), NAMESPACE)


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
