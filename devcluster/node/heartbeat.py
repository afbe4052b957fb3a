"""A node in the API server: its registration, its Lease and its status."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import platform
from collections.abc import Awaitable, Callable

from devcluster.layout import LOOPBACK
from devcluster.node.api import CONFLICT, NOT_FOUND, STRATEGIC_PATCH, ApiError, ApiServer, Json

INTERVAL = 10.0  # seconds, a kubelet's; the controller manager waits for 40
_LEASE = 40  # seconds that a heartbeat is good for
_RETRY = 0.2  # seconds before the API server is asked again while it starts
# Processes are not limited, and requests are there for real nodes: the scheduler must not refuse them here.
ALLOCATABLE = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "1000"}
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Heartbeat:
    """Registers a node and keeps it ready.

    Args:
        api: the API server.
        node: the Node as it is registered.
    """

    def __init__(self, api: ApiServer, node: Json) -> None:
        self._api = api
        self._node = node
        self._name = node["metadata"]["name"]
        self.registered = asyncio.Event()

    async def run(self) -> None:
        """Register the node, then beat for ever."""
        await _until(self._register)
        self.registered.set()
        while True:
            await _until(self.beat)
            await asyncio.sleep(INTERVAL)

    async def beat(self) -> None:
        """Renew the Lease, and post the status again where the controller manager gave the node up meanwhile."""
        await self._renew()
        if not await self._is_ready():
            await self._register()

    async def _is_ready(self) -> bool:
        try:
            node = await self._api.get(f"/api/v1/nodes/{self._name}")
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return False
        return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])

    async def _register(self) -> None:
        node = {**self._node, "status": {**self._node["status"], "conditions": _conditions()}}
        try:
            await self._api.create("/api/v1/nodes", node)
        except ApiError as error:
            if error.status != CONFLICT:
                raise
            status = {"status": node["status"]}
            await self._api.patch(f"/api/v1/nodes/{self._name}/status", status, STRATEGIC_PATCH)

    async def _renew(self) -> None:
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": self._name, "leaseDurationSeconds": _LEASE, "renewTime": now}
        try:
            await self._api.patch(f"{_LEASES}/{self._name}", {"spec": spec})
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            await self._api.create(_LEASES, {"metadata": {"name": self._name}, "spec": spec})


async def _until(action: Callable[[], Awaitable[object]]) -> None:
    """Try until it works: the API server may be starting, or be away for a moment."""
    reported = ""
    while True:
        try:
            await action()
        except ApiError as error:
            if str(error) != reported:
                reported = str(error)
                print(f"node agent: {reported}", flush=True)
            await asyncio.sleep(_RETRY)
        else:
            return


def _conditions() -> list[Json]:
    """Return the conditions of a node that is ready now."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "devcluster is posting ready status",
    }
    pressures = ("MemoryPressure", "DiskPressure", "PIDPressure")
    fine = [{"type": each, "status": "False", "reason": "NotWatched"} for each in pressures]
    return [{**each, "lastHeartbeatTime": now, "lastTransitionTime": now} for each in (ready, *fine)]


def node_object(name: str, kubelet_port: int) -> Json:
    """Describe this machine as a Node."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": machine}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {
            "capacity": ALLOCATABLE,
            "allocatable": ALLOCATABLE,
            "conditions": [],  # as they are when it is posted
            "addresses": [{"type": "InternalIP", "address": LOOPBACK}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
            "nodeInfo": {
                "architecture": machine,
                "operatingSystem": "linux",
                "kernelVersion": platform.release(),
                "osImage": "the host, without containers",
                "containerRuntimeVersion": "process://1",
                "kubeletVersion": "v1.34.4",
                "kubeProxyVersion": "",
                "machineID": name,
                "systemUUID": name,
                "bootID": str(os.getpid()),
            },
        },
    }
