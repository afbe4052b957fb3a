"""The metrics of pools, and that none stays of a pool that is gone."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest

from twin_operator.adapters.metrics.pools import PoolMetrics
from twin_operator.domain.scaling import Limit
from twin_operator.services.pools.ports import PoolGauges, QueueGauges, ReplicaCounts

KEY = ("ops", "light")
QUEUE = QueueGauges("simulations", 7, 3.5, 1.25, 0.5)
GAUGES = PoolGauges(
    tier="Light",
    replicas=ReplicaCounts(desired=3, current=2, updated=2, ready=1),
    max_replicas=8,
    running=4,
    drain_seconds=2.5,
    scaling_active=True,
    limit=Limit.TOO_MANY_TASKS,
    queues=(QUEUE,),
)


def shown(registry: CollectorRegistry) -> set[str]:
    lines = generate_latest(registry).decode().splitlines()
    return {line for line in lines if not line.startswith("#") and "_created" not in line}


def test_every_gauge_of_a_pool_is_exported_under_its_name() -> None:
    registry = CollectorRegistry()
    metrics = PoolMetrics(registry)
    metrics.pool(KEY, GAUGES)
    metrics.scaled(KEY, "Light", "up")
    of_pool, of_queue = 'namespace="ops",pool="light"', 'namespace="ops",pool="light",queue="simulations",tier="Light"'
    assert shown(registry) == {
        f'twinops_pool_replicas{{{of_pool},tier="Light"}} 2.0',
        f'twinops_pool_ready_replicas{{{of_pool},tier="Light"}} 1.0',
        f'twinops_pool_desired_replicas{{{of_pool},tier="Light"}} 3.0',
        f'twinops_pool_max_replicas{{{of_pool},tier="Light"}} 8.0',
        f'twinops_pool_running_tasks{{{of_pool},tier="Light"}} 4.0',
        f'twinops_pool_drain_seconds{{{of_pool},tier="Light"}} 2.5',
        f'twinops_pool_scaling_active{{{of_pool},tier="Light"}} 1.0',
        f'twinops_pool_limited{{{of_pool},reason="TooManyTasks",tier="Light"}} 1.0',
        f'twinops_pool_limited{{{of_pool},reason="TooFewTasks",tier="Light"}} 0.0',
        f'twinops_pool_scalings_total{{direction="up",{of_pool},tier="Light"}} 1.0',
        f"twinops_queue_depth{{{of_queue}}} 7.0",
        f"twinops_queue_oldest_seconds{{{of_queue}}} 3.5",
        f"twinops_queue_arrivals_per_second{{{of_queue}}} 1.25",
        f"twinops_queue_seconds_per_task{{{of_queue}}} 0.5",
    }


def test_series_that_a_pool_no_longer_has_are_removed() -> None:
    registry = CollectorRegistry()
    metrics = PoolMetrics(registry)
    metrics.pool(KEY, GAUGES)
    metrics.pool(KEY, replace(GAUGES, tier="Heavy", scaling_active=None, queues=(replace(QUEUE, name="training"),)))
    text = "\n".join(shown(registry))
    assert "simulations" not in text
    assert 'tier="Light"' not in text
    assert "scaling_active" not in text
    metrics.forget_pool(KEY)
    metrics.forget_pool(KEY)
    assert shown(registry) == set()
