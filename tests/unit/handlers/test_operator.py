"""The operator's process: when it ends, with which exit code, and whether it is healthy."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from kubernetes.aio.client import Configuration

from tests.fakes.queue import InMemoryQueue
from tests.unit.adapters.lease_server import Fault
from tests.unit.handlers.operators import graph_on_fakes, loop_on_fakes, settings
from tests.unit.handlers.watched_server import KINDS, WatchedServer
from twin_operator.adapters.leader_lease import Intervals, LeaderLease
from twin_operator.handlers.operator import STALE_FACTOR, OperatorProcess, spare_collections

DEADLINE: Final = 120  # seconds for what takes less than three, and the machine may be busy
INTERVALS: Final = Intervals(lease=60, renew=40, retry=0.05, request=10)  # a busy machine loses no Lease
SHORT: Final = Intervals(lease=3, renew=1.5, retry=0.05, request=0.3)  # for what is to lose it


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.01)


def process_on(
    server: WatchedServer,
    folder: Path,
    queue: InMemoryQueue | None = None,
    pool_namespaces: tuple[str, ...] = (),
    intervals: Intervals = INTERVALS,
) -> OperatorProcess:
    """Return a process that elects and watches on a server."""
    chosen = settings(pool_namespaces=pool_namespaces)
    lease = LeaderLease(Configuration(host=server.url), "twin-operator", "home", chosen.identity, intervals)
    return OperatorProcess(chosen, graph_on_fakes(loop_on_fakes(chosen, queue), lease, folder))


@asynccontextmanager
async def running(process: OperatorProcess) -> AsyncIterator[asyncio.Task[int]]:
    """Run a process to the end of the block."""
    task = asyncio.create_task(process.run())
    try:
        yield task
    finally:
        process.end()
        await asyncio.wait_for(task, DEADLINE)


async def leads(server: WatchedServer, process: OperatorProcess) -> None:
    """Wait until a process leads and watches."""
    await until(lambda: process.leading and set(server.queries) == set(KINDS))


@pytest.fixture
def usual_collections() -> Iterator[None]:
    """Let Python collect as before once a test has changed that."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("usual_collections")
def test_collections_of_garbage_leave_out_what_was_imported() -> None:
    usual = gc.get_threshold()[0]
    spare_collections()
    assert len(gc.get_objects()) < gc.get_freeze_count() / 100
    assert gc.get_threshold()[0] > usual


async def test_a_process_that_is_stopped_gives_the_lease_back(server: WatchedServer, tmp_path: Path) -> None:
    process = process_on(server, tmp_path)
    async with running(process) as ending:
        await leads(server, process)
        process.end()
        assert await asyncio.wait_for(ending, DEADLINE) == 0
    assert server.holder is None


async def test_a_standby_that_is_stopped_leaves_the_lease_alone(server: WatchedServer, tmp_path: Path) -> None:
    server.give_to("another")
    process = process_on(server, tmp_path)
    async with running(process) as ending:
        await until(lambda: server.requests > 1)
        process.end()
        assert await asyncio.wait_for(ending, DEADLINE) == 0
    assert server.holder == "another"


async def test_a_process_watches_deployments_in_the_namespaces_of_pools_and_the_rest_everywhere(
    server: WatchedServer, tmp_path: Path
) -> None:
    process = process_on(server, tmp_path, pool_namespaces=("teams",))
    async with running(process):
        await until(lambda: server.namespaces["deployments"] == {process.settings.namespace, "teams"})
        await leads(server, process)
    others = {namespace for plural in KINDS if plural != "deployments" for namespace in server.namespaces[plural]}
    assert others == {""}


async def test_a_leader_that_loses_the_lease_ends(server: WatchedServer, tmp_path: Path) -> None:
    process = process_on(server, tmp_path)
    async with running(process) as ending:
        await leads(server, process)
        server.give_to("another")
        assert await asyncio.wait_for(ending, DEADLINE) == 1
    assert server.holder == "another"


async def test_a_leader_that_cannot_renew_the_lease_ends(server: WatchedServer, tmp_path: Path) -> None:
    process = process_on(server, tmp_path, intervals=SHORT)
    async with running(process) as ending:
        await leads(server, process)
        server.fault = Fault.HANGS_UP
        assert await asyncio.wait_for(ending, DEADLINE) == 1


async def test_an_election_that_a_bug_ends_ends_the_process(
    server: WatchedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twin_operator.adapters.leader_lease.ApiClient", None)
    async with running(process_on(server, tmp_path)) as ending:
        assert await asyncio.wait_for(ending, DEADLINE) == 1


async def test_an_error_of_the_controllers_ends_the_process_and_frees_the_lease(
    server: WatchedServer, tmp_path: Path
) -> None:
    queue = InMemoryQueue(time.time)
    queue.server.reachable = False  # the first thing that a leader reads
    async with running(process_on(server, tmp_path, queue)) as ending:
        assert await asyncio.wait_for(ending, DEADLINE) == 1
    assert server.holder is None


async def health(process: OperatorProcess) -> tuple[int, str]:
    """Return what a probe gets."""
    url = f"http://127.0.0.1:{process.settings.health_port}/healthz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_a_standby_is_healthy(server: WatchedServer, tmp_path: Path) -> None:
    server.give_to("another")
    process = process_on(server, tmp_path)
    async with running(process):
        await until(lambda: server.requests > 1)
        assert await health(process) == (200, "ok")


async def test_a_leader_is_healthy(server: WatchedServer, tmp_path: Path) -> None:
    process = process_on(server, tmp_path)
    async with running(process):
        await leads(server, process)
        assert await health(process) == (200, "ok")


async def test_a_leader_whose_last_renewal_is_too_old_is_not_healthy(server: WatchedServer, tmp_path: Path) -> None:
    process = process_on(server, tmp_path)
    process.graph.lease.intervals = Intervals(lease=60, renew=0.5, retry=20, request=1)
    async with running(process):
        await leads(server, process)
        await until(lambda: process.graph.lease.overdue)
        status, text = await health(process)
        assert (status, text.partition(" for")[0]) == (503, "The Lease was not renewed")


async def test_a_leader_without_a_resync_is_not_healthy(server: WatchedServer, tmp_path: Path) -> None:
    process = process_on(server, tmp_path)
    loop = process.graph.loop
    async with running(process):
        await leads(server, process)
        loop.last_resync -= STALE_FACTOR * (loop.resync_seconds + 1) + 1
        status, text = await health(process)
        assert (status, text.partition(" for")[0]) == (503, "No resync")
