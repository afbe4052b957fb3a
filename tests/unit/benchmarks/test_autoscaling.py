"""The claims about scaling, in simulated time: exact, and the same on every machine."""

import math
from functools import cache
from pathlib import Path

import pytest

from benchmarks.autoscaling import scenarios
from benchmarks.autoscaling.clock import Clock
from benchmarks.autoscaling.loads import burst
from benchmarks.autoscaling.operator_loop import Operator, policy
from benchmarks.autoscaling.play import Record, play
from benchmarks.autoscaling.pool import POD_START_SECONDS, Pool, Task
from benchmarks.autoscaling.scenarios import Comparison, Scenario, compare
from benchmarks.autoscaling.table import cells, ratio, table

FLAPS_AN_HOUR = 2
"""Growths soon after a shrinking that random arrivals may cause; KEDA's rule, with a window five times as long, has
about as many or more."""

played = cache(compare)


def readings(scenario: Scenario) -> dict[str, tuple[float, float]]:
    comparison = played(scenario)
    return {
        measure.name: (measure.read(comparison.ours), measure.read(comparison.keda)) for measure in scenario.measures
    }


def test_from_zero_the_first_worker_is_wanted_within_two_seconds() -> None:
    ours, keda = readings(scenarios.FROM_ZERO)["seconds until the first worker is wanted, p95"]
    assert ours <= 2.0
    assert keda > 25.0


def test_a_burst_is_done_within_seventy_seconds() -> None:
    ours, keda = readings(scenarios.BURST)["seconds until all are done, p95"]
    assert ours <= 70.0
    assert keda > 100.0


def test_a_burst_costs_fewer_worker_seconds() -> None:
    ours, keda = readings(scenarios.BURST)["worker-seconds paid"]
    assert ours < keda / 2


@pytest.mark.parametrize("scenario", [scenarios.SCALE_IN, scenarios.LONG], ids=["scale-in", "long"])
def test_no_task_is_killed(scenario: Scenario) -> None:
    comparison = played(scenario)
    assert all(record.killed == 0 for record in comparison.ours)
    assert all(record.killed > 0 for record in comparison.keda)


def test_nobody_waits_for_long_under_a_steady_load() -> None:
    seen = readings(scenarios.STEADY)
    assert seen["seconds in the queue, p50"][0] == 0.0
    assert seen["seconds in the queue, p95"][0] < seen["seconds in the queue, p95"][1] / 5


@pytest.mark.parametrize(("scenario", "hours"), [(scenarios.STEADY, 1), (scenarios.DAY, 24)], ids=["steady", "day"])
def test_a_pool_does_not_flap(scenario: Scenario, hours: int) -> None:
    ours, keda = readings(scenario)[scenarios.FLAPS.name]
    assert ours <= FLAPS_AN_HOUR * hours
    assert ours <= keda


@pytest.mark.learner
def test_every_load_ends_without_workers() -> None:
    for scenario in scenarios.SCENARIOS:
        for record in played(scenario).ours:
            assert record.replicas[-1][1] == 0
            assert not math.isinf(record.done)


def test_seconds_a_task_that_are_learned_late_cost_less_than_two_aims() -> None:
    record = play(burst(12, 600.0), lambda pool: Operator(pool, policy(20)), phase=0.5)
    assert record.highest == 12
    assert max(record.waits) <= 60.0


def test_the_same_run_gives_the_same_record() -> None:
    runs = [compare(scenarios.FROM_ZERO) for _ in range(2)]
    assert runs[0] == runs[1]


def test_the_table_has_a_row_for_each_figure() -> None:
    comparisons = [played(scenario) for scenario in scenarios.SCENARIOS]
    assert table(comparisons).row_count == sum(len(scenario.measures) for scenario in scenarios.SCENARIOS)


@pytest.mark.parametrize(
    ("ours", "keda", "told"), [(2.0, 30.0, "15.0"), (4.0, 2.0, "0.5"), (0.0, 8.0, "-"), (1.0, math.inf, "-")]
)
def test_a_ratio_says_nothing_of_nothing_and_of_never(ours: float, keda: float, told: str) -> None:
    assert ratio(ours, keda) == told


class TestThePool:
    """The model itself: what a worker does with a task, and what an end does to both."""

    @staticmethod
    def busy(seconds: float) -> tuple[Clock, Pool]:
        clock = Clock()
        pool = Pool(clock)
        pool.submit(Task(0.0, seconds))
        pool.grow(1)
        clock.run(POD_START_SECONDS, lambda: False)
        return clock, pool

    def test_starts_a_task_when_a_worker_is_ready(self) -> None:
        _, pool = self.busy(10.0)
        assert pool.arrived[0].wait == POD_START_SECONDS
        assert len(pool.busy) == 1

    def test_lets_a_task_end_within_the_grace(self) -> None:
        clock, pool = self.busy(10.0)
        pool.dismiss(list(pool.workers), grace_seconds=30.0)
        clock.run(1_000.0, lambda: False)
        assert pool.finished[0].finished == POD_START_SECONDS + 10.0
        assert pool.finished[0].kills == 0
        assert not pool.workers

    def test_kills_a_task_that_takes_longer_and_gives_it_back(self) -> None:
        clock, pool = self.busy(100.0)
        pool.dismiss(list(pool.workers), grace_seconds=30.0)
        clock.run(1_000.0, lambda: False)
        assert list(pool.waiting) == pool.arrived
        assert pool.arrived[0].kills == 1
        assert not pool.finished


def test_flapping_is_growth_soon_after_a_shrinking_but_not_from_zero() -> None:
    def flaps(*replicas: tuple[float, int]) -> int:
        return Record((), 0.0, replicas, 0.0, 0).flaps

    assert flaps((0.0, 0), (1.0, 5), (100.0, 3), (130.0, 4)) == 1
    assert flaps((0.0, 0), (1.0, 5), (100.0, 3), (190.0, 4)) == 0
    assert flaps((0.0, 0), (1.0, 5), (100.0, 0), (130.0, 4)) == 0
    assert flaps((0.0, 0), (1.0, 5), (100.0, 3), (130.0, 2)) == 0


def test_a_comparison_is_of_the_same_runs() -> None:
    comparison: Comparison = played(scenarios.STEADY)
    assert [len(record.waits) for record in comparison.ours] == [len(record.waits) for record in comparison.keda]


def test_the_page_for_users_shows_these_figures() -> None:
    page = (Path(__file__).parents[3] / "docs" / "autoscaling.md").read_text()
    for scenario in scenarios.SCENARIOS:
        assert f"| {scenario.name} |" in page
        for measure in scenario.measures:
            row = f"{' | '.join(cells(played(scenario), measure))} |"
            assert row in page, "docs/autoscaling.md is not what `make bench` prints"
