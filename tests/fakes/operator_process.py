"""One process of the operator in memory: its loop, its watches, and everything that it started."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry

from tests.fakes.crashes import Crash, CrashPlan
from twin_operator.adapters.kubernetes_api.typed_resources import parse
from twin_operator.adapters.kubernetes_api.workloads import deployment_view
from twin_operator.adapters.metrics import ProcessMetrics
from twin_operator.adapters.metrics.operator import OperatorMetrics
from twin_operator.api.v1alpha1 import RetrainingJob, Simulation, TwinModel, WorkerPool
from twin_operator.handlers.events import UNFINISHED
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.tracing import NoTracer
from twin_operator.settings import Settings
from twin_operator.wiring.operator import assemble, build_requests
from twin_operator.wiring.operator_ports import OperatorPorts

logger = logging.getLogger(__name__)
DELETED: Final = "DELETED"
_owner: ContextVar["OperatorProcess | None"] = ContextVar("process of the operator", default=None)
Handler = Callable[[str, JSON], Awaitable[None]]


class Watch(Protocol):
    """A watch of the in-memory cluster."""

    def stop(self) -> None:
        """Call the handler no more."""
        ...


class Watched(Protocol):
    """What watches are opened on."""

    def watch(self, kind: str, handler: Callable[[str, JSON], None], selector: str = "") -> Watch:
        """Call the handler with ADDED, MODIFIED and DELETED."""
        ...


class OperatorProcess:
    """A leader from its start to its end.

    Everything that it runs belongs to it by a context variable, as everything of a process ends with it.

    Args:
        settings: all of them.
        ports: the world, behind proxies that may end this process.
        cluster_uid: uid of the cluster.
        clock: seconds since the epoch.
        plan: says where it crashes.
    """

    def __init__(
        self,
        settings: Settings,
        ports: OperatorPorts,
        cluster_uid: str,
        clock: Callable[[], float],
        plan: CrashPlan,
    ) -> None:
        self.metrics = CollectorRegistry()
        metrics = OperatorMetrics.of(self.metrics, ProcessMetrics(self.metrics, "0"))
        self.requests = build_requests(settings, metrics)
        self.loop = assemble(settings, ports, self.requests, cluster_uid, metrics, NoTracer(), clock)
        self.plan = plan
        self.crashed = asyncio.Event()
        self.unhandled: list[BaseException] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watches: list[Watch] = []
        self._last: dict[str, asyncio.Task[None]] = {}
        self._main: asyncio.Task[None] | None = None
        self._delay = 0.0
        self._context: Context = copy_context()
        self._context.run(_owner.set, self)

    def start(self, cluster: Watched, delay: float) -> None:
        """Run the loop, and open watches as `handlers.events` registers them; they report after `delay` seconds."""
        self._delay = delay
        self._main = self._spawn(self.loop.run())
        for kind, handler, selector in self._handlers():
            self._watches.append(cluster.watch(kind, self._delivering(handler), selector))

    async def kill(self) -> None:
        """End every task; none of the process is left afterwards."""
        for watch in self._watches:
            watch.stop()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def check(self) -> None:
        """Raise what the loop or a handler of a watch ended with, but for the planned crash."""
        ended = self._main is not None and self._main.done() and not self._main.cancelled()
        error = self._main.exception() if self._main is not None and ended else None
        for each in (*([error] if error else ()), *self.unhandled):
            if not is_crash(each):
                raise each
        if ended and error is None:
            raise AssertionError("The loop of the operator returned.")

    def _handlers(self) -> list[tuple[str, Handler, str]]:
        async def simulation(type_: str, body: JSON) -> None:
            await self.loop.simulation_seen(parse(Simulation, body), deleted=type_ == DELETED)

        async def twin_model(type_: str, body: JSON) -> None:
            self.loop.model_seen(parse(TwinModel, body), deleted=type_ == DELETED)

        async def worker_pool(type_: str, body: JSON) -> None:
            self.loop.pool_seen(parse(WorkerPool, body), deleted=type_ == DELETED)

        async def retraining_job(type_: str, body: JSON) -> None:
            self.loop.job_seen(parse(RetrainingJob, body), deleted=type_ == DELETED)

        async def deployment(type_: str, body: JSON) -> None:
            if "twinops.dev/pool" in (body["metadata"].get("labels") or {}):
                self.loop.deployment_seen(deployment_view(body), deleted=type_ == DELETED)

        return [
            ("Simulation", simulation, UNFINISHED),
            ("TwinModel", twin_model, ""),
            ("WorkerPool", worker_pool, ""),
            ("RetrainingJob", retraining_job, ""),
            ("Deployment", deployment, ""),
        ]

    def _delivering(self, handler: Handler) -> Callable[[str, JSON], None]:
        def deliver(type_: str, body: JSON) -> None:
            uid = body["metadata"]["uid"]
            self._last[uid] = self._spawn(self._handle(self._last.get(uid), handler, type_, body))

        return deliver

    async def _handle(self, before: asyncio.Task[None] | None, handler: Handler, type_: str, body: JSON) -> None:
        """Handle one event after the one before it of the same object; kopf logs what a handler raises, and goes on."""
        if before is not None:
            await asyncio.wait([before])
        await asyncio.sleep(self._delay)
        try:
            await handler(type_, body)
        except Exception as error:
            logger.exception("The handler of an event failed.")
            self.unhandled.append(error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work, context=self._context.copy())

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Have a task end with this process."""
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if self.plan.dead:
            self.crashed.set()
            if not task.cancelled():
                task.exception()  # mark as seen: asyncio would log it otherwise


def is_crash(error: BaseException) -> bool:
    """Whether an error is nothing but the planned end of a process."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_crash(each) for each in error.exceptions)
    return isinstance(error, Crash)


def owned_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    """Make a task that belongs to the process of the operator that created it: the task factory of the event loop."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    context: Context = options.get("context") or copy_context()
    owner = context.get(_owner)
    if owner is not None:
        owner.adopt(task)
    return task
