"""What tracing costs where messages are written: without an endpoint, and with spans recorded for a collector.

    python -m benchmarks.tracing

Each way publishes the same tasks through the operator's broker into a Redis of its own; figures are medians over
interleaved rounds of this process' CPU time (with the thread that sends spans), as ratios to tasks without a trace.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from devcluster import services
from tests.otlp_collector import collector
from twin_operator.adapters.redis_queue.bad_records import BadRecords, KeyTypes
from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.adapters.redis_queue.message import Messages
from twin_operator.services.runs.run import Target, Task, TaskKind
from twin_operator.services.runs.tracing import NoTracer, Tracer, run_trace
from twin_operator.settings import Settings
from twin_operator.wiring.connections import build_queue
from twin_operator.wiring.tracing import build_tracer

TASKS: Final = 1000  # published at once in a round
ROUNDS: Final = 15
DAY: Final = 86_400  # seconds


def tasks(*, traced: bool) -> list[Task]:
    """Return tasks, as Simulations ask for them."""
    bare = [_task(f"{number:032x}") for number in range(TASKS)]
    return [replace(task, trace=run_trace(task.run, task.run, None)) for task in bare] if traced else bare


def _task(run: str) -> Task:
    spec = {"modelRef": {"name": "m"}, "intervention": {"arm": "B"}}
    return Task(run, TaskKind.SIMULATE, "simulations", Target("Simulation", "n", "s", run), 4, {"spec": spec})


def _ignore(_queues: Collection[str]) -> None:
    """Nothing waits for a publication."""


async def compare(redis: Redis) -> dict[str, list[float]]:
    """Return CPU seconds of publishing by way."""
    settings = Settings()
    tracer = build_tracer(settings, "twin-operator")
    silent, types = NoTracer(), KeyTypes(redis, BadRecords(lambda _kind: None))
    ways: dict[str, tuple[Broker, Tracer, bool]] = {
        "no trace": (Broker(redis, DAY, _ignore, Messages(), None, types), silent, False),
        "trace, no endpoint": (build_queue(redis, settings, silent, _ignore, types), silent, True),
        "trace, spans sent": (build_queue(redis, settings, tracer, _ignore, types), tracer, True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (broker, recorder, traced) in ways.items():
            start = time.process_time()
            await broker.publish(tasks(traced=traced))
            await asyncio.to_thread(recorder.flush)
            seconds[name].append(time.process_time() - start)
            await redis.flushall()
    return seconds


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, services.redis(Path(folder)) as server, collector() as kept:
        os.environ.update(OTEL_EXPORTER_OTLP_ENDPOINT=kept.endpoint, OTEL_BSP_MAX_QUEUE_SIZE="100000")
        seconds = asyncio.run(_with_redis(server.url))
    usual = statistics.median(seconds["no trace"])
    print(f"{'publishing':24} {'us CPU a task':>14} {'ratio':>6}")
    for name, rounds in seconds.items():
        median = statistics.median(rounds)
        print(f"{name:24} {1e6 * median / TASKS:14.1f} {median / usual:6.2f}")


async def _with_redis(url: str) -> dict[str, list[float]]:
    redis = Redis.from_url(url)
    try:
        return await compare(redis)
    finally:
        await redis.aclose()


if __name__ == "__main__":
    main()
