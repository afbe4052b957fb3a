"""What a task waits for."""

from __future__ import annotations

from twin_operator.services.reconciling.status import queued_message


def test_a_task_waits_for_its_turn_or_for_a_pool_with_workers() -> None:
    assert queued_message("trials", served=True) == "Waits in queue trials for a worker."
    assert queued_message("trials", served=False) == "No WorkerPool has workers for queue trials; it waits for one."
