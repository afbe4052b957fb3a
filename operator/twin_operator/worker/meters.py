"""Figures of one worker, on the page that its parent process serves."""

from celery.worker import state
from prometheus_client import CollectorRegistry, Gauge

from twin_operator.worker.draining import Draining


def show_worker(registry: CollectorRegistry, draining: Draining) -> None:
    """Show whether the worker drains and how many tasks it has in hand."""
    drains = Gauge("twinops_worker_draining", "1 while the worker takes no further task.", registry=registry)
    drains.set_function(lambda: float(draining.active))
    running = Gauge("twinops_worker_running_tasks", "Tasks that the worker has in hand.", registry=registry)
    running.set_function(lambda: float(len(state.active_requests)))
