"""A task for tests of the worker."""

from __future__ import annotations

from typing import Any

from twin_operator.services.tasks import Target, Task, TaskKind

RUN = "4f6c8d5e-run"


def task(**changes: Any) -> Task:
    """Return a task of two attempts on the queue `simulations`."""
    values: dict[str, Any] = {"payload": {}, "attempt_limit": 2, **changes}
    return Task(RUN, TaskKind.SIMULATE, "simulations", Target("Simulation", "n", "s", RUN), **values)
