"""The exporter of events as a process, with a real Redis and real workers: what it counts, forgets and survives."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from devcluster import services
from devcluster.layout import free_ports
from tests.integration.brokers import load_scripts, unsigned_broker
from twin_operator.adapters.redis_queue.event_channel import SentEvents
from twin_operator.services.runs.run import Stop, Target, Task, TaskKind

COMMAND = str(Path(sys.executable).with_name("twin-operator"))
WORKER = str(Path(__file__).with_name("scripted_worker.py"))
WITHIN = 240.0  # seconds: a worker imports for ten on an idle machine, and this one may be busy

RECONNECTS = "twinops_events_reconnects_total"
Labels = dict[str, str]


def until(look: Callable[[], Any], what: str) -> None:
    """Wait until `look` returns something true."""
    deadline = time.monotonic() + WITHIN
    while not look():
        assert time.monotonic() < deadline, f"not within {WITHIN:g} s: {what}"
        time.sleep(0.1)


class Bench:
    """A Redis that can be restarted, one exporter, and workers."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.redis_directory = folder / "redis"
        self.port, self.metrics_port, health = free_ports(3)
        self.environment = {
            **os.environ,
            "TWINOPS_REDIS_URL": f"redis://127.0.0.1:{self.port}/1",
            "TWINOPS_METRICS_PORT": str(self.metrics_port),
            "TWINOPS_HEALTH_PORT": str(health),
            "TWINOPS_LOG_FORMAT": "text",
            "TWINOPS_TASK_EVENTS": "true",
            "TWINOPS_EVENTS_SILENT_SECONDS": "7",
            "TWINOPS_EVENTS_FORGET_SECONDS": "14",
            "OMP_NUM_THREADS": "1",
        }
        self.redis = ExitStack()
        self.first_reconnects: float | None = None  # counted when the exporter was first connected

    def start_redis(self) -> None:
        self.service = self.redis.enter_context(services.redis(self.redis_directory, self.port))
        load_scripts(self.service.url)

    def kill_redis(self) -> None:
        self.service.process.kill()
        self.service.process.wait()
        self.redis.close()

    def start(self, name: str, command: Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, env={**self.environment, **environment}, stdout=log, stderr=log, start_new_session=True
            )
        self.stack.callback(kill, process)
        return process

    def start_worker(self, name: str) -> subprocess.Popen[bytes]:
        port = str(free_ports(1)[0])
        command = [sys.executable, WORKER, "simulations,trials"]
        return self.start(name, command, TWINOPS_IDENTITY=name, TWINOPS_METRICS_PORT=port)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def samples(self) -> list[tuple[str, Labels, float]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        return [(s.name, s.labels, s.value) for family in text_string_to_metric_families(text) for s in family.samples]

    def value(self, metric: str, /, **labels: str) -> float | None:
        """Return the sum of the series with these labels; None where there is none."""
        found = [v for n, has, v in self.samples() if n == metric and labels.items() <= has.items()]
        return sum(found) if found else None

    def publish(self, *tasks: Task) -> None:
        async def publish() -> None:
            redis = AsyncRedis.from_url(self.environment["TWINOPS_REDIS_URL"])
            await unsigned_broker(redis, 600, SentEvents(1)).publish(tasks)
            await redis.aclose()

        asyncio.run(publish())

    def stop_run(self, run: str) -> None:
        async def stop() -> None:
            redis = AsyncRedis.from_url(self.environment["TWINOPS_REDIS_URL"])
            await unsigned_broker(redis, 600).stop(run, Stop.CANCELLED)
            await redis.aclose()

        asyncio.run(stop())


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its children, as a lost node does."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def task(what: str, limit: int = 2, **changes: Any) -> Task:
    """Return a task for the scripted worker, which does what its payload says."""
    run = uuid.uuid4().hex
    return Task(
        run, TaskKind.SIMULATE, "simulations", Target("Simulation", "n", "s", run), limit, {"do": what}, **changes
    )


@contextmanager
def running(folder: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        bench = Bench(folder, stack)
        stack.callback(bench.redis.close)
        bench.start("exporter", [COMMAND, "events"])
        until(lambda: "Redis is not there yet" in bench.log("exporter"), "the exporter says that Redis is not there")
        assert bench.value("twinops_events_connected") == 0
        bench.start_redis()
        until(lambda: bench.value("twinops_events_connected") == 1, "the exporter is connected")
        bench.first_reconnects = bench.value(RECONNECTS)
        yield bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """An exporter that was there before its Redis, and one worker."""
    with running(tmp_path_factory.mktemp("events")) as bench:
        bench.start_worker("pod-a")
        until(lambda: bench.value("celery_worker_up", hostname="pod-a", tier="Light") == 1, "the worker is up")
        yield bench


def test_the_first_connection_is_no_reconnect(bench: Bench) -> None:
    assert bench.first_reconnects == 0


def test_a_worker_tells_its_queues_and_its_processes(bench: Bench) -> None:
    for queue in ("simulations", "trials"):
        assert bench.value("celery_active_worker_count", queue_name=queue) == 1
        assert bench.value("celery_active_consumer_count", queue_name=queue) == 1
        assert bench.value("celery_active_process_count", queue_name=queue) == 2


@pytest.mark.parametrize(
    ("what", "limit", "state", "labels"),
    [
        ("succeed", 2, "succeeded", {}),
        ("refuse", 2, "failed", {"exception": "UnknownArm"}),
        ("break", 2, "retried", {}),
        ("break", 1, "failed", {"exception": "ValueError"}),
    ],
)
def test_an_event_tells_what_became_of_the_run(bench: Bench, what: str, limit: int, state: str, labels: Labels) -> None:
    common = {"name": "twinops.simulate", "queue_name": "simulations"}
    own = {**common, "hostname": "pod-a", "tier": "Light"}
    before = {n: bench.value(f"celery_task_{n}_total", **common) or 0 for n in ("sent", "received", "started")}
    published = bench.value("celery_task_sent_total", hostname="operator") or 0
    ended = bench.value(f"celery_task_{state}_total", **own, **labels) or 0
    bench.publish(task(what, limit))
    until(lambda: bench.value(f"celery_task_{state}_total", **own, **labels) == ended + 1, f"the task {state}")
    for name, value in before.items():
        assert bench.value(f"celery_task_{name}_total", **common) == value + 1
    assert bench.value("celery_task_sent_total", hostname="operator") == published + 1


def test_time_in_queue_and_run_time_are_told(bench: Bench) -> None:
    waits, runs = (bench.value(f"celery_task_{n}_count") or 0 for n in ("queue_wait_time", "runtime"))
    seconds = bench.value("celery_task_runtime_sum") or 0
    bench.publish(task("take 0.5 seconds"))
    until(lambda: bench.value("celery_task_runtime_count") == runs + 1, "the run time is shown")
    assert bench.value("celery_task_queue_wait_time_count") == waits + 1
    assert (bench.value("celery_task_runtime_sum") or 0) - seconds == pytest.approx(0.5, abs=0.3)


def test_a_second_delivery_is_rejected_and_a_stopped_run_revoked(bench: Bench) -> None:
    again, stopped = task("succeed"), task("succeed")
    rejected, revoked = (bench.value(f"celery_task_{n}_total") or 0 for n in ("rejected", "revoked"))
    succeeded = bench.value("celery_task_succeeded_total") or 0
    bench.publish(again)
    until(lambda: bench.value("celery_task_succeeded_total") == succeeded + 1, "the run is done")
    bench.stop_run(stopped.run)
    bench.publish(again, stopped, task("succeed", deadline=time.time() - 1))
    until(lambda: bench.value("celery_task_revoked_total") == revoked + 2, "the stopped and the late one are revoked")
    until(lambda: bench.value("celery_task_rejected_total") == rejected + 1, "the second delivery is rejected")
    assert bench.value("celery_task_succeeded_total") == succeeded + 1


def test_a_queue_is_as_long_as_all_its_priorities(bench: Bench) -> None:
    for priority in (0, 5, 9):
        bench.publish(Task("r", TaskKind.TRAIN, "training", Target("TwinModel", "n", "t", "u"), 1, {}, None, priority))
    until(lambda: bench.value("celery_queue_length", queue_name="training") == 3, "three messages are counted")


@pytest.mark.slow
def test_events_of_a_finishing_worker_are_told_and_then_nothing_of_it(bench: Bench) -> None:
    leaving = bench.start_worker("pod-b")
    until(lambda: bench.value("celery_worker_up", hostname="pod-b") == 1, "the second worker is up")
    bench.publish(*(task("take 2 seconds") for _ in range(4)))
    until(lambda: bench.value("celery_task_started_total", hostname="pod-b"), "the second worker began something")
    leaving.terminate()
    leaving.wait(30)
    until(lambda: bench.value("celery_worker_up", hostname="pod-b") is None, "its gauges are gone at once")
    started = bench.value("celery_task_started_total", hostname="pod-b")
    assert started
    assert bench.value("celery_task_succeeded_total", hostname="pod-b") == started
    until(lambda: not [has for _, has, _ in bench.samples() if has.get("hostname") == "pod-b"], "it is forgotten")


@pytest.mark.slow
def test_a_killed_worker_counts_as_down_and_is_forgotten_while_the_others_stay_as_they_are(bench: Bench) -> None:
    lost = bench.start_worker("pod-c")
    until(lambda: bench.value("celery_worker_up", hostname="pod-c") == 1, "the third worker is up")
    others = bench.value("celery_task_started_total", hostname="pod-a")
    kill(lost)
    until(lambda: bench.value("celery_worker_up", hostname="pod-c") == 0, "it counts as down")
    assert bench.value("celery_active_worker_count", queue_name="simulations") == 1
    until(lambda: not [has for _, has, _ in bench.samples() if has.get("hostname") == "pod-c"], "it is forgotten")
    assert bench.value("celery_task_started_total", hostname="pod-a") == others


def test_what_is_no_event_is_counted_and_passed_over(bench: Bench) -> None:
    with Redis.from_url(bench.environment["TWINOPS_REDIS_URL"]) as redis:
        redis.publish("twinops:/1.celeryev/task.sent", b"nonsense")
    until(lambda: bench.value("twinops_events_unreadable_total") == 1, "it is counted")


def test_a_restart_of_redis_is_survived_and_counted(bench: Bench) -> None:
    succeeded, reconnects = (bench.value(name) or 0 for name in ("celery_task_succeeded_total", RECONNECTS))
    bench.kill_redis()
    until(lambda: bench.value("twinops_events_connected") == 0, "the exporter says that it hears nothing")
    until(lambda: bench.value("celery_queue_length") is None, "no length is shown")
    bench.start_redis()
    until(lambda: bench.value("twinops_events_connected") == 1, "the exporter hears again")
    assert bench.value(RECONNECTS) == reconnects + 1
    until(lambda: bench.value("celery_worker_up", hostname="pod-a") == 1, "the worker is up again")
    bench.publish(task("succeed"))
    until(lambda: bench.value("celery_task_succeeded_total") == succeeded + 1, "work is counted again")


def test_a_worker_that_is_not_asked_tells_nothing(bench: Bench) -> None:
    other = bench.environment["TWINOPS_REDIS_URL"].removesuffix("/1") + "/2"
    with Redis.from_url(other) as redis, redis.pubsub() as listener:
        listener.psubscribe("twinops:/2.*")
        quiet = {"TWINOPS_TASK_EVENTS": "false", "TWINOPS_REDIS_URL": other, "TWINOPS_IDENTITY": "quiet"}
        port = str(free_ports(1)[0])
        bench.start("quiet", [sys.executable, WORKER, "simulations"], **quiet, TWINOPS_METRICS_PORT=port)
        work = task("succeed")

        async def publish() -> None:
            client = AsyncRedis.from_url(other)
            await unsigned_broker(client, 600).publish([work])
            await client.aclose()

        asyncio.run(publish())
        until(lambda: redis.hexists(f"twinops:run:{work.run}", "outcome"), "the task is done")
        messages = [listener.get_message() for _ in range(5)]
    assert [m for m in messages if m and m["type"] == "pmessage"] == []
