"""What the contract of the cluster is tested with: the ports, a user of the cluster, and manifests."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tests.contracts.manifests import full_manifest
from twin_operator.adapters.kubernetes_api.typed_resources import JSONResources
from twin_operator.api.v1alpha1 import API_VERSION
from twin_operator.services.pools.ports import Workloads
from twin_operator.services.runs.run import JSON

WITHIN: Final = 60.0
"""Seconds for a condition: most hold within two, but the machine may be busy."""
POLL: Final = 0.02
"""Seconds between two readings of a condition."""
SPECS: Final[dict[str, JSON]] = {
    "Simulation": {"modelRef": {"name": "spring"}, "intervention": {"arm": "Mens E-Mail"}},
    "RetrainingJob": {"modelRef": {"name": "spring"}},
    "WorkerPool": {"queues": ["simulations"]},
}
"""The least that a spec says."""
Changes = list[tuple[str, JSON]]
"""What a watch delivered: ADDED, MODIFIED or DELETED, and the object."""


class ClusterPort(JSONResources, Protocol):
    """The port `JSONResources`, and what the operator asks once when it starts."""

    async def cluster_uid(self) -> str:
        """Return what identifies this cluster."""
        ...


class ClusterUser(Protocol):
    """A user of the cluster, in one namespace; each method raises as `JSONResources` does, and `KeyError`."""

    async def create(self, body: JSON) -> JSON:
        """Create an object."""
        ...

    async def get(self, kind: str, name: str) -> JSON:
        """Return an object."""
        ...

    async def patch(self, kind: str, name: str, patch: JSON) -> JSON:
        """Merge a patch into an object."""
        ...

    async def patch_status(self, kind: str, name: str, patch: JSON) -> JSON:
        """Merge a patch into the status subresource of an object."""
        ...

    async def delete(self, kind: str, name: str) -> None:
        """Delete an object."""
        ...

    def watch(self, kind: str, selector: str) -> AbstractAsyncContextManager[Changes]:
        """Collect what a watch delivers, first what there is."""
        ...

    async def events(self) -> list[tuple[str, str]]:
        """Return reason and message of the Events of the namespace."""
        ...

    async def settle(self, deployment: str) -> None:
        """Wait until a Deployment has as many ready Pods as it wants, and no others."""
        ...


@dataclass(frozen=True)
class World:
    """One cluster, in one namespace that nothing else uses."""

    resources: ClusterPort
    workloads: Workloads
    user: ClusterUser
    namespace: str

    def manifest(self, kind: str, name: str, **spec: Any) -> JSON:
        """Return a manifest with the least that a spec says, and `spec` over it."""
        if kind == "TwinModel":
            return self.full(kind, name)
        meta = {"name": name, "namespace": self.namespace}
        return {"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "spec": {**deepcopy(SPECS[kind]), **spec}}

    def full(self, kind: str, name: str) -> JSON:
        """Return a manifest with every field of the spec."""
        return {**full_manifest(kind), "metadata": {"name": name, "namespace": self.namespace}}

    async def simulation(self, name: str, *, model: str = "spring", status: JSON | None = None, **spec: Any) -> JSON:
        """Create a Simulation of a TwinModel, and write its status."""
        body = await self.user.create(self.manifest("Simulation", name, modelRef={"name": model}, **spec))
        return await self.user.patch_status("Simulation", name, {"status": status}) if status else body


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(WITHIN):
        while not condition():  # noqa: ASYNC110 - conditions of a server have no asyncio.Event
            await asyncio.sleep(POLL)
