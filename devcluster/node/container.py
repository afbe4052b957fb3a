"""The life of one container: runs, probes, restarts, end."""

from __future__ import annotations

import asyncio
import datetime as dt
import shlex
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster.node import launch, probes
from devcluster.node.api import ApiError, Json
from devcluster.node.backoff import Backoff, runs_again
from devcluster.node.environment import ConfigurationError
from devcluster.node.status import Record
from devcluster.sandbox.container import NOT_STARTED, Order

_RETRY = 1.0  # seconds before what was missing is read again


@dataclass(frozen=True)
class Surroundings:
    """What a container is given by its Pod."""

    address: str
    grace: float  # seconds between SIGTERM and SIGKILL when a probe ends it
    policy: str  # the restart policy
    log: Path
    environment: dict[str, str]  # of our own processes around it
    order: Callable[[Json], Awaitable[Order]]  # resolves its specification; raises ConfigurationError
    changed: Callable[[], None]  # called whenever its record has changed
    tell: Callable[[str, str, str], None]  # emits an Event: type, reason, message


class Container:
    """One container of a Pod."""

    def __init__(self, spec: Json, record: Record, around: Surroundings) -> None:
        self.spec = spec
        self.record = record
        self._around = around
        self._backoff = Backoff()
        self._stopping = asyncio.Event()
        self._running: launch.Running | None = None
        self._order: Order | None = None

    async def run(self) -> None:
        """Run until it has ended for good."""
        while not self.record.done:
            begun = time.monotonic()
            if not await self._once():
                await self._pause(_RETRY)
                self.record.done = self._stopping.is_set()
                continue
            code = int(self.record.state["terminated"]["exitCode"])
            if self._stopping.is_set() or not runs_again(self._around.policy, code):
                self.record.done = True
            else:
                await self._back_off(self._backoff.pause(time.monotonic() - begun))
            self._around.changed()

    async def _once(self) -> bool:
        """Run once and record how it ended; False when it could not even be configured."""
        started = _now()
        try:
            self._order = await self._around.order(self.spec)
            _rotate(self._around.log)
            self._running = await launch.start(self._order, self._around.log, self._around.environment)
        except (ConfigurationError, ApiError) as error:
            self._wait("CreateContainerConfigError", str(error))
            return False
        except (launch.StartError, OSError) as error:
            self._around.tell("Warning", "Failed", f"Error: {error}")
            self._ended(NOT_STARTED, started, "StartError", str(error))
            return True
        self._started(started)
        async with self._probed(self._running):
            code = await self._running.exited()
        self._running = None
        self._ended(code, started, "Completed" if code == 0 else "Error", "")
        return True

    def _started(self, when: str) -> None:
        record, running = self.record, self._running
        record.enter({"running": {"startedAt": when}})
        record.container_id = f"process://{running.pid}" if running else ""
        record.started = "startupProbe" not in self.spec
        record.ready = record.started and "readinessProbe" not in self.spec
        self._around.tell("Normal", "Started", f"Started container {record.name}")
        self._around.changed()
        if self._stopping.is_set() and running:
            running.send(signal.SIGTERM)

    def _ended(self, code: int, started: str, reason: str, message: str) -> None:
        record = self.record
        ended = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": _now()}
        record.enter({"terminated": {**ended, "message": message or None, "containerID": record.container_id}})
        record.ready = record.started = False
        self._around.changed()

    def _wait(self, reason: str, message: str) -> None:
        self.record.enter({"waiting": {"reason": reason, "message": message}})
        self._around.changed()

    async def _back_off(self, seconds: float) -> None:
        record = self.record
        if seconds > 0:
            message = f"back-off {seconds:g}s restarting failed container={record.name}"
            self._wait("CrashLoopBackOff", message)
            self._around.tell("Warning", "BackOff", f"Back-off restarting failed container {record.name}")
            await self._pause(seconds)
        if self._stopping.is_set():
            record.state, record.done = record.last if "waiting" in record.state else record.state, True
        else:
            record.restarts += 1

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    @asynccontextmanager
    async def _probed(self, running: launch.Running) -> AsyncIterator[None]:
        task = asyncio.create_task(self._probe(running))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _probe(self, running: launch.Running) -> None:
        target = probes.Target(self._around.address, self._ports(), self._command(running))
        if "startupProbe" in self.spec:
            await self._startup(target)
        async with asyncio.TaskGroup() as group:
            if "readinessProbe" in self.spec:
                group.create_task(probes.watch(self.spec["readinessProbe"], target, self._tell_readiness))
            if "livenessProbe" in self.spec:
                group.create_task(probes.watch(self.spec["livenessProbe"], target, self._tell_liveness))

    async def _startup(self, target: probes.Target) -> None:
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def tell(good: bool, message: str) -> None:  # noqa: FBT001 - the verdict of a probe
            if good and not begun.done():
                begun.set_result(None)
            if not good:
                self._unhealthy("Startup", message)

        trying = asyncio.create_task(probes.watch(self.spec["startupProbe"], target, tell))
        try:
            await begun
        finally:
            trying.cancel()
        self.record.started = True
        self.record.ready = "readinessProbe" not in self.spec
        self._around.changed()

    def _tell_readiness(self, good: bool, message: str) -> None:  # noqa: FBT001 - the verdict of a probe
        if self.record.ready is not good:
            self.record.ready = good
            self._around.changed()
        if not good:
            self._around.tell("Warning", "Unhealthy", f"Readiness probe failed: {message}")

    def _tell_liveness(self, good: bool, message: str) -> None:  # noqa: FBT001 - the verdict of a probe
        if not good:
            self._unhealthy("Liveness", message)

    def _unhealthy(self, kind: str, message: str) -> None:
        name = self.record.name
        self._around.tell("Warning", "Unhealthy", f"{kind} probe failed: {message}")
        self._around.tell("Normal", "Killing", f"Container {name} failed {kind.lower()} probe, will be restarted")
        running = self._running
        if running is not None:
            running.send(signal.SIGTERM)
            asyncio.get_running_loop().call_later(self._around.grace, _kill_if_same, running)

    def _ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for port in self.spec.get("ports") or [] if "name" in port}

    def _command(self, running: launch.Running) -> probes.Command:
        async def run(argv: list[str], seconds: float) -> tuple[int, str]:
            if self._order is None:
                raise probes.ProbeError(f"{shlex.join(argv)}: nothing runs")
            async with asyncio.timeout(seconds):
                return await launch.run_inside(running.pid, self._order, argv, self._around.environment)

        return run

    def terminate(self) -> None:
        """Ask it to end, and let it not begin again."""
        self._stopping.set()
        if self._running is not None:
            self._running.send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._stopping.set()
        if self._running is not None:
            self._running.send(signal.SIGKILL)


def _rotate(log: Path) -> None:
    """Begin a new log and keep that of the run before, for `kubectl logs --previous`."""
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))


def _kill_if_same(running: launch.Running) -> None:
    if running.process.returncode is None:
        running.send(signal.SIGKILL)


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
