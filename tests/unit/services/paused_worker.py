"""A worker's child process in memory: the real frame and the real work, which pause at named moments of a run.

While it is paused, the event loop goes on: a user stops the run, and the operator reacts. The process runs in a thread,
in turns with the event loop: one of them waits while the other one runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.fakes.data_source import InMemoryData
from tests.fakes.installation import Installation
from tests.fakes.queue import Delivery
from tests.fakes.registry import InMemoryRegistry
from twin_operator.domain.twin import Bank
from twin_operator.services.runs.credentials import without_credentials
from twin_operator.services.runs.run import JSON, TaskKind
from twin_operator.services.runs.tracing import NoTracer
from twin_operator.services.runs.twin_spec import Source
from twin_operator.services.work.train import RawTable
from twin_operator.worker.attempts import Attempts
from twin_operator.worker.leases import LeaseThread
from twin_operator.worker.main import work_of
from twin_operator.worker.tasks import Frame

WORKER = "worker-1"


class Moment(StrEnum):
    """A moment of a run, seen from its worker."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    WORKING = "while the work goes on"
    TRAINED = "between training and registration"
    REGISTERED = "after registration, before promotion or report"
    RECORDED = "after the report, before the operator has read it"


PAUSES = frozenset({Moment.CLAIMED, Moment.WORKING, Moment.TRAINED, Moment.REGISTERED})
"""The moments at which the process pauses; the others are before its first and after its last step."""


class Ended(BaseException):
    """The process is gone, as by `end_process`; no code of the worker catches it."""


@dataclass
class Turns:
    """Lets a function run in a thread, in turns with its caller, from pause to pause."""

    work: Callable[[], str]
    verdict: str | None = None
    error: BaseException | None = None
    at: Moment | None = None
    _mine: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _theirs: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _thread: threading.Thread | None = None

    def go_on(self) -> Moment | None:
        """Let the work run to its next pause, and return that; None at its end."""
        self.at = None
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        else:
            self._mine.release()
        self._theirs.acquire()
        return self.at

    def pause(self, at: Moment) -> None:
        """Wait, within the work, until the caller lets it go on."""
        self.at = at
        self._theirs.release()
        self._mine.acquire()

    def _run(self) -> None:
        try:
            self.verdict = self.work()
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            self.error = error
        self.at = None
        self._theirs.release()


@dataclass
class Leases(LeaseThread):
    """Renews a lease only when `renew_now` is called; there is no thread."""

    def hold(self, run: str, delivery_tag: str | None) -> None:
        self._held[run] = delivery_tag

    def renew_now(self) -> None:
        """Renew what is held, as the thread does; end the process where a run is to stop."""
        for run, tag in list(self._held.items()):
            self._renew(run, tag)


@dataclass
class Data:
    """Past experiments; the first thing that a training reads."""

    data: InMemoryData
    pause: Callable[[Moment], None]

    def read(self, source: Source) -> RawTable:
        self.pause(Moment.CLAIMED)
        return self.data.read(source)

    def stamp(self, source: Source) -> str | None:
        return self.data.stamp(source)


class Registry:
    """The registry as the process has it."""

    def __init__(self, registry: InMemoryRegistry, pause: Callable[[Moment], None]) -> None:
        self._registry, self._pause = registry, pause
        self.registers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def register(
        self, name: str, owner: str, bank: Bank, summary: JSON, tags: Mapping[str, str], *, promote: bool, confirm: Any
    ) -> str:
        self._pause(Moment.TRAINED)
        asked: list[Moment] = []

        def confirmed() -> None:
            if asked:
                self._pause(Moment.REGISTERED)
            asked.append(Moment.REGISTERED)
            confirm()

        version = self._registry.register(name, owner, bank, summary, tags, promote=promote, confirm=confirmed)
        if not promote:
            self._pause(Moment.REGISTERED)
        return version

    def bank(self, name: str, version: str, run_id: str | None) -> Bank:
        self._pause(Moment.CLAIMED)
        found = self._registry.bank(name, version, run_id)
        self._pause(Moment.WORKING)
        return found


@dataclass
class Notes(Attempts):
    """Pauses at the first progress of a training."""

    pause: Callable[[Moment], None] = lambda _moment: None
    paused: bool = False

    def note(self, phrase: str, share: float) -> None:  # noqa: ARG002 - as its base
        if not self.paused:
            self.paused = True
            self.pause(Moment.WORKING)


@dataclass
class PausedWorker:
    """Carries out tasks of an installation, and calls back at each pause.

    Attributes:
        site: the installation.
        data: what trainings read.
        begun: the kinds of tasks that were begun, in order.
    """

    site: Installation
    data: InMemoryData
    begun: list[TaskKind] = field(default_factory=list)

    async def carry_out(self, queue: str, at: Callable[[Moment], Any] | None = None) -> bool:
        """Carry out the next task of a queue; return whether there was one.

        Args:
            queue: its name.
            at: awaited at each pause. The lease is renewed when work goes on, as its thread does in time, but for
                the moment before registration: there nothing but the worker's own check stands between.
        """
        delivery = self.site.queue.take([queue], WORKER)
        if delivery is None:
            return False
        frame, leases, turns = self._process(delivery)
        turns.work = lambda: frame.carry_out(delivery.task, delivery.tag)
        while (moment := turns.go_on()) is not None:
            if moment is Moment.CLAIMED:
                self.begun.append(delivery.task.kind)
            if at is not None:
                await at(moment)
            if moment in {Moment.CLAIMED, Moment.WORKING}:
                try:
                    leases.renew_now()
                except Ended:
                    self.site.queue.die(delivery)
                    return True
        if turns.error is not None:
            raise turns.error
        self.site.queue.settle(delivery)
        return True

    def _process(self, delivery: Delivery) -> tuple[Frame, Leases, Turns]:
        turns = Turns(lambda: "")

        def end() -> None:
            raise Ended

        leases = Leases(delivery.claims, end, self.site.now)
        notes = Notes(NoTracer(), lambda _run: 0, without_credentials, pause=turns.pause)
        registry: Any = Registry(self.site.registry, turns.pause)
        data = Data(self.data, turns.pause)
        work = work_of(registry, lambda _namespace: data, notes, self.site.now, leases.confirm)
        return Frame(delivery.claims, leases, work, notes), leases, turns
