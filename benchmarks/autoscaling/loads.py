"""Loads: the tasks of a scenario, by their times of arrival and their seconds of work."""

from collections.abc import Iterable

import numpy as np

from benchmarks.autoscaling.pool import Task

DAY_SECONDS = 86_400.0
BUSIEST_PER_SECOND = 0.5  # arrivals at noon; none at midnight
BURSTS = 12  # of the day, at any time
BURST_TASKS = 60
MEDIAN_SECONDS = 4.0  # of a task of the day
SPREAD = 0.6  # standard deviation of the logarithm of a task's seconds: one in forty takes thrice the median


def burst(count: int, seconds: float) -> list[Task]:
    """Return equal tasks that come at once."""
    return [Task(0.0, seconds) for _ in range(count)]


def long_after_short(long: int, long_seconds: float, short: int, short_seconds: float) -> list[Task]:
    """Return long tasks with many short ones behind them: the pool shrinks while the long ones run."""
    return burst(long, long_seconds) + burst(short, short_seconds)


def steady(per_second: float, seconds: float, duration: float, random: np.random.Generator) -> list[Task]:
    """Return equal tasks that come at random, at a constant rate."""
    arrivals = np.sort(random.uniform(0.0, duration, random.poisson(per_second * duration)))
    return [Task(float(arrival), seconds) for arrival in arrivals]


def day(random: np.random.Generator) -> list[Task]:
    """Return the tasks of a day that is busy at noon, with bursts, and with tasks of different length."""
    moments = random.uniform(0.0, DAY_SECONDS, random.poisson(BUSIEST_PER_SECOND * DAY_SECONDS))
    kept = moments[random.uniform(size=moments.size) < np.sin(np.pi * moments / DAY_SECONDS) ** 2]
    bursts = np.repeat(random.uniform(0.0, DAY_SECONDS, BURSTS), BURST_TASKS)
    return _of_different_length(np.sort(np.concatenate([kept, bursts])), random)


def _of_different_length(arrivals: Iterable[float], random: np.random.Generator) -> list[Task]:
    return [Task(float(arrival), float(random.lognormal(np.log(MEDIAN_SECONDS), SPREAD))) for arrival in arrivals]
