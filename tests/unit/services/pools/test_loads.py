"""From readings to loads: rates are smoothed, what is unknown is assumed, what was delivered to nobody still waits."""

from __future__ import annotations

import math

import pytest

from twin_operator.api.v1alpha1.worker_pool import Autoscaling, WorkerPoolSpec
from twin_operator.services.pools.loads import Arrivals, load_of, policy, smoothed
from twin_operator.services.pools.ports import QueueReading


def test_a_steady_stream_is_smoothed_to_its_rate_whatever_the_interval_of_readings() -> None:
    for step in (0.1, 2, 30):
        arrivals = None
        for reading in range(int(300 / step)):
            arrivals = smoothed(arrivals, int(5 * reading * step), reading * step)
        assert arrivals is not None
        assert arrivals.per_second == pytest.approx(5, rel=0.02)


def test_the_first_reading_of_a_counter_says_nothing_of_a_rate() -> None:
    assert smoothed(None, 1_000_000, 0) == Arrivals(1_000_000, 0)


def test_a_counter_that_went_back_began_at_zero() -> None:
    after = smoothed(Arrivals(1000, 0, 0.0), 30, 30)
    assert after.arrived == 30
    assert after.per_second == pytest.approx((1 - math.exp(-1)) * 1.0)


def test_a_clock_that_stands_changes_nothing() -> None:
    before = Arrivals(10, 5, 1.0)
    assert smoothed(before, 20, 5) is before


@pytest.mark.parametrize(("queue", "pace", "seconds"), [("a", None, 1), ("training", None, 60), ("training", 9, 9)])
def test_the_length_of_tasks_is_assumed_until_one_has_ended(queue: str, pace: float | None, seconds: float) -> None:
    load = load_of(QueueReading(queue, 0, seconds_per_task=pace), Arrivals(0, 0), 0)
    assert (load.seconds_per_task, load.assumed) == (seconds, pace is None)


def test_delivered_messages_that_nobody_claimed_wait_and_so_do_runs_that_are_not_published() -> None:
    load = load_of(QueueReading("a", 2, unclaimed=1, workers=("x", "x", "y")), Arrivals(0, 0), 4)
    assert (load.depth, load.running) == (7, 3)


def test_a_fixed_number_of_workers_is_both_limits() -> None:
    fixed = policy(WorkerPoolSpec(queues=("a",), replicas=3))
    following = policy(WorkerPoolSpec(queues=("a",), replicas=3, autoscaling=Autoscaling(max_replicas=8)))
    assert (fixed.min_replicas, fixed.max_replicas) == (3, 3)
    assert (following.min_replicas, following.max_replicas, following.stabilization_seconds) == (0, 8, 60)
