"""The life of one Pod on the node: address, volumes, init containers, containers, status, end."""

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

import aiohttp

from devcluster.layout import LOOPBACK, MARK, Layout, Ports
from devcluster.node import images
from devcluster.node.addresses import Addresses
from devcluster.node.api import CONFLICT, NOT_FOUND, STRATEGIC_PATCH, ApiError, ApiServer, Json
from devcluster.node.container import Container, Surroundings
from devcluster.node.environment import ConfigurationError, Environment, expand
from devcluster.node.objects import ApiObjects
from devcluster.node.restore import restored
from devcluster.node.status import Record, Snapshot, pod_status
from devcluster.node.volumes import Volumes
from devcluster.sandbox.container import Order
from devcluster.sandbox.rootfs import Mount

LOG_ANNOTATION = "devcluster.twinops.dev/log."  # + the container's name: the path of its log
_RETRY = 1.0  # seconds before something that failed is tried again
_REFRESH = 60.0  # seconds between looks at the objects behind volumes, as a kubelet does
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
        self.pod = pod
        self._host = host
        self._spec: Json = pod["spec"]
        self.uid: str = pod["metadata"]["uid"]
        self._directory = host.layout.pods / self.uid
        self._address = host.addresses.take(pod.get("status", {}).get("podIP", ""))
        self._started_at = pod.get("status", {}).get("startTime") or _now()
        self._prepared = False
        self._init = restored(pod, "initContainers", "initContainerStatuses")
        self._records = restored(pod, "containers", "containerStatuses")
        self._containers: list[Container] = []
        self._volumes = Volumes(pod, self._address, ApiObjects(host.api), self._directory / "volumes", host.allocatable)
        self._environment = Environment(pod, self._address, ApiObjects(host.api), host.allocatable)
        self._dirty = asyncio.Event()
        self._updated = asyncio.Event()
        self._stopping = asyncio.Event()
        self._gone = False  # the object is no more, or the whole node ends: nothing to report to

    @property
    def _path(self) -> str:
        metadata = self.pod["metadata"]
        return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"

    def update(self, pod: Json) -> None:
        """Take a newer version of the object."""
        self.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._stopping.set()
        self._updated.set()

    def remove(self) -> None:
        """The object is gone: end everything at once."""
        self._gone = True
        self.shut_down()
        for container in self._containers:
            container.kill()

    def shut_down(self) -> None:
        """The node ends: end the processes, but leave the object to the next run."""
        self._gone = True
        self._stopping.set()
        self._updated.set()

    async def run(self) -> None:
        """Run the Pod until its object is gone, or the node ends."""
        reporter = asyncio.create_task(self._report_changes())
        refresher = asyncio.create_task(self._refresh_volumes())
        life = asyncio.create_task(self._live())
        try:
            await self._stopping.wait()
            await self._terminate(life)
        finally:
            for task in (reporter, refresher, life):
                task.cancel()
            await asyncio.gather(reporter, refresher, life, return_exceptions=True)
            await self._forget()

    async def _live(self) -> None:
        self._changed()
        await self._prepare()
        for spec, record in zip(self._spec.get("initContainers") or [], self._init, strict=True):
            policy = "Never" if self._spec["restartPolicy"] == "Never" else "OnFailure"
            await self._run([self._container(spec, record, policy)])
            if not record.succeeded:
                return
        pairs = zip(self._spec["containers"], self._records, strict=True)
        await self._run([self._container(spec, record, self._spec["restartPolicy"]) for spec, record in pairs])

    async def _run(self, containers: list[Container]) -> None:
        if self._stopping.is_set():
            return
        self._containers = containers
        async with asyncio.TaskGroup() as group:
            for container in containers:
                group.create_task(container.run())

    async def _prepare(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        (self._directory / "root").mkdir(parents=True, exist_ok=True)
        hosts = f"127.0.0.1 localhost\n::1 localhost\n{self._address} {self._hostname}\n"
        (self._directory / "hosts").write_text(hosts)
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
                order=self._order,
                changed=self._changed,
                tell=lambda kind, reason, message: self._host.tell(self.pod, kind, reason, message),
            ),
        )

    @property
    def _hostname(self) -> str:
        return str(self._spec.get("hostname") or self.pod["metadata"]["name"])[:63]

    @property
    def _logs(self) -> Path:
        metadata = self.pod["metadata"]
        return self._host.layout.logs / "pods" / f"{metadata['namespace']}_{metadata['name']}_{self.uid}"

    def _log(self, container: str) -> Path:
        return self._logs / f"{container}.log"

    async def _order(self, spec: Json) -> Order:
        image = images.find(spec.get("image", ""))
        service = {"KUBERNETES_SERVICE_HOST": LOOPBACK, "KUBERNETES_SERVICE_PORT": str(self._host.ports.api)}
        own = {MARK: str(self._host.layout.directory), "HOSTNAME": self._hostname}
        environment = await self._environment.resolve(spec, image.environment | service | own)
        argv = [*(spec.get("command") or image.entrypoint), *(spec.get("args") or [])]
        if not argv:
            raise ConfigurationError(f"image {spec.get('image')} has no entrypoint here: the container needs a command")
        hosts = Mount(str(self._directory / "hosts"), "/etc/hosts")
        return Order(
            argv=[expand(word, environment) for word in argv],
            environment=environment,
            directory=spec.get("workingDir") or "/",
            hostname=self._hostname,
            root=str(self._directory / "root"),
            mounts=[hosts, *self._volumes.mounts(spec, environment)],
            exposed=list(image.exposed),
            agent=os.getpid(),
        )

    async def _terminate(self, life: asyncio.Task[None]) -> None:
        """SIGTERM, the grace period, SIGKILL; then report the end and delete the object."""
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
            await asyncio.wait({life, update}, timeout=max(left, 0.1), return_when=asyncio.FIRST_COMPLETED)
            update.cancel()
        if not self._gone:
            await self._delete()

    def _grace(self) -> float:
        if self._gone:
            return SHUTDOWN_GRACE
        return float(self.pod["metadata"].get("deletionGracePeriodSeconds") or 0)

    async def _delete(self) -> None:
        await self._report()
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        while not self._gone:
            try:
                await self._host.api.delete(self._path, body)
            except ApiError as error:
                if error.status in {NOT_FOUND, CONFLICT}:
                    return
            except (aiohttp.ClientError, TimeoutError):
                pass
            else:
                return
            await asyncio.sleep(_RETRY)

    async def _forget(self) -> None:
        self._host.addresses.give_back(self._address)
        if self.pod["metadata"].get("deletionTimestamp") or self._gone:
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
        names = [spec["name"] for spec in [*(self._spec.get("initContainers") or []), *self._spec["containers"]]]
        logs = {f"{LOG_ANNOTATION}{name}": str(self._log(name)) for name in names}
        body = {"metadata": {"uid": self.uid, "annotations": logs}, "status": pod_status(snapshot, _now())}
        try:
            await self._host.api.patch(f"{self._path}/status", body, STRATEGIC_PATCH)
        except ApiError as error:
            if error.status not in {NOT_FOUND, CONFLICT}:
                print(f"{self._path}: {error}", flush=True)
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(_RETRY)
            self._changed()

    async def _refresh_volumes(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH)
            if self._prepared:
                with suppress(ConfigurationError, aiohttp.ClientError, TimeoutError):
                    await self._volumes.prepare()


SHUTDOWN_GRACE = 3.0  # seconds that processes get when the whole cluster goes down


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
