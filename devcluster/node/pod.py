"""The life of one Pod on the node: address, volumes, init containers, containers, end."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from devcluster.layout import MARK, Layout, Ports
from devcluster.node.addresses import Addresses
from devcluster.node.api import ApiServer, Json
from devcluster.node.container import Container, Surroundings
from devcluster.node.environment import ConfigurationError, Environment
from devcluster.node.objects import ApiObjects
from devcluster.node.orders import Orders
from devcluster.node.report import Reporter
from devcluster.node.restore import restored
from devcluster.node.status import Record, Snapshot, pod_status
from devcluster.node.volumes import Volumes

LOG_ANNOTATION = "devcluster.twinops.dev/log."  # + the container's name: the path of its log
SHUTDOWN_GRACE = 2.0  # seconds that processes get when the whole cluster goes down
_RETRY = 1.0  # seconds before something that failed is tried again
_REFRESH = 60.0  # seconds between reads of the objects behind volumes, as a kubelet does
_GRACE = 30.0  # seconds, the API's default


@dataclass(frozen=True)
class Host:
    """What the Pods of a node share."""

    api: ApiServer
    layout: Layout
    ports: Ports
    addresses: Addresses
    allocatable: dict[str, str]
    tell: Callable[[Json, str, str, str], None]  # emits an Event about a Pod: type, reason, message


class PodWorker:
    """One Pod that is bound to this node."""

    def __init__(self, pod: Json, host: Host) -> None:
        metadata, status, objects = pod["metadata"], pod.get("status", {}), ApiObjects(host.api)
        self.pod = pod
        self.uid: str = metadata["uid"]
        self._spec: Json = pod["spec"]
        self._host = host
        self._directory = host.layout.pods / self.uid
        self._logs = host.layout.logs / "pods" / f"{metadata['namespace']}_{metadata['name']}_{self.uid}"
        self._address = host.addresses.take(status.get("podIP", ""))
        self._started_at = status.get("startTime") or _now()
        self._prepared = False
        self._init = restored(pod, "initContainers", "initContainerStatuses")
        self._records = restored(pod, "containers", "containerStatuses")
        self._containers: list[Container] = []
        self._volumes = Volumes(pod, self._address, objects, self._directory / "volumes", host.allocatable)
        environment = Environment(pod, self._address, objects, host.allocatable)
        self._orders = Orders(
            pod, self._address, host.layout, host.ports.api, self._directory, environment, self._volumes
        )
        self._reporter = Reporter(host.api, pod)
        self._dirty = asyncio.Event()
        self._updated = asyncio.Event()
        self._stopping = asyncio.Event()
        self._gone = False  # the object is no more, or the whole node ends: nothing to report to
        self._kept = False  # the node ends, the Pod does not

    def update(self, pod: Json) -> None:
        """Take a newer version of the object."""
        self.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._stopping.set()
        if self._reporter.was_overwritten(pod):
            self._reporter.forget()
            self._changed()
        self._updated.set()

    def remove(self) -> None:
        """The object is gone: end everything at once."""
        self._gone = True
        self._stopping.set()
        self._updated.set()
        for container in self._containers:
            container.kill()

    def shut_down(self) -> None:
        """The node ends: end the processes, but leave the object and its volumes to the next run.

        A status with the end of the last container would make the Pod Failed, and no node runs it again.
        """
        self._reporter.close()
        self._gone = self._kept = True
        self._stopping.set()
        self._updated.set()

    async def run(self) -> None:
        """Run the Pod until it has ended for good, its object is gone, or the node ends."""
        life = asyncio.create_task(self._live())
        aside = [asyncio.create_task(self._report_changes()), asyncio.create_task(self._refresh_volumes())]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({life, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                await self._terminate(life)
            else:
                await life
        finally:
            for task in (*aside, stopping, life):
                task.cancel()
            await asyncio.gather(*aside, stopping, life, return_exceptions=True)
            await self._end()

    async def _live(self) -> None:
        self._changed()
        await self._prepare()
        policy = self._spec["restartPolicy"]
        for spec, record in zip(self._spec.get("initContainers") or [], self._init, strict=True):
            await self._run([self._container(spec, record, "Never" if policy == "Never" else "OnFailure")])
            if not record.succeeded:
                return
        pairs = zip(self._spec["containers"], self._records, strict=True)
        await self._run([self._container(spec, record, policy) for spec, record in pairs])

    async def _run(self, containers: list[Container]) -> None:
        if self._stopping.is_set():
            return
        self._containers = containers
        async with asyncio.TaskGroup() as group:
            for container in containers:
                group.create_task(container.run())

    async def _prepare(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._orders.prepare()
        while not self._prepared and not self._stopping.is_set():
            try:
                await self._volumes.prepare()
                self._prepared = True
            except ConfigurationError as error:
                self._host.tell(self.pod, "Warning", "FailedMount", str(error))
                self._hold(str(error))
                await asyncio.sleep(_RETRY)
        self._changed()

    def _hold(self, message: str) -> None:
        for record in [*self._init, *self._records]:
            if "waiting" in record.state:
                record.state = {"waiting": {"reason": "ContainerCreating", "message": message}}
        self._changed()

    def _container(self, spec: Json, record: Record, policy: str) -> Container:
        return Container(
            spec,
            record,
            Surroundings(
                address=self._address,
                grace=float(self._spec.get("terminationGracePeriodSeconds", _GRACE)),
                policy=policy,
                log=self._log(spec["name"]),
                environment={**os.environ, MARK: str(self._host.layout.directory)},
                order=self._orders.order,
                changed=self._changed,
                tell=lambda kind, reason, message: self._host.tell(self.pod, kind, reason, message),
            ),
        )

    def _log(self, container: str) -> Path:
        return self._logs / f"{container}.log"

    async def _terminate(self, life: asyncio.Task[None]) -> None:
        """SIGTERM, the grace period, SIGKILL."""
        begun = time.monotonic()
        for container in self._containers:
            container.terminate()
        while not life.done():
            left = begun + self._grace() - time.monotonic()
            if left <= 0:
                for container in self._containers:
                    container.kill()
            self._updated.clear()
            update = asyncio.create_task(self._updated.wait())
            await asyncio.wait(
                {life, update}, timeout=left if left > 0 else _RETRY, return_when=asyncio.FIRST_COMPLETED
            )
            update.cancel()

    def _grace(self) -> float:
        if self._gone:
            return SHUTDOWN_GRACE
        return float(self.pod["metadata"].get("deletionGracePeriodSeconds") or 0)

    async def _end(self) -> None:
        """Report the end, delete the object if that is wanted, and clean up."""
        if not self._gone:
            await self._report()
        if self._stopping.is_set() and not self._gone:
            await self._reporter.delete()
        self._host.addresses.give_back(self._address)
        if not self._kept:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _changed(self) -> None:
        self._dirty.set()

    async def _report_changes(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self._report()

    async def _report(self) -> None:
        snapshot = Snapshot(self.pod, self._address, self._started_at, self._prepared, self._init, self._records)
        names = [record.name for record in (*self._init, *self._records)]
        logs = {f"{LOG_ANNOTATION}{name}": str(self._log(name)) for name in names}
        await self._reporter.send(logs, pod_status(snapshot, _now()))

    async def _refresh_volumes(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH)
            if self._prepared:
                with suppress(ConfigurationError):
                    await self._volumes.prepare()


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
