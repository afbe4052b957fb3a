"""A task that the operator publishes scales up a pool at zero at once, however seldom its queue is polled."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from tests.slow.scaling.conftest import Scaling
from twin_operator.handlers.operator import OperatorProcess
from twin_operator.services.runs.run import Target, Task, TaskKind
from twin_operator.settings import Settings
from twin_operator.wiring.operator_process import build_operator

SELDOM = 300  # seconds between polls


async def test_a_published_task_wakes_a_pool_between_its_looks(
    scaling: Scaling, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in scaling.operator.environment.items():
        if name.startswith("TWINOPS_"):
            monkeypatch.setenv(name, value)
    scaling.operator.stop()
    graph = await build_operator(Settings(), await scaling.configuration())
    process = OperatorProcess(Settings(), graph)
    running = asyncio.create_task(process.run())
    try:
        scaling.pool("asleep", autoscaling={"pollSeconds": SELDOM})
        await asyncio.to_thread(scaling.until_phase, "WorkerPool", "asleep", "Idle")
        run = uuid.uuid4().hex
        target = Target("Load", scaling.namespace, "none", run)
        task = Task(run, TaskKind.SIMULATE, "asleep", target, 3, {"run": run, "seconds": 0})
        await graph.loop.simulations.queue.publish([task])
        await asyncio.to_thread(scaling.kube.until, lambda: scaling.wanted("asleep") == 1, 20)
    finally:
        process.end()
        await running
        scaling.operator.start()
        scaling.remove("asleep")
