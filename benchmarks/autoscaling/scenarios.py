"""What is compared, and what is read off: each load is played by both, with the same tasks and the same phases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.autoscaling import loads
from benchmarks.autoscaling.keda import Keda
from benchmarks.autoscaling.operator_loop import TARGET_DRAIN_SECONDS, Operator, policy
from benchmarks.autoscaling.play import Record, play
from benchmarks.autoscaling.pool import Task

MAX_REPLICAS = 20
PHASES = 50
"""Runs of a scenario that is short: the result depends on where in their intervals both polls fall."""
LONG_RUNS = 20
"""Of one that KEDA's rule does not end within two hours."""

Reading = Callable[[Sequence[Record]], float]


@dataclass(frozen=True)
class Measure:
    """One figure of the runs of a scenario; less is better in all of them."""

    name: str
    read: Reading


@dataclass(frozen=True)
class Scenario:
    """One load, and the figures that matter of it.

    Attributes:
        load: the tasks; another set for each run where they are random.
        seconds: of a task on average, known to KEDA's user, who sets listLength by it.
    """

    name: str
    load: Callable[[np.random.Generator], list[Task]]
    seconds: float
    runs: int
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class Comparison:
    """The runs of a scenario, one a phase, in the same order for both."""

    scenario: Scenario
    ours: tuple[Record, ...]
    keda: tuple[Record, ...]


def compare(scenario: Scenario) -> Comparison:
    """Play a scenario under both ways of scaling."""
    pairs = [_pair(scenario, run) for run in range(scenario.runs)]
    return Comparison(scenario, tuple(ours for ours, _ in pairs), tuple(keda for _, keda in pairs))


def _pair(scenario: Scenario, run: int) -> tuple[Record, Record]:
    phase = float(np.random.default_rng([run, 0]).uniform())
    tasks_per_worker = max(1.0, TARGET_DRAIN_SECONDS / scenario.seconds)
    sync = np.random.default_rng([run, 1])
    ours = play(scenario.load(_load_random(run)), lambda pool: Operator(pool, policy(MAX_REPLICAS)), phase)
    keda = play(scenario.load(_load_random(run)), lambda pool: Keda(pool, MAX_REPLICAS, tasks_per_worker, sync), phase)
    return ours, keda


def _load_random(run: int) -> np.random.Generator:
    return np.random.default_rng([run, 2])


def over_runs(read: Callable[[Record], float], percentile: float) -> Reading:
    """Return a percentile over the runs, of runs that end; infinite where that one does not."""
    return lambda records: float(np.percentile([read(record) for record in records], percentile, method="higher"))


def mean(read: Callable[[Record], float]) -> Reading:
    """Return the mean over the runs."""
    return lambda records: float(np.mean([read(record) for record in records]))


def _wait(percentile: float) -> Measure:
    return Measure(f"seconds in the queue, p{percentile:.0f}", mean(lambda record: record.wait(percentile)))


KILLED = Measure("tasks killed", mean(lambda record: float(record.killed)))
CHANGES = Measure("changes of replicas", mean(lambda record: float(record.changes)))
FLAPS = Measure("growths within 60 s of a shrinking", mean(lambda record: float(record.flaps)))
PAID = Measure("worker-seconds paid", mean(lambda record: record.worker_seconds))

FROM_ZERO = Scenario(
    name="from zero: 1 task of 1 s",
    load=lambda _: loads.burst(1, 1.0),
    seconds=1.0,
    runs=PHASES,
    measures=(
        Measure("seconds until the first worker is wanted, p95", over_runs(lambda record: record.first_wanted, 95)),
        Measure("seconds until it is done, p95", over_runs(lambda record: record.done, 95)),
    ),
)
BURST = Scenario(
    name="burst: 200 tasks of 5 s",
    load=lambda _: loads.burst(200, 5.0),
    seconds=5.0,
    runs=PHASES,
    measures=(
        Measure("seconds until all are done, p50", over_runs(lambda record: record.done, 50)),
        Measure("seconds until all are done, p95", over_runs(lambda record: record.done, 95)),
        PAID,
    ),
)
SCALE_IN = Scenario(
    name="scale-in: 12 tasks of 600 s, then 100 of 5 s",
    load=lambda _: loads.long_after_short(12, 600.0, 100, 5.0),
    seconds=5.0,
    runs=LONG_RUNS,
    measures=(KILLED, Measure("seconds until all are done, p50", over_runs(lambda record: record.done, 50))),
)
LONG = Scenario(
    name="long: 12 tasks of 600 s, alone",
    load=lambda _: loads.burst(12, 600.0),
    seconds=600.0,
    runs=LONG_RUNS,
    measures=(KILLED, Measure("seconds until all are done, p50", over_runs(lambda record: record.done, 50)), PAID),
)
STEADY = Scenario(
    name="steady: 1 task of 10 s a second, for an hour",
    load=lambda random: loads.steady(1.0, 10.0, 3600.0, random),
    seconds=10.0,
    runs=5,
    measures=(_wait(50), _wait(95), CHANGES, FLAPS, PAID),
)
DAY = Scenario(
    name="a day: busy at noon, quiet at night, bursts",
    load=loads.day,
    seconds=4.8,
    runs=1,
    measures=(_wait(50), _wait(95), CHANGES, FLAPS, KILLED, PAID),
)
SCENARIOS = (FROM_ZERO, BURST, SCALE_IN, LONG, STEADY, DAY)
