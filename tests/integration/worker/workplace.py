"""Workers as processes on a real Redis, whose tasks sleep."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis

from devcluster.layout import free_ports
from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.services.runs.run import Target, Task, TaskKind

SLEEPING = Path(__file__).with_name("sleeping.py")
TRAINING = Path(__file__).with_name("training.py")
QUEUE = "sleep"
WITHIN = 300.0  # seconds for a condition: the visibility timeout is 15 by default, and the machine may be busy


def until(look: Callable[[], Any], within: float = WITHIN) -> Any:
    """Wait until `look` returns something true; return it."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {within:g} s"
        time.sleep(0.05)
    return found


@dataclass
class Worker:
    """A worker process."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def signal(self, number: int) -> None:
        """Send a signal to the parent process, as a kubelet does."""
        os.kill(self.process.pid, number)

    def signal_all(self, number: int) -> None:
        """Send a signal to the parent and its children, as a node's end does."""
        os.killpg(self.process.pid, number)

    def children(self) -> list[int]:
        """Return the pool's processes."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def metric(self, name: str) -> float:
        """Return a figure of the worker's page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as page:
            lines = page.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def ends(self, within: float) -> int:
        """Wait until it has ended by itself; return its exit code."""
        return self.process.wait(within)


@dataclass
class Workplace:
    """Redis, workers and the journal of what they did."""

    redis: Redis
    url: str
    folder: Path
    broker: Broker
    workers: list[Worker] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        """Where attempts are written down."""
        return self.folder / "journal"

    def worker(self, name: str, concurrency: int = 1, **settings: str) -> Worker:
        """Start a worker whose tasks sleep."""
        argv = [str(SLEEPING), QUEUE, str(concurrency), str(self.journal)]
        return self._start(name, argv, settings)

    def trainer(self, name: str, **settings: str) -> Worker:
        """Start a worker that does real work."""
        return self._start(name, [str(TRAINING), QUEUE], settings)

    def _start(self, name: str, argv: Sequence[str], settings: Mapping[str, str]) -> Worker:
        (port,) = free_ports(1)
        environment = {
            **os.environ,
            "TWINOPS_REDIS_URL": self.url,
            "TWINOPS_IDENTITY": name,
            "TWINOPS_METRICS_PORT": str(port),
            **{f"TWINOPS_{key.upper()}": value for key, value in settings.items()},
        }
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *argv], env=environment, stdout=output, stderr=output, start_new_session=True
            )
        self.workers.append(Worker(name, process, port, log))
        return self.workers[-1]

    def ready(self, worker: Worker) -> Worker:
        """Wait until a worker asks for tasks."""
        until(lambda: f"@{worker.name} ready" in worker.log.read_text())
        return worker

    def task(self, seconds: float, **changes: Any) -> Task:
        """Return a task that sleeps."""
        run = uuid.uuid4().hex
        target = Target("Simulation", "default", run[:6], run)
        values: dict[str, Any] = {"attempt_limit": 3, "payload": {"run": run, "seconds": seconds}, **changes}
        return Task(run, TaskKind.SIMULATE, QUEUE, target, **values)

    def lines(self, event: str, run: str) -> list[str]:
        """Return the workers that wrote an event of a run into the journal."""
        if not self.journal.exists():
            return []
        entries = [line.split() for line in self.journal.read_text().splitlines()]
        return [entry[2] for entry in entries if entry[:2] == [event, run]]

    def begun(self, task: Task) -> list[str]:
        """Return the workers that began a task."""
        return self.lines("begin", task.run)

    def record(self, task: Task) -> dict[str, str]:
        """Return the run's record."""
        fields: Any = self.redis.hgetall(f"twinops:run:{task.run}")
        return {key.decode(): value.decode() for key, value in fields.items()}

    def attempts(self, task: Task) -> int:
        """Return how many attempts are counted."""
        return int(self.record(task).get("attempts", "0"))

    def outcome(self, task: Task) -> str | None:
        """Return how the run ended."""
        text = self.record(task).get("outcome")
        return json.loads(text)["reason"] if text else None

    def queued(self) -> int:
        """Return how many messages wait in the queue."""
        return sum(int(self.redis.llen(key)) for key in self.redis.keys(f"twinops:{QUEUE}*"))

    def reported(self) -> Counter[str]:
        """Return the events on the results stream by run."""
        entries: Any = self.redis.xrange("twinops:results")
        return Counter(json.loads(fields[b"report"])["run"] for _entry, fields in entries)
