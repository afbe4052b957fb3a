"""What a pool's status, metrics and Events show, and when a status is written."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.services.pools.objects import SCALED, deployment, worker_pool
from twin_operator.api.v1alpha1.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    WorkerPoolPhase,
)
from twin_operator.api.v1alpha1.worker_pool import QueueDepth, WorkerPoolStatus
from twin_operator.domain.scaling import Limit, QueueLoad, ScalingDecision
from twin_operator.services.pools.pool_index import PoolState, RefusedManifest
from twin_operator.services.pools.status import pool_status, refused_status, worth_writing
from twin_operator.services.reconciling.status import stalled
from twin_operator.services.runs.times import moment

NOW = 1_800_000_000.0


def pool(desired: int = 2, ready: int = 2, **remembered: Any) -> PoolState:
    return PoolState(worker_pool(generation=3, autoscaling=SCALED), deployment(desired, ready), **remembered)


def condition(status: WorkerPoolStatus, of_type: ConditionType) -> Condition:
    found = status.condition(of_type)
    assert found is not None
    return found


def shown(status: WorkerPoolStatus, of_type: ConditionType) -> tuple[ConditionStatus, str]:
    found = condition(status, of_type)
    return found.status, found.reason


def decision(limit: Limit | None = None) -> ScalingDecision:
    return ScalingDecision(2, limit, 12.3456, ())


@pytest.mark.parametrize(
    ("desired", "ready", "phase", "reason"),
    [
        (2, 2, WorkerPoolPhase.READY, Reason.WORKERS_READY),
        (1, 1, WorkerPoolPhase.READY, Reason.WORKERS_READY),
        (2, 1, WorkerPoolPhase.SCALING, Reason.SCALING),
        (0, 0, WorkerPoolPhase.IDLE, Reason.SCALED_TO_ZERO),
    ],
)
def test_the_phase_follows_the_workers(desired: int, ready: int, phase: WorkerPoolPhase, reason: Reason) -> None:
    status = pool_status(pool(desired, ready, decision=decision()), NOW)
    assert (status.phase, condition(status, ConditionType.READY).reason) == (phase, reason)
    assert (status.desired_replicas, status.ready_replicas, status.observed_generation) == (desired, ready, 3)
    assert shown(status, ConditionType.SCALING_ACTIVE) == (ConditionStatus.TRUE, Reason.FOLLOWING_QUEUES)
    assert shown(status, ConditionType.SCALING_LIMITED) == (ConditionStatus.FALSE, Reason.WITHIN_LIMITS)
    assert (status.condition(ConditionType.RECONCILING) is not None) == (phase is WorkerPoolPhase.SCALING)


def test_a_pool_with_a_fixed_number_says_nothing_of_scaling() -> None:
    fixed = PoolState(worker_pool(replicas=2), deployment(2, 2))
    assert [each.type for each in pool_status(fixed, NOW).conditions] == [ConditionType.READY]


@pytest.mark.parametrize("limit", list(Limit))
def test_a_limit_is_a_condition(limit: Limit) -> None:
    status = pool_status(pool(decision=decision(limit)), NOW)
    assert shown(status, ConditionType.SCALING_LIMITED) == (ConditionStatus.TRUE, limit.value)


def test_the_number_of_workers_is_held_while_queues_cannot_be_read() -> None:
    status = pool_status(pool(unreachable_since=NOW), NOW)
    assert shown(status, ConditionType.SCALING_ACTIVE) == (ConditionStatus.FALSE, Reason.QUEUE_UNREACHABLE)
    assert "stays 2" in condition(status, ConditionType.SCALING_ACTIVE).message


def test_a_refused_template_stalls_and_the_earlier_workers_go_on() -> None:
    refused = RefusedManifest("d", "spec.containers: Required value", NOW)
    status = pool_status(pool(refused=refused, decision=decision()), NOW)
    assert status.phase is WorkerPoolPhase.FAILED
    assert shown(status, ConditionType.STALLED) == (ConditionStatus.TRUE, Reason.INVALID_TEMPLATE)
    assert "earlier template continue" in condition(status, ConditionType.READY).message
    assert shown(status, ConditionType.SCALING_ACTIVE)[0] is ConditionStatus.TRUE


LOADS = (QueueLoad("a", 3, 1, 0.004, 1.23456, 7.8912), QueueLoad("b", 0, 0, 0.0, 9.0))


def test_numbers_are_rounded_and_small_rates_are_zero() -> None:
    status = pool_status(pool(loads=LOADS, decision=decision()), NOW)
    assert status.queues == (QueueDepth(name="a", depth=3, oldest_seconds=7.89), QueueDepth(name="b", depth=0))
    assert (status.running, status.arrivals_per_second) == (1, 0.0)
    assert (status.seconds_per_task, status.drain_seconds) == (1.23, 12.3)


def test_what_was_written_of_the_queues_stays_until_they_are_read() -> None:
    before = pool_status(pool(loads=LOADS, decision=decision()), NOW)
    restarted = pool()
    restarted.resource = restarted.resource.replace(status=before)
    after = pool_status(restarted, NOW)
    assert (after.queues, after.running, after.drain_seconds) == (before.queues, 1, 12.3)


def test_a_pool_that_is_refused_has_no_numbers_of_queues() -> None:
    state = pool()
    state.resource = state.resource.replace(status=pool_status(pool(loads=LOADS, decision=decision()), NOW))
    status = refused_status(state, stalled(Reason.QUEUE_TAKEN, "Taken."), NOW)
    assert (status.phase, status.queues, status.running) == (WorkerPoolPhase.FAILED, (), None)
    assert (status.arrivals_per_second, status.seconds_per_task, status.drain_seconds) == (None, None, None)


def test_the_time_of_the_last_scaling_is_shown_in_whole_seconds() -> None:
    assert pool_status(pool(last_scaled=NOW + 0.7), NOW).last_scale_time == moment(NOW)
    assert pool_status(pool(), NOW).last_scale_time is None


WRITTEN = WorkerPoolStatus(
    phase=WorkerPoolPhase.READY,
    queues=(QueueDepth(name="a", depth=1, oldest_seconds=1.0),),
    running=1,
    arrivals_per_second=1.0,
    seconds_per_task=1.0,
    drain_seconds=1.0,
)


def waiting(depth: int = 1, seconds: float = 1.0) -> tuple[QueueDepth, ...]:
    return (QueueDepth(name="a", depth=depth, oldest_seconds=seconds),)


@pytest.mark.parametrize(
    ("new", "since", "worth"),
    [
        (WRITTEN, 1000, False),
        (WRITTEN.replace(phase=WorkerPoolPhase.SCALING), 0, True),
        (WRITTEN.replace(desired_replicas=3), 0, True),
        (WRITTEN.replace(last_scale_time=moment(NOW)), 0, True),
        (WRITTEN.replace(queues=waiting(depth=2)), 1, False),
        (WRITTEN.replace(queues=waiting(depth=2)), 5, True),
        (WRITTEN.replace(running=0), 5, True),
        (WRITTEN.replace(queues=waiting(seconds=9.0)), 5, False),
        (WRITTEN.replace(queues=waiting(seconds=9.0)), 20, True),
        (WRITTEN.replace(arrivals_per_second=1.05), 1000, False),
        (WRITTEN.replace(arrivals_per_second=1.5), 5, False),
        (WRITTEN.replace(arrivals_per_second=1.5), 20, True),
        (WRITTEN.replace(arrivals_per_second=0.0), 20, True),
        (WRITTEN.replace(drain_seconds=None), 20, True),
    ],
)
def test_conditions_are_written_at_once_counts_soon_and_rates_when_they_moved(
    new: WorkerPoolStatus, since: float, *, worth: bool
) -> None:
    assert worth_writing(WRITTEN, new, since) is worth
