"""What takes a day or a month: cool-downs, schedules and lives after the end, by a clock that the test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.integration.journey import experiments
from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.api.v1alpha1 import RetrainingJob, Simulation, WorkerPool
from twin_operator.services.operator import OperatorLoop
from twin_operator.settings import Settings
from twin_operator.wiring.operator_process import build_operator

HOUR = 3600.0
MODELS = ("cooled", "scheduled", "ended", "asked")
"""A model for each test: jobs and schedules stay with their model."""
APPROVED = {"approval": {"approved": True, "by": "jane"}}


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).timestamp()

    def __call__(self) -> float:
        return self.now

    def wait(self, hours: float) -> None:
        self.now += hours * HOUR


@pytest.fixture(scope="module")
def still(platform: Platform) -> Iterator[Platform]:
    """The platform with models that serve, and without its operator: the tests are it."""
    lines = experiments.rows(experiments.waves(6), 0.15, seed=31)
    retraining = {"cooldown": "24h", "minSamples": 100}
    for model in MODELS:
        experiments.write(platform.data / f"{model}.csv", lines)
        spec = experiments.spec(f"file://{platform.data}/{model}.csv", retraining=retraining)
        platform.apply("TwinModel", model, spec)
    for model in MODELS:
        platform.until_phase("TwinModel", model, "Ready")
    platform.operator.stop()
    yield platform
    platform.operator.start()


@asynccontextmanager
async def loop_at(platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OperatorLoop]:
    """The operator's objects on the real API server, Redis and MLflow, with a clock of one's own and no loops."""
    for name, value in platform.operator.environment.items():
        if name.startswith("TWINOPS_"):
            monkeypatch.setenv(name, value)
    graph = await build_operator(Settings(), await platform.configuration(operator=True), clock)
    try:
        pool = WorkerPool.model_validate(platform.get("WorkerPool", "processes"))
        graph.loop.pool_seen(pool, deleted=False)  # no watch shows it: nothing is published to a queue without a pool
        await graph.loop.backfill.take_in()  # the archive is compared once before anything rests on outcomes
        yield graph.loop
    finally:
        await graph.close(leading=False)


async def settle(platform: Platform, loop: OperatorLoop, model: str, job: str, *phases: str) -> dict[str, Any]:
    """Reconcile model and job in turn until the job is in one of these phases."""
    for _ in range(400):
        body = platform.get("RetrainingJob", job)
        loop.upkeep.job_seen(RetrainingJob.model_validate(body), deleted=False)
        if body["status"]["phase"] in phases:
            return body
        await loop.models.reconcile((platform.namespace, model))
        await loop.jobs.reconcile((platform.namespace, job))
    raise AssertionError(f"{job} is {body['status']['phase']}, not {phases}")


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def test_a_cool_down_of_a_day_holds_the_next_job_for_a_day(
    still: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    async with loop_at(still, clock, monkeypatch) as loop:
        still.apply("RetrainingJob", "today", {"modelRef": {"name": "cooled"}, **APPROVED})
        done = await settle(still, loop, "cooled", "today", "Completed")
        still.apply("RetrainingJob", "tomorrow", {"modelRef": {"name": "cooled"}, **APPROVED})
        waiting = await settle(still, loop, "cooled", "tomorrow", "CoolingDown")
        end = moment(done["status"]["completionTime"]) + 24 * HOUR
        assert moment(waiting["status"]["notBefore"]) == end
        clock.now = end - 1
        await loop.models.reconcile((still.namespace, "cooled"))
        assert await loop.jobs.reconcile((still.namespace, "tomorrow")) == pytest.approx(1.0)
        assert still.get("RetrainingJob", "tomorrow")["status"]["phase"] == "CoolingDown"
        still.apply("RetrainingJob", "urgent", {"modelRef": {"name": "cooled"}, "overrideCooldown": True, **APPROVED})
        await settle(still, loop, "cooled", "urgent", "Completed")
        clock.wait(25)
        await settle(still, loop, "cooled", "tomorrow", "Completed")


async def test_a_schedule_makes_one_job_after_however_many_missed_times(
    still: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    lines = experiments.rows(experiments.waves(6), 0.15, seed=31)
    async with loop_at(still, clock, monkeypatch) as loop:
        still.patch("TwinModel", "scheduled", {"retraining": {"schedule": "0 3 * * *", "timeZone": "Europe/Berlin"}})
        upcoming = await next_scheduled(still, loop)
        assert 0 < moment(upcoming) - clock.now <= 25 * HOUR
        experiments.write(still.data / "scheduled.csv", [*lines, *experiments.rows(["fresh"], 0.15, seed=32)])
        clock.wait(0.1)
        await until_new_rows(still, loop)
        assert automatic(still) == []  # they wait for the schedule
        clock.wait(24 * 10)
        created = await first_job(still, loop)
        assert created["spec"]["trigger"]["type"] == "Scheduled"
        later = still.get("TwinModel", "scheduled")["status"]["retraining"]["nextScheduledTime"]
        assert 0 < moment(later) - clock.now <= 25 * HOUR
        assert len(automatic(still)) == 1


async def next_scheduled(platform: Platform, loop: OperatorLoop) -> str:
    """Reconcile the model until its status says when the schedule is due next."""
    for _ in range(100):
        await loop.models.reconcile((platform.namespace, "scheduled"))
        retraining = platform.get("TwinModel", "scheduled")["status"].get("retraining") or {}
        if "nextScheduledTime" in retraining:
            return str(retraining["nextScheduledTime"])
    raise AssertionError("no next time is shown")


async def until_new_rows(platform: Platform, loop: OperatorLoop) -> None:
    """Reconcile the model until a check of its data has found new rows."""
    for _ in range(400):
        await loop.models.reconcile((platform.namespace, "scheduled"))
        if (platform.get("TwinModel", "scheduled")["status"].get("data") or {}).get("newRows"):
            return
    raise AssertionError("no new rows were found")


async def first_job(platform: Platform, loop: OperatorLoop) -> dict[str, Any]:
    """Reconcile the model until it has made a job of its own."""
    for _ in range(200):
        await loop.models.reconcile((platform.namespace, "scheduled"))
        if automatic(platform):
            await loop.models.reconcile((platform.namespace, "scheduled"))
            return automatic(platform)[0]
    raise AssertionError("no job was made")


def automatic(platform: Platform) -> list[dict[str, Any]]:
    items = platform.kube.get("retrainingjobs", "-n", platform.namespace)["items"]
    return [
        i for i in items if i["spec"]["modelRef"]["name"] == "scheduled" and i["spec"]["trigger"]["type"] != "Manual"
    ]


async def test_a_job_that_ended_goes_when_its_time_is_over_and_stays_in_the_archive(
    still: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    async with loop_at(still, clock, monkeypatch) as loop:
        month = 30 * 24 * 3600
        spec = {"modelRef": {"name": "ended"}, "cancel": True, "ttlSecondsAfterFinished": month}
        still.apply("RetrainingJob", "mortal", spec)
        body = await settle(still, loop, "ended", "mortal", "Cancelled")
        left = await loop.jobs.reconcile((still.namespace, "mortal"))
        assert left == pytest.approx(month, abs=2)
        clock.wait(30 * 24 - 0.1)
        await loop.jobs.reconcile((still.namespace, "mortal"))
        assert still.get("RetrainingJob", "mortal")["metadata"]["uid"] == body["metadata"]["uid"]
        clock.wait(0.2)
        assert await loop.jobs.reconcile((still.namespace, "mortal")) is None
        listed = ("get", "retrainingjob", "mortal", "-n", still.namespace, "--ignore-not-found", "-o", "name")
        still.kube.until(lambda: still.kube.kubectl(*listed) == "")


async def test_a_simulation_that_ended_goes_when_its_time_is_over_and_is_archived(
    still: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    still.operator.start()
    still.apply("Simulation", "clocked-question", question("asked", ttlSecondsAfterFinished=7 * 24 * 3600))
    still.until_phase("Simulation", "clocked-question", "Succeeded")
    uid = still.get("Simulation", "clocked-question")["metadata"]["uid"]
    archive = SqlArchive(still.archive_url)
    still.kube.until(lambda: archive.known([uid]))
    archive.close()
    still.operator.stop()
    clock = Clock()
    async with loop_at(still, clock, monkeypatch) as loop:
        loop.expiry.fill([each async for each in loop.resources.finished(Simulation)])
        clock.wait(7 * 24 - 0.1)
        await loop.expiry.sweep()
        assert still.get("Simulation", "clocked-question")["metadata"]["uid"] == uid
        clock.wait(0.2)
        await loop.expiry.sweep()
    listed = ("get", "simulation", "clocked-question", "-n", still.namespace, "--ignore-not-found", "-o", "name")
    still.kube.until(lambda: still.kube.kubectl(*listed) == "")
