"""How many workers a pool wants: the table of cases, the window, and what holds whatever the queues hold."""

from collections.abc import Iterable
from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin_operator.domain.scaling import Limit, QueueLoad, ScalingDecision, ScalingPolicy, Want, decide

POLICY = ScalingPolicy(
    concurrency=1, min_replicas=0, max_replicas=20, target_drain_seconds=30.0, stabilization_seconds=60.0
)
POLL = 2.0  # seconds between polls
NOW = 1_000_000.0  # seconds since the epoch


def queue(depth: int = 0, running: int = 0, seconds: float = 1.0, rate: float = 0.0, **known: float) -> QueueLoad:
    return replace(QueueLoad("simulations", depth, running, rate, seconds), **known)  # type: ignore[arg-type]


IDLE = queue()


def first(*loads: QueueLoad, policy: ScalingPolicy = POLICY, current: int = 0) -> ScalingDecision:
    return decide(policy, loads, current, (), NOW)


def follow(looks: Iterable[QueueLoad], policy: ScalingPolicy = POLICY, current: int = 0) -> list[int]:
    """Return the workers wanted at each poll."""
    wanted: list[int] = []
    window: tuple[Want, ...] = ()
    for number, load in enumerate(looks):
        decision = decide(policy, (load,), current, window, NOW + number * POLL)
        current, window = decision.replicas, decision.window
        wanted.append(current)
    return wanted


@pytest.mark.parametrize(
    ("load", "workers"),
    [
        pytest.param(queue(), 0, id="nothing"),
        pytest.param(queue(depth=1), 1, id="one that waits"),
        pytest.param(queue(running=1), 1, id="one that runs"),
        pytest.param(queue(depth=60), 2, id="60 s of work in 30 s"),
        pytest.param(queue(depth=61), 3, id="a little more"),
        pytest.param(queue(depth=25, seconds=3.6), 3, id="90 s, in floats a little more"),
        pytest.param(queue(depth=4, seconds=600.0), 4, id="a task uses one slot, however long"),
        pytest.param(queue(depth=3, running=2, seconds=600.0), 5, id="running slots are taken for as long as the aim"),
        pytest.param(queue(depth=10, running=4, seconds=10.0), 5, id="running slots are free in 10 s, and take 8"),
        pytest.param(queue(depth=10, running=4, seconds=10.0, assumed=True), 8, id="unless that is an assumption"),
        pytest.param(queue(depth=1, rate=1.0, seconds=10.0), 12, id="steady: a fifth more than the load"),
        pytest.param(queue(rate=1.0, seconds=0.1, arrived=2), 1, id="short ones came and went"),
        pytest.param(queue(depth=1, rate=1 / 30, seconds=3600.0), 1, id="one arrival of an hour is no steady load"),
        pytest.param(queue(depth=12, rate=12 / 30, seconds=600.0), 12, id="nor are twelve at once"),
        pytest.param(queue(running=1, rate=1e-9), 1, id="a vanishing rate"),
        pytest.param(queue(depth=9, seconds=0.0), 1, id="tasks that take no time"),
    ],
)
def test_a_pool_wants_what_its_queue_needs(load: QueueLoad, workers: int) -> None:
    assert first(load).replicas == workers


def test_queues_of_one_pool_share_its_workers() -> None:
    long, short = queue(depth=1, seconds=600.0), queue(depth=60, seconds=0.1)
    assert first(long, short).replicas == 2  # one slot for the long one, a fifth of one for the short ones


@pytest.mark.parametrize(("concurrency", "workers"), [(1, 9), (2, 5), (4, 3), (9, 1), (64, 1)])
def test_a_worker_does_several_tasks_at_a_time(concurrency: int, workers: int) -> None:
    assert first(queue(running=9), policy=replace(POLICY, concurrency=concurrency)).replicas == workers


class TestOldMessages:
    """A message that has waited far longer than aimed at shows that the estimate is wrong."""

    @pytest.mark.parametrize(
        ("waited", "workers"), [(None, 4), (30.0, 4), (45.0, 4), (46.0, 6)], ids=["unknown", "aim", "limit", "late"]
    )
    def test_double_what_runs(self, waited: float | None, workers: int) -> None:
        load = replace(queue(depth=30, running=3, assumed=True), oldest_seconds=waited)
        assert first(load, current=3).replicas == workers

    def test_ask_for_no_more_slots_than_there_are_tasks(self) -> None:
        assert first(queue(depth=2, running=5, oldest_seconds=500.0), current=5).replicas == 7

    def test_need_no_worker_to_refute_where_none_runs(self) -> None:
        assert first(queue(depth=30, oldest_seconds=500.0), current=1).replicas == 1


class TestTheWindow:
    """Up at once; down to the highest want of the window; to zero after an idle one."""

    def test_lets_a_pool_grow_at_once(self) -> None:
        assert follow([IDLE, queue(depth=300)]) == [0, 10]

    def test_lets_a_pool_shrink_only_to_its_highest_want(self) -> None:
        wanted = follow([queue(running=8), queue(running=5), *[queue(running=2)] * 32])
        assert wanted[:31] == [8] * 31
        assert wanted[31:] == [5, 2, 2]

    def test_starts_anew_with_each_task(self) -> None:
        wanted = follow([queue(running=1), *[IDLE] * 30, queue(running=1), *[IDLE] * 31])
        assert wanted[:-1] == [1] * (len(wanted) - 1)
        assert wanted[-1] == 0

    def test_holds_a_whole_idle_window_before_zero_whatever_the_rate(self) -> None:
        wanted = follow([queue(running=1, rate=5.0), *[queue(rate=5.0)] * 32])
        assert wanted == [6] * 31 + [0, 0]

    def test_wakes_no_pool_for_a_rate_alone(self) -> None:
        assert follow([queue(rate=0.5, seconds=5.0)] * 3) == [0, 0, 0]

    def test_holds_what_there_is_for_one_window_after_a_restart(self) -> None:
        assert follow([IDLE] * 32, current=7) == [7] * 30 + [0, 0]

    def test_does_not_count_a_time_without_looks_as_idle(self) -> None:
        busy = decide(POLICY, (queue(running=3),), 0, (), NOW)
        later = decide(POLICY, (IDLE,), busy.replicas, busy.window, NOW + 3600.0)
        assert later.replicas == 3
        assert decide(POLICY, (IDLE,), 3, later.window, NOW + 3600.0 + 60.0).replicas == 0

    def test_is_not_held_by_looks_from_a_future_that_never_was(self) -> None:
        ahead = (Want(NOW + 3600.0, 9),)
        decision = decide(POLICY, (IDLE,), 4, ahead, NOW)
        assert decision.replicas == 4
        assert decision.window == (Want(NOW, 4), Want(NOW, 0))

    def test_may_be_none(self) -> None:
        assert follow([queue(running=3), IDLE], replace(POLICY, stabilization_seconds=0.0)) == [3, 0]


class TestASteadyLoad:
    """Smoothed rates vary; a pool follows them only where they leave the headroom."""

    @pytest.mark.parametrize(("rate", "workers"), [(1.0, 11), (1.1, 11), (1.11, 14)])
    def test_starts_nothing_within_the_headroom(self, rate: float, workers: int) -> None:
        assert first(queue(running=10, rate=rate, seconds=10.0), current=11).replicas == workers

    def test_does_not_flap(self) -> None:
        rates = [1.0 + 0.08 * (-1) ** (number // 7) for number in range(300)]
        wanted = follow([queue(running=10, rate=rate, seconds=10.0) for rate in rates], current=13)
        assert set(wanted) == {13}


@pytest.mark.parametrize(
    ("least", "most", "load", "replicas", "limit"),
    [
        (0, 5, queue(depth=300), 5, Limit.TOO_MANY_TASKS),
        (0, 10, queue(depth=300), 10, None),
        (2, 5, queue(depth=1), 2, Limit.TOO_FEW_TASKS),
        (2, 5, queue(), 2, Limit.TOO_FEW_TASKS),
        (2, 5, queue(depth=60), 2, None),
        (0, 5, queue(), 0, None),
        (3, 3, queue(depth=300), 3, Limit.TOO_MANY_TASKS),
    ],
)
def test_limits_are_kept_and_told(least: int, most: int, load: QueueLoad, replicas: int, limit: Limit | None) -> None:
    decision = first(load, policy=replace(POLICY, min_replicas=least, max_replicas=most))
    assert (decision.replicas, decision.limit) == (replicas, limit)


def test_a_pool_that_is_still_held_above_its_minimum_has_not_too_few_tasks() -> None:
    assert first(IDLE, policy=replace(POLICY, min_replicas=1), current=4).limit is None


def test_a_lower_maximum_holds_at_once() -> None:
    assert first(IDLE, policy=replace(POLICY, max_replicas=3), current=8).replicas == 3


@pytest.mark.parametrize(
    ("load", "current", "seconds"),
    [
        pytest.param(IDLE, 4, 0.0, id="nothing waits"),
        pytest.param(queue(depth=60), 0, 30.0, id="as aimed at"),
        pytest.param(queue(depth=1200), 0, 60.0, id="at the maximum"),
        pytest.param(queue(depth=60), 6, 10.0, id="by workers that are held"),
    ],
)
def test_draining_takes_the_work_over_the_slots_wanted(load: QueueLoad, current: int, seconds: float) -> None:
    assert first(load, current=current).drain_seconds == pytest.approx(seconds)


quick = settings(max_examples=60, deadline=None)  # no deadline: machines that run tests are busy
counts, times = st.integers(0, 500), st.floats(0.0, 5_000.0)
queues = st.builds(
    QueueLoad,
    name=st.just("simulations"),
    depth=counts,
    running=counts,
    arrivals_per_second=st.floats(0.0, 100.0),
    seconds_per_task=times,
    oldest_seconds=st.none() | times,
    arrived=counts,
    assumed=st.booleans(),
)
pools = st.lists(queues, min_size=1, max_size=4)
policies = st.builds(
    lambda least, more, **rest: ScalingPolicy(min_replicas=least, max_replicas=max(1, least + more), **rest),
    least=st.integers(0, 20),
    more=st.integers(0, 200),
    concurrency=st.integers(1, 64),
    target_drain_seconds=st.floats(1.0, 86_400.0),
    stabilization_seconds=st.floats(0.0, 3_600.0),
)
windows = st.lists(st.builds(Want, at=st.floats(NOW - 4_000.0, NOW), replicas=counts), max_size=8).map(
    lambda looks: tuple(sorted(looks, key=lambda look: look.at))
)


@quick
@given(policies, pools, counts, windows)
def test_wants_lie_within_the_limits(
    policy: ScalingPolicy, loads: list[QueueLoad], current: int, window: tuple[Want, ...]
) -> None:
    decision = decide(policy, loads, current, window, NOW)
    assert policy.min_replicas <= decision.replicas <= policy.max_replicas
    assert decision.drain_seconds >= 0.0


@quick
@given(policies, pools, counts, windows, counts)
def test_more_that_waits_never_asks_for_fewer(
    policy: ScalingPolicy, loads: list[QueueLoad], current: int, window: tuple[Want, ...], more: int
) -> None:
    longer = [replace(loads[0], depth=loads[0].depth + more), *loads[1:]]
    fewer, many = (decide(policy, queues, current, window, NOW) for queues in (loads, longer))
    assert fewer.replicas <= many.replicas


@quick
@given(policies, pools, counts, windows)
def test_no_worker_is_taken_from_a_task_but_by_the_maximum(
    policy: ScalingPolicy, loads: list[QueueLoad], current: int, window: tuple[Want, ...]
) -> None:
    busy = ceil(sum(load.running for load in loads) / policy.concurrency)
    assert decide(policy, loads, current, window, NOW).replicas >= min(busy, policy.max_replicas)


@quick
@given(policies, pools, counts, windows)
def test_a_pool_sleeps_only_when_nothing_waits_runs_or_came(
    policy: ScalingPolicy, loads: list[QueueLoad], current: int, window: tuple[Want, ...]
) -> None:
    replicas = decide(policy, loads, current, window, NOW).replicas
    if replicas == 0 < current:
        assert all(load.idle for load in loads)


@quick
@given(policies, st.lists(pools, min_size=1, max_size=40), st.integers(0, 50))
def test_a_pool_sleeps_only_after_a_whole_idle_window(
    policy: ScalingPolicy, looks: list[list[QueueLoad]], current: int
) -> None:
    window: tuple[Want, ...] = ()
    idle_since = NOW
    for number, loads in enumerate(looks):
        now = NOW + number * 17.0
        decision = decide(policy, loads, current, window, now)
        if current > 0 == decision.replicas:
            assert now - idle_since >= policy.stabilization_seconds
        if any(not load.idle for load in loads):
            idle_since = now
        current, window = decision.replicas, decision.window


@quick
@given(policies, pools, counts)
def test_nothing_shrinks_at_the_first_look(policy: ScalingPolicy, loads: list[QueueLoad], current: int) -> None:
    held = replace(policy, stabilization_seconds=max(1.0, policy.stabilization_seconds))
    assert decide(held, loads, current, (), NOW).replicas >= min(current, policy.max_replicas)


@quick
@given(policies, pools)
def test_a_load_that_stays_the_same_settles_at_once(policy: ScalingPolicy, loads: list[QueueLoad]) -> None:
    current = 0
    window: tuple[Want, ...] = ()
    wanted = []
    for number in range(5):
        decision = decide(policy, loads, current, window, NOW + number * POLL)
        current, window = decision.replicas, decision.window
        wanted.append(current)
    assert len(set(wanted)) == 1


@quick
@given(policies, pools, counts, windows)
def test_the_window_holds_no_more_than_it_needs(
    policy: ScalingPolicy, loads: list[QueueLoad], current: int, window: tuple[Want, ...]
) -> None:
    kept = decide(policy, loads, current, window, NOW).window
    assert kept[-1].at == NOW
    assert all(later.at > NOW - policy.stabilization_seconds for later in kept[1:-1])
