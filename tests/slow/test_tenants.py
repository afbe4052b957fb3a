"""Two tenants: one does all that an editor can do to others; the other is answered, and memory is given back.

Latencies are printed, and not judged here: the machine may be busy. Those under as many requests for ConfigMaps are
what any client of the API server costs everybody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, Self

import pytest
from redis import Redis

from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform
from tests.slow.hostile_editor import CUSTOM, HostileEditor, Report
from twin_operator.adapters.kubernetes_api.client import KubernetesApi, client_of_a_user

HOSTILE = "hostile"
KINDS = {"Simulation", "WorkerPool", "TwinModel", "RetrainingJob", "update"}
SECONDS = 20.0  # of each load
OPERATOR_LIMIT = 512 << 20  # bytes: operator.resources of the chart
REDIS_LIMIT = 384 << 20  # redis.bundled.maxMemory of the chart
SETTLED = 1.25  # of the memory before, once all is deleted


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Intervals of an installation."""
    return {"TWINOPS_DATA_WATCH_SECONDS": "3600", "TWINOPS_RESYNC_SECONDS": "60"}


@pytest.fixture(scope="module")
def hostile(trained: Platform) -> Iterator[HostileEditor]:
    trained.kube.kubectl("create", "namespace", HOSTILE)
    yield HostileEditor(trained, HOSTILE)
    trained.kube.kubectl("delete", "namespace", HOSTILE, "--wait=false")


async def ask(api: KubernetesApi, platform: Platform, name: str) -> tuple[float, dict[str, Any]]:
    """Ask a question; return how many seconds its answer took, and its status."""
    path = CUSTOM.format(platform.namespace, "simulations")
    body = platform.manifest("Simulation", name, question(seed=1))
    began = time.monotonic()
    await api.create(path, body)
    while True:
        found = await api.get(f"{path}/{name}")
        if found["status"]["phase"] in {"Succeeded", "Failed"}:
            return time.monotonic() - began, found["status"]
        assert time.monotonic() < began + 60
        await asyncio.sleep(0.02)


@dataclass
class Memory:
    """Memory of operator and Redis, bytes."""

    operator: int
    redis: int

    @classmethod
    def now(cls, platform: Platform) -> Self:
        """Read it."""
        return cls(resident(platform), used(platform))

    async def rise(self, platform: Platform) -> None:
        """Keep the highest values until cancelled."""
        while True:
            now = await asyncio.to_thread(self.now, platform)
            self.operator, self.redis = max(self.operator, now.operator), max(self.redis, now.redis)
            await asyncio.sleep(0.5)

    def __str__(self) -> str:
        return f"operator {self.operator >> 20} MiB, Redis {self.redis >> 20} MiB"


async def questions(platform: Platform, prefix: str) -> tuple[list[float], list[dict[str, Any]]]:
    """Ask one question after the other for some time; return latencies and statuses."""
    api = client_of_a_user(await platform.configuration())
    end, number, answers = time.monotonic() + SECONDS, 0, []
    try:
        while time.monotonic() < end:
            answers.append(await ask(api, platform, f"{prefix}-{number}"))
            number += 1
            await asyncio.sleep(0.1)
    finally:
        await api.close()
    return [latency for latency, _ in answers], [status for _, status in answers]


def resident(platform: Platform) -> int:
    """Return the resident memory of the operator, bytes."""
    assert platform.operator.process is not None
    lines = Path(f"/proc/{platform.operator.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))


def used(platform: Platform) -> int:
    with Redis.from_url(platform.redis_url) as redis:
        return int(redis.info("memory")["used_memory"])


def p95(latencies: list[float]) -> float:
    return quantiles(latencies, n=20)[-1]


def comparable(status: dict[str, Any]) -> dict[str, Any]:
    """Return what may not differ: all but times, worker, attempts and trace id."""
    left_out = {"queuedTime", "startTime", "completionTime", "worker", "attempts", "traceID", "conditions"}
    conditions = [{**each, "lastTransitionTime": None} for each in status["conditions"]]
    return {**{key: value for key, value in status.items() if key not in left_out}, "conditions": conditions}


async def under_load(
    platform: Platform, hostile: HostileEditor, prefix: str, rate: float | None, *, config_maps: bool
) -> tuple[list[float], list[dict[str, Any]], Memory]:
    """Ask questions under a load; return latencies, statuses, and the most memory."""
    hostile.report, most = Report(), Memory.now(platform)
    async with hostile.at_work(rate, config_maps=config_maps):
        measuring = asyncio.create_task(most.rise(platform))
        latencies, statuses = await questions(platform, prefix)
        measuring.cancel()
    return latencies, statuses, most


def test_one_tenant_does_not_stop_another(trained: Platform, hostile: HostileEditor) -> None:
    trained.apply("Simulation", "alone", question(seed=1))
    undisturbed = trained.until_phase("Simulation", "alone", "Succeeded")["status"]
    before = Memory.now(trained)
    attacked, statuses, most = asyncio.run(under_load(trained, hostile, "attacked", None, config_maps=False))
    report = hostile.report
    plain, _, _ = asyncio.run(under_load(trained, hostile, "plain", report.per_second, config_maps=True))
    show(report, attacked, plain, before, most)
    assert report.sent.keys() >= KINDS
    assert set(report.refused) <= {"update", "deletion"}
    assert {str(comparable(status)) for status in statuses} == {str(comparable(undisturbed))}
    assert most.operator < OPERATOR_LIMIT
    assert most.redis < REDIS_LIMIT
    asyncio.run(hostile.delete_all())
    trained.kube.until(lambda: used(trained) < SETTLED * before.redis)
    trained.kube.until(lambda: resident(trained) < SETTLED * before.operator + (64 << 20))


def show(report: Report, attacked: list[float], plain: list[float], before: Memory, most: Memory) -> None:
    """Print what was sent and what it did."""
    rows = [
        f"p95 under attack {p95(attacked):.2f} s ({len(attacked)} answers, slowest {max(attacked):.2f} s)",
        f"p95 under as many requests for ConfigMaps {p95(plain):.2f} s ({len(plain)} answers)",
        f"before: {before}; most: {most}",
    ]
    print("\n".join(["", str(report), *rows]))  # noqa: T201 - read in the output of pytest
