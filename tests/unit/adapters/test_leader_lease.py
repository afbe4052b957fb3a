"""The election of the leader on a server that is out of order in every way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest

from tests.unit.adapters.lease_server import Fault, LeaseServer
from twin_operator.adapters.leader_lease import Intervals, LeaderLease, LeaseLost

PATIENT: Final = Intervals(lease=120, renew=60, retry=0.02, request=0.2)  # an outage of a moment is nothing
SHORT: Final = Intervals(lease=0.8, renew=0.4, retry=0.02, request=0.1)
FROZEN: Final = 0.5  # seconds: longer than SHORT.renew
DEADLINE: Final = 120  # seconds for what takes less than one, and the machine may be busy


@pytest.fixture
async def server() -> AsyncIterator[LeaseServer]:
    async with LeaseServer().running() as running:
        yield running


async def forever() -> None:
    await asyncio.Event().wait()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(lease: LeaderLease) -> AsyncIterator[asyncio.Task[None]]:
    """Run an election to the end of the block."""
    election = asyncio.create_task(lease.lead(forever))
    try:
        yield election
    finally:
        election.cancel()
        await asyncio.gather(election, return_exceptions=True)


async def outage(server: LeaseServer, fault: Fault) -> None:
    """Let some attempts meet a fault."""
    server.fault, before = fault, server.requests
    await until(lambda: server.requests > before + 2)
    server.fault = None


async def test_the_first_creates_the_lease_and_renews_it(server: LeaseServer) -> None:
    async with running(server.candidate("first", PATIENT)):
        await until(lambda: server.renewals > 2)
    assert server.holder == "first"


async def test_a_lease_says_since_when_and_how_often_it_changed_hands(server: LeaseServer) -> None:
    server.give_to("")
    async with running(server.candidate("first", PATIENT)):
        await until(lambda: server.renewals > 2)
    assert server.lease is not None
    spec = server.lease["spec"]
    assert (spec["leaseTransitions"], spec["leaseDurationSeconds"]) == (1, PATIENT.lease)
    assert spec["acquireTime"] < spec["renewTime"]


@pytest.mark.parametrize("fault", Fault)
async def test_a_leader_goes_on_after_an_outage_that_is_shorter_than_its_patience(
    server: LeaseServer, fault: Fault
) -> None:
    async with running(server.candidate("first", PATIENT)) as election:
        await until(lambda: server.renewals > 0)
        await outage(server, fault)
        before = server.renewals
        await until(lambda: server.renewals > before + 1 or election.done())
        assert not election.done()


@pytest.mark.parametrize("fault", Fault)
async def test_a_leader_ends_when_it_could_not_renew_for_too_long(server: LeaseServer, fault: Fault) -> None:
    async with running(server.candidate("first", SHORT)) as election:
        await until(lambda: server.renewals > 0)
        server.fault = fault
        with pytest.raises(LeaseLost, match="could not be renewed"):
            await asyncio.wait_for(election, DEADLINE)


@pytest.mark.parametrize("fault", Fault)
async def test_a_standby_takes_over_after_an_outage(server: LeaseServer, fault: Fault) -> None:
    server.give_to("another")
    server.fault = fault
    async with running(server.candidate("standby", SHORT)):
        await outage(server, fault)
        await until(lambda: server.holder == "standby")


async def test_a_standby_waits_until_the_lease_of_another_expires(server: LeaseServer) -> None:
    server.give_to("another")
    begun = time.monotonic()
    async with running(server.candidate("standby", SHORT)):
        await until(lambda: server.holder == "standby")
    assert time.monotonic() - begun >= SHORT.lease


async def test_a_lease_that_is_renewed_stays_with_its_holder(server: LeaseServer) -> None:
    server.give_to("another")
    intervals = Intervals(lease=1.5, renew=1, retry=0.05, request=0.2)
    end = time.monotonic() + 1.5 * intervals.lease
    async with running(server.candidate("standby", intervals)):
        while time.monotonic() < end:
            server.give_to("another")
            await asyncio.sleep(0.05)
    assert server.holder == "another"


async def test_of_many_candidates_one_leads(server: LeaseServer) -> None:
    led: list[str] = []

    async def lead(identity: str) -> None:
        async def work() -> None:
            led.append(identity)
            await forever()

        await server.candidate(identity, PATIENT).lead(work)

    elections = [asyncio.create_task(lead(str(number))) for number in range(8)]
    before = server.requests
    await until(lambda: server.requests > before + 40)
    for election in elections:
        election.cancel()
    await asyncio.gather(*elections, return_exceptions=True)
    assert led == [server.holder]


async def test_a_leader_that_finds_another_holder_ends_at_once(server: LeaseServer) -> None:
    async with running(server.candidate("first", PATIENT)) as election:
        await until(lambda: server.renewals > 0)
        server.give_to("another")
        with pytest.raises(LeaseLost, match="Another process"):
            await asyncio.wait_for(election, PATIENT.renew / 2)
    assert server.holder == "another"


async def test_work_ends_with_the_lease(server: LeaseServer) -> None:
    ended: list[bool] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            ended.append(True)

    election = asyncio.create_task(server.candidate("first", PATIENT).lead(work))
    await until(lambda: server.renewals > 1)
    server.give_to("another")
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(election, DEADLINE)
    assert ended == [True]


async def test_an_error_of_the_work_ends_the_election(server: LeaseServer) -> None:
    async def work() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await asyncio.wait_for(server.candidate("first", PATIENT).lead(work), DEADLINE)


async def test_a_leader_that_could_not_renew_is_overdue(server: LeaseServer) -> None:
    lease = server.candidate("first", Intervals(lease=30, renew=0.2, retry=5, request=1))
    assert not lease.overdue  # a standby is not
    async with running(lease):
        await until(lambda: server.renewals > 0)
        await until(lambda: lease.overdue)


@pytest.mark.parametrize(("thief", "written"), [(None, True), ("another", False)])
async def test_a_leader_that_was_frozen_writes_only_if_the_lease_is_still_its_own(
    server: LeaseServer, thief: str | None, *, written: bool
) -> None:
    lease = server.candidate("first", SHORT)
    thawed, writes = asyncio.Event(), list[str]()

    async def work() -> None:
        await thawed.wait()
        await lease.wait_until_renewed()
        writes.append(str(server.holder))
        await forever()

    election = asyncio.create_task(lease.lead(work))
    await until(lambda: server.renewals > 0)
    time.sleep(FROZEN)  # noqa: ASYNC251 - the whole process stands still
    thawed.set()
    if thief:
        server.give_to(thief)
    await until(lambda: bool(writes) or election.done())
    election.cancel()
    await asyncio.gather(election, return_exceptions=True)
    assert writes == (["first"] if written else [])


async def test_a_lease_is_given_back(server: LeaseServer) -> None:
    lease = server.candidate("first", PATIENT)
    async with running(lease):
        await until(lambda: server.renewals > 0)
    await lease.release()
    assert server.holder is None


async def test_the_lease_of_another_is_not_given_back(server: LeaseServer) -> None:
    server.give_to("another")
    await server.candidate("first", PATIENT).release()
    assert server.holder == "another"


@pytest.mark.parametrize("fault", Fault)
async def test_a_server_that_is_out_of_order_does_not_keep_a_process_from_ending(
    server: LeaseServer, fault: Fault
) -> None:
    server.fault = fault
    await asyncio.wait_for(server.candidate("first", PATIENT).release(), DEADLINE)
