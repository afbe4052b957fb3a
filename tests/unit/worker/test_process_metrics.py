"""What a worker shows of itself on its metrics page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery.worker import state
from prometheus_client import CollectorRegistry

from twin_operator.worker.draining import Draining
from twin_operator.worker.process import show_worker


class Request:
    """A request in progress: Celery keeps them in a set of weak references."""

    id = "4f6c"


@pytest.fixture
def running() -> Iterator[Request]:
    request = Request()
    state.active_requests.add(request)
    yield request
    state.active_requests.discard(request)


def shown(draining: Draining, name: str) -> float | None:
    registry = CollectorRegistry()
    show_worker(registry, draining)
    return registry.get_sample_value(name)


@pytest.mark.parametrize(("active", "value"), [(False, 0.0), (True, 1.0)])
def test_draining_is_shown(value: float, *, active: bool) -> None:
    assert shown(Draining(lambda: active, active), "twinops_worker_draining") == value


def test_an_idle_worker_runs_no_task() -> None:
    assert shown(Draining(lambda: False), "twinops_worker_running_tasks") == 0.0


def test_tasks_in_progress_are_counted(running: Request) -> None:
    assert running.id == "4f6c"
    assert shown(Draining(lambda: False), "twinops_worker_running_tasks") == 1.0
