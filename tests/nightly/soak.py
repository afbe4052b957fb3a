"""The soak: a pool from zero under a load that changes, while workers are killed and the broker is restarted.

Load comes in phases of some seconds: a burst, a steady stream, silence. Everything is real but the answer's length.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis

POOL = "soak"
PHASE = 15.0  # seconds of one kind of load: about as long as the window below, so that the pool has to follow
KILL_EVERY = 20.0  # seconds between two kills, on average
SETTLE = 240.0  # seconds for what is left to be done, and for the pool to go to zero
ATTEMPTS = 10  # retries a question may take: a kill costs one, and nothing may fail for that
AUTOSCALING = {
    "minReplicas": 0,
    "maxReplicas": 4,
    "targetDrainSeconds": 10,
    "scaleDownStabilizationSeconds": 15,
    "pollSeconds": 1,
}
Question = Callable[..., dict[str, Any]]


@dataclass
class Report:
    """What a soak has seen.

    Attributes:
        replicas: workers wanted, each time that changed.
        attempts: by question, the first and the last sign of life of each attempt, and whether it ended by itself.
    """

    asked: int = 0
    succeeded: int = 0
    recorded: int = 0
    kills: int = 0
    restarts: int = 0
    phases: int = 0
    replicas: list[int] = field(default_factory=list)
    attempts: dict[int, dict[str, list[Any]]] = field(default_factory=dict)
    pods_left: int = 0

    @property
    def overlaps(self) -> int:
        """How often two attempts of one question were at work at the same time."""
        spans = (sorted(attempts.values()) for attempts in self.attempts.values())
        return sum(later[0] < earlier[1] for each in spans for earlier, later in itertools.pairwise(each))

    @property
    def ended(self) -> int:
        """How many attempts came to their end."""
        return sum(attempt[2] for attempts in self.attempts.values() for attempt in attempts.values())

    @property
    def turns(self) -> int:
        """How often scaling changed its direction."""
        steps = [b > a for a, b in itertools.pairwise(self.replicas)]
        return sum(a != b for a, b in itertools.pairwise(steps))

    @property
    def turns_allowed(self) -> int:
        """One with each change of the load, and one with each kill, as a killed worker's task waits again."""
        return self.phases + self.kills + self.restarts

    def progress(self, seconds: float) -> str:
        """Return a line for people who wait."""
        workers = self.replicas[-1] if self.replicas else 0
        return f"{seconds:6.0f} s  {self.asked:4} asked, {workers} workers wanted, {self.kills:2} killed"

    def table(self) -> str:
        """Return the figures for people."""
        rows = {
            "questions asked": self.asked,
            "succeeded": self.succeeded,
            "recorded, once each": self.recorded,
            "attempts begun": sum(len(attempts) for attempts in self.attempts.values()),
            "attempts that ended by themselves": self.ended,
            "two at the same time": self.overlaps,
            "worker processes killed": self.kills,
            "broker killed and restarted": self.restarts,
            "changes of the load": self.phases,
            "changes of replicas": max(0, len(self.replicas) - 1),
            "turns of scaling (allowed)": f"{self.turns} ({self.turns_allowed})",
            "most replicas": max(self.replicas, default=0),
            "replicas in the end": self.replicas[-1] if self.replicas else 0,
            "Pods left": self.pods_left,
        }
        return "\n".join(f"{name:<36}{value:>12}" for name, value in rows.items())


@dataclass
class Soak:
    """One soak on a platform whose model answers.

    Args:
        platform: operator, Redis and cluster.
        folder: of the journal, in the platform's folder of data, which is what templates of pools may mount.
        question: makes the spec of a Simulation.
        restart_broker: kills the broker and starts it again.
        random: of load and kills.
        tell: shows a line of progress.
    """

    platform: Any
    folder: Path
    question: Question
    restart_broker: Callable[[], None]
    random: random.Random
    tell: Callable[[str], None]
    report: Report = field(default_factory=Report)

    def run(self, seconds: float) -> Report:
        """Load, kill and restart for some seconds; wait for what is left, and report."""
        self._prepare()
        self._note()
        with self._watching(), self._beside(self._kill_now_and_then):
            began = time.monotonic()
            restart = began + seconds / 2
            while (now := time.monotonic()) < began + seconds:
                self.tell(self.report.progress(now - began))
                if self.report.restarts == 0 and now > restart:
                    self.restart_broker()
                    self.report.restarts += 1
                self._phase(min(PHASE, began + seconds - now))
        self.tell(f"{self.report.progress(seconds)}; now the rest")
        with self._watching():
            self._settle()
        return self._finished()

    def _prepare(self) -> None:
        self.platform.apply("Simulation", "soak-first", self.question())
        uid = self.platform.until_phase("Simulation", "soak-first", "Succeeded")["metadata"]["uid"]
        with Redis.from_url(self.platform.redis_url) as redis:
            outcome = json.loads(redis.hget(f"twinops:run:{uid}", "outcome"))
        (self.folder / "answer.json").write_text(json.dumps(outcome["value"]))
        here = Path(__file__).parent
        worker = {
            "name": "worker",
            "command": [sys.executable, str(here / "soaking.py"), POOL, f"/data/{self.folder.name}"],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }
        volumes = [{"name": "data", "hostPath": {"path": str(self.folder.parent)}}]
        template = {"spec": {"containers": [worker], "volumes": volumes}}
        spec = {"queues": [POOL], "autoscaling": AUTOSCALING, "template": template}
        self.platform.apply("WorkerPool", POOL, spec)
        self.platform.until_phase("WorkerPool", POOL, "Idle")

    def _phase(self, seconds: float) -> None:
        """One kind of load: a burst, a stream of some questions a second, or silence."""
        self.report.phases += 1
        end = time.monotonic() + seconds
        kind = self.random.choice(["burst", "stream", "stream", "silence"]) if self.report.phases > 1 else "burst"
        if kind == "burst":
            self._ask(self.random.randint(5, 20))
        while (left := end - time.monotonic()) > 0:
            if kind == "stream":
                self._ask(self.random.randint(0, 2))
            time.sleep(min(1.0, left))

    def _ask(self, count: int) -> None:
        """Ask questions that were not asked before; each is identified by its seed."""
        first = self.report.asked + 1
        self.report.asked += count
        specs = {
            seed: self.question(seed=seed, queue=POOL, backoffLimit=ATTEMPTS) for seed in range(first, first + count)
        }
        if specs:
            kube = self.platform.kube
            kube.apply(*(self.platform.manifest("Simulation", f"soak-{seed}", spec) for seed, spec in specs.items()))

    @contextmanager
    def _watching(self) -> Iterator[None]:
        with self._beside(self._watch):
            yield

    @contextmanager
    def _beside(self, work: Callable[[threading.Event], None]) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=work, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(0.5):
            self._note()

    def _note(self) -> None:
        wanted = self._wanted()
        if not self.report.replicas or wanted != self.report.replicas[-1]:
            self.report.replicas.append(wanted)

    def _wanted(self) -> int:
        return int(self.platform.kube.get("deployment", POOL, "-n", self.platform.namespace)["spec"]["replicas"])

    def _pods(self) -> list[dict[str, Any]]:
        label = f"twinops.dev/pool={POOL}"
        pods: list[dict[str, Any]] = self.platform.kube.get("pods", "-n", self.platform.namespace, "-l", label)["items"]
        return pods

    def _kill_now_and_then(self, over: threading.Event) -> None:
        while not over.wait(self.random.uniform(0.5, 1.5) * KILL_EVERY):
            trees = [tree for pod in self._pods() if len(tree := _processes(pod)) > 1]
            if trees:
                self._kill(self.random.choice(trees))

    def _kill(self, tree: list[int]) -> None:
        """Kill a whole worker, as a lost node does, or one of its children, as the kernel does for want of memory."""
        self.report.kills += 1
        for process in tree if self.random.random() < 0.5 else tree[-1:]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _settle(self) -> None:
        self.platform.kube.until(lambda: self._succeeded() == self.report.asked, SETTLE)
        self.platform.kube.until(lambda: self._wanted() == 0 and not self._pods(), SETTLE)

    def _simulations(self) -> list[dict[str, Any]]:
        items = self.platform.kube.get("simulations", "-n", self.platform.namespace)["items"]
        return [item for item in items if item["spec"].get("queue") == POOL]

    def _succeeded(self) -> int:
        return sum(item["status"]["phase"] == "Succeeded" for item in self._simulations())

    def _finished(self) -> Report:
        self.report.succeeded = self._succeeded()
        self.report.pods_left = len(self._pods())
        self._note()
        with Redis.from_url(self.platform.redis_url) as redis:
            runs = [f"twinops:run:{item['metadata']['uid']}" for item in self._simulations()]
            self.report.recorded = sum(bool(redis.hexists(run, "outcome")) for run in runs)
        self.report.attempts = read_journal(self.folder / "journal")
        self.platform.kube.kubectl("delete", "workerpool", POOL, "-n", self.platform.namespace)
        return self.report


def read_journal(journal: Path) -> dict[int, dict[str, list[Any]]]:
    """Return by question and attempt: its first and last sign of life, and whether it ended by itself."""
    attempts: dict[int, dict[str, list[Any]]] = defaultdict(dict)
    begun: dict[tuple[int, str], int] = defaultdict(int)
    for line in journal.read_text().splitlines():
        event, seed, holder, moment = line.split()
        begun[int(seed), holder] += event == "begin"
        name = f"{holder}/{begun[int(seed), holder]}"
        attempt = attempts[int(seed)].setdefault(name, [float(moment), float(moment), False])
        attempt[1], attempt[2] = float(moment), event == "end"
    return dict(attempts)


def _processes(pod: dict[str, Any]) -> list[int]:
    """Return the Python processes of a worker's Pod that run, parents before children."""
    identity = f"TWINOPS_IDENTITY={pod['metadata']['name']}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and identity in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return sorted(found)
