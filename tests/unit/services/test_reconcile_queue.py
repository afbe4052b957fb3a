"""The reconcile queue keeps one timer a key: looks that were not due add none."""

from __future__ import annotations

import asyncio

from twin_operator.services.reconcile import ReconcileQueue

STEP = 0.05  # seconds between two looks


async def test_marks_between_two_looks_do_not_multiply_the_looks() -> None:
    looks: list[float] = []
    loop = asyncio.get_running_loop()

    async def look(_key: str) -> float | None:
        looks.append(loop.time())
        return STEP

    queue = ReconcileQueue(look)
    running = asyncio.create_task(queue.run())
    for _ in range(10):
        queue.mark("pool")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    marked = len(looks)
    await asyncio.sleep(4 * STEP)
    running.cancel()
    assert len(looks) - marked <= 5
