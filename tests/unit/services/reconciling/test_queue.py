"""The reconcile queue: marks coalesce, a key runs once at a time, failures back off, and one timer a key is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest

from twin_operator.services.reconciling.queue import (
    AT_ONCE,
    OF_ONE_NAMESPACE,
    DirtyKeys,
    ReconcileQueue,
    exponential_backoff,
)

pytestmark = pytest.mark.looptime
Reconcile = Callable[[str], Awaitable[float | None]]


@asynccontextmanager
async def running(reconcile: Reconcile) -> AsyncIterator[DirtyKeys[str]]:
    """Run a queue during the block, and return its keys."""
    keys = DirtyKeys[str]()
    queue = ReconcileQueue(keys, reconcile, lambda key: key.partition("-")[0], lambda key: key.rpartition("-")[2])
    task = asyncio.create_task(queue.run())
    try:
        yield keys
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Calls:
    """Remembers when each key was reconciled; each call takes some seconds and then returns, or raises."""

    def __init__(self, takes: float = 0.0, again: float | None = None, failures: int = 0) -> None:
        self.takes, self.again, self.failures = takes, again, failures
        self.began: list[tuple[str, float]] = []
        self.at_once, self.most_at_once = 0, 0

    async def __call__(self, key: str) -> float | None:
        self.began.append((key, asyncio.get_running_loop().time()))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.takes)
        self.at_once -= 1
        if self.failures:
            self.failures -= 1
            raise ValueError(key)
        return self.again

    def times(self, key: str = "pool") -> list[float]:
        return [moment for each, moment in self.began if each == key]


async def test_marks_before_a_turn_are_one_turn() -> None:
    calls = Calls()
    async with running(calls) as queue:
        for _ in range(3):
            queue.mark("pool")
        await asyncio.sleep(1)
    assert len(calls.began) == 1


async def test_a_key_that_is_marked_while_it_runs_runs_once_more_afterwards() -> None:
    calls = Calls(takes=2)
    async with running(calls) as queue:
        queue.mark("pool")
        await asyncio.sleep(1)
        for _ in range(3):
            queue.mark("pool")
        await asyncio.sleep(10)
    assert calls.times() == pytest.approx([0, 2], abs=1e-3)
    assert calls.most_at_once == 1


async def test_different_keys_run_side_by_side_up_to_a_limit() -> None:
    calls = Calls(takes=1)
    async with running(calls) as queue:
        for number in range(2 * AT_ONCE):
            queue.mark(f"pool-{number}")
        await asyncio.sleep(3)
    assert calls.most_at_once == AT_ONCE
    assert len(calls.began) == 2 * AT_ONCE


async def test_a_kind_that_waits_for_what_does_not_answer_keeps_no_other_waiting() -> None:
    calls = Calls(takes=1000)
    async with running(calls) as queue:
        for number in range(2 * AT_ONCE):
            queue.mark(f"model-{number}")
        await asyncio.sleep(1)
        queue.mark("pool-0")
        await asyncio.sleep(1)
    assert calls.began[-1][0] == "pool-0"


async def test_the_first_key_of_a_namespace_does_not_wait_for_those_of_another_one() -> None:
    calls = Calls(takes=1000)
    async with running(calls) as queue:
        for number in range(2 * AT_ONCE):
            queue.mark(f"pool-{number}-many")
        await asyncio.sleep(1)
        assert len(calls.began) == OF_ONE_NAMESPACE
        queue.mark("pool-0-other")
        await asyncio.sleep(1)
    assert calls.began[-1][0] == "pool-0-other"


async def test_three_namespaces_with_many_keys_leave_a_fourth_one_a_quarter_of_the_turns() -> None:
    calls = Calls(takes=1000)
    async with running(calls) as queue:
        for number in range(AT_ONCE):
            for namespace in ("first", "second", "third"):
                queue.mark(f"pool-{number}-{namespace}")
        await asyncio.sleep(1)
        for number in range(AT_ONCE):
            queue.mark(f"pool-{number}-fourth")
        await asyncio.sleep(1)
    assert sum(key.endswith("-fourth") for key, _ in calls.began) == AT_ONCE / 4


async def test_a_key_comes_back_after_the_seconds_that_its_reconciliation_returned() -> None:
    calls = Calls(again=5)
    async with running(calls) as queue:
        queue.mark("pool")
        await asyncio.sleep(12)
    assert calls.times() == pytest.approx([0, 5, 10], abs=1e-3)


async def test_a_key_that_need_not_come_back_does_not() -> None:
    calls = Calls(again=None)
    async with running(calls) as queue:
        queue.mark("pool")
        await asyncio.sleep(1000)
    assert len(calls.began) == 1


async def test_failures_are_repeated_after_waits_that_double_up_to_a_minute_with_jitter() -> None:
    calls = Calls(failures=12)
    async with running(calls) as queue:
        queue.mark("pool")
        await asyncio.sleep(1000)
    waits = [after - before for before, after in pairwise(calls.times())]
    assert len(waits) == 12
    for number, wait in enumerate(waits):
        longest = min(60.0, 0.5 * 2**number)
        assert longest / 2 - 1e-3 <= wait <= longest + 1e-3
    assert len({wait / min(60.0, 0.5 * 2**number) for number, wait in enumerate(waits)}) > 1


async def test_a_success_ends_the_backoff() -> None:
    calls = Calls(failures=6)
    async with running(calls) as queue:
        queue.mark("pool")
        await asyncio.sleep(100)
        assert calls.failures == 0
        calls.failures = 1
        queue.mark("pool")
        await asyncio.sleep(0.6)
    assert calls.times()[-1] - calls.times()[-2] <= 0.5


async def test_a_key_that_fails_keeps_no_other_from_its_turn() -> None:
    async def reconcile(key: str) -> float | None:
        if key == "broken":
            raise ValueError(key)
        return await calls(key)

    calls = Calls()
    async with running(reconcile) as queue:
        queue.mark("broken")
        queue.mark("pool")
        await asyncio.sleep(1)
    assert len(calls.times()) == 1


async def test_marks_between_two_turns_do_not_multiply_the_turns() -> None:
    calls = Calls(again=10)
    async with running(calls) as queue:
        for _ in range(10):
            queue.mark("pool")
            await asyncio.sleep(0.1)
        marked = len(calls.began)
        await asyncio.sleep(40)
    assert marked == 10
    assert len(calls.began) - marked == 4


async def test_of_two_moments_to_come_back_the_sooner_one_counts() -> None:
    calls = Calls(again=50)
    async with running(calls) as queue:
        queue.mark("pool")
        await asyncio.sleep(1)
        calls.again = 5
        queue.mark("pool")
        await asyncio.sleep(1)
        calls.again = None
        await asyncio.sleep(100)
    assert calls.times() == pytest.approx([0, 1, 6], abs=1e-3)


@pytest.mark.parametrize(("failures", "wait"), [(0, 2.0), (1, 2.0), (2, 4.0), (5, 32.0), (6, 60.0), (5_000, 60.0)])
def test_the_wait_doubles_with_each_failure_up_to_a_cap(failures: int, wait: float) -> None:
    assert exponential_backoff(failures, base=2.0, cap=60.0) == wait
