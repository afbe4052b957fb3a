"""A steady rate of turns."""

from __future__ import annotations

import asyncio

import pytest

from twin_operator.services.reconciling.queue import Pace

pytestmark = pytest.mark.looptime


async def moments(pace: Pace, turns: int) -> list[float]:
    """Ask for turns at once; return when each came, seconds of the loop."""
    loop = asyncio.get_running_loop()

    async def one() -> float:
        await pace.turn("default")
        return loop.time()

    return list(await asyncio.gather(*(one() for _ in range(turns))))


async def test_turns_come_in_order_at_the_rate() -> None:
    assert await moments(Pace(per_second=4), 5) == pytest.approx([0, 0.25, 0.5, 0.75, 1.0], abs=1e-3)


async def test_turns_that_were_not_taken_are_not_saved_up() -> None:
    pace = Pace(per_second=4)
    await moments(pace, 1)
    await asyncio.sleep(10)
    assert await moments(pace, 3) == pytest.approx([10, 10.25, 10.5], abs=1e-3)


async def test_a_turn_after_a_long_enough_wait_comes_at_once() -> None:
    pace = Pace(per_second=4)
    await moments(pace, 1)
    await asyncio.sleep(0.25)
    assert await moments(pace, 1) == pytest.approx([0.25], abs=1e-3)


async def test_namespaces_take_turns() -> None:
    pace, came = Pace(per_second=4), []

    async def one(namespace: str) -> None:
        await pace.turn(namespace)
        came.append(namespace)

    await asyncio.gather(*(one("many") for _ in range(5)), one("few"))
    assert came.index("few") == 2  # the first two have their turns before it asks
