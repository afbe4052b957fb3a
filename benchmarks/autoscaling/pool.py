"""A queue and the workers that take tasks from it, one each: the same for every way of scaling."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.autoscaling.clock import Clock

POD_START_SECONDS = 5.0
"""From a replica more to a worker that takes tasks, with the image on the node: scheduling, container, imports."""


@dataclass(eq=False)
class Task:
    """One message; times in seconds since the start of the simulation."""

    arrival: float
    seconds: float
    started: float | None = None
    finished: float | None = None
    kills: int = 0

    @property
    def wait(self) -> float:
        """Seconds in the queue; of a task that was killed, until its last start."""
        return (self.started or 0.0) - self.arrival


@dataclass(eq=False)
class Worker:
    """One Pod."""

    born: float
    ready: bool = False
    leaving: bool = False
    gone: float | None = None
    task: Task | None = None

    @property
    def idle(self) -> bool:
        """Whether it may go without harm to a task."""
        return self.task is None and not self.leaving


@dataclass
class Pool:
    """The queue, the workers, and the record of what happened."""

    clock: Clock
    waiting: deque[Task] = field(default_factory=deque)
    workers: list[Worker] = field(default_factory=list)
    arrived: list[Task] = field(default_factory=list)
    finished: list[Task] = field(default_factory=list)
    departed: list[Worker] = field(default_factory=list)
    replicas: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])

    @property
    def busy(self) -> list[Worker]:
        """Workers with a task."""
        return [worker for worker in self.workers if worker.task]

    @property
    def staying(self) -> list[Worker]:
        """Workers that are not leaving: the replicas."""
        return [worker for worker in self.workers if not worker.leaving]

    def submit(self, task: Task) -> None:
        """Let a task come."""
        self.arrived.append(task)
        self.waiting.append(task)
        self._hand_out()

    def grow(self, count: int) -> None:
        """Start workers."""
        for _ in range(count):
            worker = Worker(self.clock.now)
            self.workers.append(worker)
            self.clock.after(POD_START_SECONDS, self._becoming_ready(worker))
        self._record()

    def dismiss(self, leaving: list[Worker], grace_seconds: float) -> None:
        """End workers: idle ones at once, busy ones with their task or when their grace is over."""
        for worker in leaving:
            worker.leaving = True
            if worker.task is None:
                self._bury(worker)
            else:
                self.clock.after(grace_seconds, self._killing(worker))
        self._record()

    def _record(self) -> None:
        if (replicas := len(self.staying)) != self.replicas[-1][1]:
            self.replicas.append((self.clock.now, replicas))

    def _becoming_ready(self, worker: Worker) -> Callable[[], None]:
        def become_ready() -> None:
            worker.ready = True
            self._hand_out()

        return become_ready

    def _hand_out(self) -> None:
        for worker in self.workers:
            if not self.waiting:
                return
            if worker.ready and worker.idle:
                self._start(worker, self.waiting.popleft())

    def _start(self, worker: Worker, task: Task) -> None:
        worker.task, task.started = task, self.clock.now
        self.clock.after(task.seconds, self._finishing(worker, task))

    def _finishing(self, worker: Worker, task: Task) -> Callable[[], None]:
        def finish() -> None:
            if worker.gone is not None:
                return
            worker.task, task.finished = None, self.clock.now
            self.finished.append(task)
            if worker.leaving:
                self._bury(worker)
            self._hand_out()

        return finish

    def _killing(self, worker: Worker) -> Callable[[], None]:
        def kill() -> None:
            if worker.gone is not None or worker.task is None:
                return
            worker.task.kills += 1
            self.waiting.appendleft(worker.task)
            self._bury(worker)
            self._hand_out()

        return kill

    def _bury(self, worker: Worker) -> None:
        worker.gone, worker.task = self.clock.now, None
        self.workers.remove(worker)
        self.departed.append(worker)
