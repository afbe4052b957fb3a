"""An installation without a cluster: the whole operator on in-memory adapters, in virtual time.

For tests that are marked `@pytest.mark.looptime`. The user's side (`apply`, `patch`, `remove`, `status`), the worker's
(`work`) and the clock's (`until`, `advance`) are here; the processes of the operator are in `operator_process`.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Any, Final, Self

from looptime import LoopTimeEventLoop
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from tests.fakes.archive import InMemoryArchive
from tests.fakes.cluster import CLUSTER_UID, InMemoryCluster
from tests.fakes.crashes import Crash, CrashPlan
from tests.fakes.emitted import EMITTED
from tests.fakes.inline_executor import InlineExecutor
from tests.fakes.loads import InMemoryLoads
from tests.fakes.operator_process import OperatorProcess, is_crash, owned_task
from tests.fakes.outbox import InMemoryOutbox
from tests.fakes.queue import InMemoryQueue
from tests.fakes.registry import InMemoryRegistry, InMemoryVersions
from tests.fakes.workloads import InMemoryWorkloads
from twin_operator.domain.fidelity.ledger import TwinKey
from twin_operator.services.archive.ports import Archive
from twin_operator.services.runs.run import JSON, Outcome, Task
from twin_operator.services.work.simulate import answer_simulation
from twin_operator.settings import Settings
from twin_operator.wiring.operator_ports import OperatorPorts

START: Final = 1_800_000_000.0  # seconds since the epoch at the start of a test: 15 January 2027, 08:00 UTC
NAMESPACE: Final = "default"
STEP_SECONDS: Final = 0.05  # virtual, between two checks of a condition
PATIENCE_SECONDS: Final = 300.0  # virtual; longer than two periods of anything that the operator repeats
RESTART_SECONDS: Final = 0.1  # virtual, between the end of a process by a crash and the next leader
MANY_TASKS: Final = 100  # most that one call of `work` takes: a run that returns for ever must fail the test

EVERY_QUEUE: Final[JSON] = {
    "apiVersion": "twinops.dev/v1alpha1",
    "kind": "WorkerPool",
    "metadata": {"name": "workers", "namespace": NAMESPACE},
    "spec": {
        "queues": ["simulations", "training", "trials", "validation", "large", "urgent"],
        "autoscaling": {"minReplicas": 1, "maxReplicas": 1, "pollSeconds": 60},
    },
}

Answer = Callable[[Task], Outcome | None]


class GivenSettings(Settings):
    """Settings from arguments and defaults only: the environment of the tests has no part in them."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature of pydantic-settings
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments only."""
        return (init_settings,)


class Installation:
    """The operator, and the world that it is in.

    Use as `async with Installation() as site`: the leader runs from the start of the block to its end.

    Args:
        settings: fields of `Settings` that differ from their defaults.
        crashes: where the first process of the operator ends; the next leader starts by itself.
        watch_delay: virtual seconds from a change to its watch event.
        expected: errors of tasks that nothing awaits, which asyncio only logs, and which do not fail the test.
        archive: the one that the operator has; None for the attribute `archive`, in memory.
        pool: the WorkerPool that is there from the start; by default one for every queue, without which nothing is
            published.
    """

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        crashes: CrashPlan | None = None,
        watch_delay: float = 0.0,
        expected: tuple[type[BaseException], ...] = (),
        archive: Archive | None = None,
        pool: JSON | None = EVERY_QUEUE,
    ) -> None:
        self.settings = GivenSettings(**{"namespace": NAMESPACE, **(settings or {})})
        self.crashes = crashes or CrashPlan()
        self.watch_delay = watch_delay
        self._expected: tuple[type[BaseException], ...] = (Crash, *expected)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.cluster = InMemoryCluster(self.now, emitted=EMITTED)
        self.workloads = InMemoryWorkloads(self.cluster)
        self.queue = InMemoryQueue(self.now)
        self.loads = InMemoryLoads(self.queue)
        self.outbox = InMemoryOutbox(self.queue)
        self.registry = InMemoryRegistry(self.now)
        self.archive = InMemoryArchive()
        self._archive = archive
        if pool is not None:
            self.apply(pool)
        self.processes: list[OperatorProcess] = []
        self.unhandled: list[BaseException] = []
        self._workers: list[asyncio.Task[None]] = []
        self._keeper: asyncio.Task[None] | None = None

    def twin(self, name: str) -> TwinKey:
        """Return what identifies the twin of a TwinModel."""
        return TwinKey(CLUSTER_UID, NAMESPACE, name)

    def now(self) -> float:
        """Return the time of the installation, seconds since the epoch."""
        return START + self._loop.time() - self._began

    @property
    def operator(self) -> OperatorProcess:
        """The present process of the operator."""
        return self.processes[-1]

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, LoopTimeEventLoop) or not loop.looptime_on:
            raise RuntimeError("An installation in memory needs virtual time: mark the test with looptime.")
        loop.setup_looptime(noop_cycles=1)  # there is no I/O that virtual time would have to wait for
        loop.set_default_executor(InlineExecutor())
        loop.set_task_factory(owned_task)
        loop.set_exception_handler(self._report)
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self.stop()
        loop = asyncio.get_running_loop()
        loop.set_task_factory(None)
        loop.set_exception_handler(None)
        if error is None:
            self.check()

    def start(self) -> None:
        """Start a leader; it crashes where the plan says so, and the next one starts by itself."""
        plan = self.crashes if not self.processes else CrashPlan()
        process = OperatorProcess(self.settings, self._ports(), CLUSTER_UID, self.now, plan)
        self.processes.append(process)
        self.queue.on_publish = process.requests.published
        process.start(self.cluster, self.watch_delay)
        self._keeper = asyncio.create_task(self._start_after_crash(process))

    async def stop(self) -> None:
        """End the leader, as a SIGKILL does: what it had begun and not written is lost."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self.operator.kill()

    async def restart(self, pause: float = 0.0) -> None:
        """End the leader and start another one after `pause` virtual seconds, in the same world."""
        await self.stop()
        await asyncio.sleep(pause)
        self.start()

    async def _start_after_crash(self, process: OperatorProcess) -> None:
        await process.crashed.wait()
        await process.kill()
        await asyncio.sleep(RESTART_SECONDS)
        self.start()

    def check(self) -> None:
        """Raise what a process of the operator, or a task that nothing awaits, ended with, but for a planned crash."""
        for process in self.processes:
            process.check()
        for error in self.unhandled:
            raise error

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, self._expected):
            return
        loop.default_exception_handler(context)
        if error is not None and not is_crash(error):
            self.unhandled.append(error)

    def metric(self, name: str, **labels: str) -> float:
        """Return a sample of the present process; 0 where there is none yet."""
        return self.operator.metrics.get_sample_value(name, labels) or 0.0

    def _ports(self) -> OperatorPorts:
        wrap = self.crashes.wrap if not self.processes else CrashPlan().wrap
        return OperatorPorts(
            queue=wrap("queue", self.queue),
            resources=wrap("resources", self.cluster),
            versions=wrap("versions", InMemoryVersions(self.registry)),
            archive=wrap("archive", self._archive or self.archive),
            outbox=wrap("outbox", self.outbox),
            loads=wrap("loads", self.loads),
            workloads=wrap("workloads", self.workloads),
            keep_redis=wrap("ping", self.queue.ping),
            dead_letters=wrap("dead_letters", self.queue.count_dead_letters),
        )

    # The user's side.

    def apply(self, body: JSON) -> JSON:
        """Create an object, or change its spec; the namespace is `default` where none is given."""
        metadata = {"namespace": NAMESPACE, **body["metadata"]}
        return self.cluster.apply({**body, "metadata": metadata})

    def get(self, kind: str, name: str, namespace: str = NAMESPACE) -> JSON:
        """Return an object; raise KeyError where there is none."""
        return self.cluster.get(kind, namespace, name)

    def status(self, kind: str, name: str, namespace: str = NAMESPACE) -> JSON:
        """Return an object's status; empty where it has none yet."""
        status: JSON = self.get(kind, name, namespace).get("status") or {}
        return status

    def condition(self, kind: str, name: str, of_type: str = "Ready", namespace: str = NAMESPACE) -> JSON:
        """Return a condition; empty where the object does not have it."""
        conditions = self.status(kind, name, namespace).get("conditions") or ()
        return next((condition for condition in conditions if condition["type"] == of_type), {})

    def patch(self, kind: str, name: str, merge_patch: JSON, namespace: str = NAMESPACE) -> JSON:
        """Change an object by a merge patch, as `kubectl patch --type merge`."""
        return self.cluster.patch(kind, namespace, name, merge_patch)

    def remove(self, kind: str, name: str, namespace: str = NAMESPACE) -> None:
        """Delete an object."""
        self.cluster.remove(kind, namespace, name)

    # The workers' side.

    def answer(self, task: Task) -> Outcome:
        """Compute the real outcome of a Simulation's task, with the bank that the registry has."""
        return answer_simulation(task.payload, self.registry)

    def work(
        self,
        answer: Answer | None = None,
        queues: Collection[str] = ("simulations",),
        worker: str = "worker-1",
    ) -> list[Task]:
        """Play a Celery worker: do what waits in these queues now, and return the tasks that were claimed.

        Args:
            answer: gives the outcome of a task; None from it leaves the task claimed, as a worker that hangs does, and
                an exception fails the attempt, as one of the task does. Default: the real answer.
            queues: those that the worker consumes.
            worker: its name.
        """
        done: list[Task] = []
        for _ in range(MANY_TASKS):
            delivery = self.queue.take(list(queues), worker)
            if delivery is None:
                return done
            if self.queue.claim(delivery) == "claimed":
                done.append(delivery.task)
                self._carry_out(delivery, answer or self.answer)
        raise AssertionError(f"The queues {sorted(queues)} are not empty after {MANY_TASKS} tasks.")

    def employ(
        self,
        answer: Answer | None = None,
        queues: Collection[str] = ("simulations",),
        worker: str = "worker-1",
        every: float = STEP_SECONDS,
    ) -> None:
        """Have a worker `work` every so many virtual seconds while there are messages, until the end of the test."""

        async def working() -> None:
            while True:
                self.work(answer, queues, worker)
                await self.queue.until_messages()
                await asyncio.sleep(every)

        self._workers.append(asyncio.create_task(working()))

    def in_background(self, work: Callable[[], object], every: float) -> None:
        """Repeat something every so many virtual seconds, until the end of the test."""

        async def repeating() -> None:
            while True:
                work()
                await asyncio.sleep(every)

        self._workers.append(asyncio.create_task(repeating()))

    def _carry_out(self, delivery: Any, answer: Answer) -> None:
        try:
            outcome = answer(delivery.task)
        except Exception as error:  # noqa: BLE001 - whatever a task raises fails its attempt
            self.queue.fail(delivery, f"{type(error).__name__}: {error}")
            return
        if outcome is not None:
            self.queue.record(delivery, outcome)

    # The clock.

    async def advance(self, seconds: float) -> None:
        """Let virtual time pass; what the operator has to do in it is done."""
        await asyncio.sleep(seconds)
        self.check()

    async def until(self, holds: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Let virtual time pass until `holds` returns something true; fail after some seconds.

        It is asked ever less often, so that long waits take little real time: it is seen at most 1 % too late.
        """
        clock = asyncio.get_running_loop().time
        start = clock()
        while not holds():
            self.check()
            waited = clock() - start
            if waited >= seconds:
                raise AssertionError(f"Not true within {seconds:.0f} virtual seconds:\n{self.describe()}")
            await asyncio.sleep(max(STEP_SECONDS, waited / 100))

    async def until_phase(self, kind: str, name: str, phase: str, namespace: str = NAMESPACE) -> JSON:
        """Wait for a phase; return the status then."""
        await self.until(lambda: self.status(kind, name, namespace).get("phase") == phase)
        return self.status(kind, name, namespace)

    def describe(self) -> str:
        """Return the phases and Ready conditions of all custom resources, for the message of a failed test."""
        lines = []
        for kind in ("TwinModel", "RetrainingJob", "WorkerPool", "Simulation"):
            for body in self.cluster.objects(kind):
                status, meta = body.get("status") or {}, body["metadata"]
                ready: JSON = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
                words = status.get("phase"), ready.get("reason"), ready.get("message")
                lines.append(f"  {kind} {meta['namespace']}/{meta['name']}: {words}")
        return "\n".join(lines) or "  (no custom resources)"
