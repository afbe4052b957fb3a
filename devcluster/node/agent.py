"""The node: keeps its heartbeat, and has a worker for each Pod that is bound to it."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from devcluster.controlplane import Credentials, server_url
from devcluster.layout import Layout, Ports
from devcluster.node.addresses import Addresses
from devcluster.node.api import ApiServer, Changed, Json, Listed
from devcluster.node.events import Events
from devcluster.node.heartbeat import ALLOCATABLE, Heartbeat, node_object
from devcluster.node.logs import LogServer
from devcluster.node.pod import Host, PodWorker

_AFTER_BUG = 1.0  # seconds before work that a bug has ended is begun again


@dataclass(frozen=True)
class NodeSettings:
    """What the supervisor passes to the node agent."""

    layout: Layout
    ports: Ports
    name: str
    keys: Credentials


class Agent:
    """A node agent; it runs between entering and leaving the block."""

    def __init__(self, settings: NodeSettings, context: ssl.SSLContext) -> None:
        self._settings = settings
        self._api = ApiServer(server_url(settings.ports), context)
        self._addresses = Addresses()
        self._events = Events(self._api, settings.name)
        self._logs = LogServer(settings.layout.logs / "pods", self._is_alive)
        self._host = Host(self._api, settings.layout, settings.ports, self._addresses, ALLOCATABLE, self._events.tell)
        self._workers: dict[str, PodWorker] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ended: set[str] = set()  # uids of Pods that have ended here while their objects remain
        self._heartbeat = Heartbeat(self._api, node_object(settings.name, settings.ports.kubelet))
        self._synced = asyncio.Event()

    async def __aenter__(self) -> Self:
        works = (self._heartbeat.run, self._follow_pods, self._events.run)
        self._tasks = [asyncio.create_task(_forever(work)) for work in works]
        await self._logs.start(self._settings.ports.kubelet, self._settings.keys.authority, self._settings.keys.node)
        return self

    def _is_alive(self, namespace: str, name: str) -> bool:
        names = [worker.pod["metadata"] for worker in self._workers.values()]
        return any(each["namespace"] == namespace and each["name"] == name for each in names)

    async def ready(self) -> None:
        """Wait until the node is registered and knows its Pods."""
        await self._heartbeat.registered.wait()
        await self._synced.wait()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for worker in self._workers.values():
            worker.shut_down()
        await asyncio.gather(*self._tasks, *self._running.values(), return_exceptions=True)
        await self._logs.stop()
        await self._api.__aexit__(kind, error, trace)
        self._addresses.close()

    async def _follow_pods(self) -> None:
        async for news in self._api.follow("/api/v1/pods", fieldSelector=f"spec.nodeName={self._settings.name}"):
            if isinstance(news, Listed):
                self._take_all(news.items)
            else:
                self._take(news)

    def _take_all(self, pods: list[Json]) -> None:
        there = {pod["metadata"]["uid"] for pod in pods}
        self._ended &= there
        self._clean(there)
        for uid in self._workers.keys() - there:
            self._workers[uid].remove()
        for pod in pods:
            self._see(pod)
        self._synced.set()

    def _take(self, change: Changed) -> None:
        if change.kind != "DELETED":
            self._see(change.item)
            return
        uid = change.item["metadata"]["uid"]
        self._ended.discard(uid)
        worker = self._workers.get(uid)
        if worker is not None:
            worker.remove()

    def _see(self, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self._ended or (uid not in self._workers and _is_over(pod)):
            return
        if uid not in self._workers:
            self._workers[uid] = PodWorker(pod, self._host)
            self._running[uid] = asyncio.create_task(self._run(self._workers[uid]))
        self._workers[uid].update(pod)

    async def _run(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:  # noqa: BLE001 - a bug in one Pod's life must not end the others'
            traceback.print_exc()
        finally:
            # News of the time before its end may still come in, and must not bring it back to life.
            self._ended.add(worker.uid)
            del self._workers[worker.uid], self._running[worker.uid]

    def _clean(self, there: set[str]) -> None:
        """Remove the volumes of Pods that were deleted while the node was down."""
        for folder in self._settings.layout.pods.iterdir():
            if folder.name not in there:
                shutil.rmtree(folder, ignore_errors=True)


async def _forever(work: Callable[[], Awaitable[None]]) -> None:
    """Begin work again that a bug has ended: a node that stands still would be worse than one that says so."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - see above
            traceback.print_exc()
        await asyncio.sleep(_AFTER_BUG)


def _is_over(pod: Json) -> bool:
    """Whether nothing of a Pod is left to do: it has ended, and nothing waits for its deletion."""
    ended = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
    return ended and "deletionTimestamp" not in pod["metadata"]
