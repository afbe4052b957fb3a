"""What the demo claims: each function takes what a chapter saw, and gives its claims next to what was found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from demo.difference import Difference
from demo.output import interval, points
from demo.shell import Json, condition, phase

MIN_CHANCE = 0.99  # of a benefit, after four outcomes: what "about 99.5 %" is above
FIRST_WORKER = 2.0  # seconds from the first question of the burst until a worker is wanted
FLEET = 2  # workers
BACK = 25.0  # seconds: the pool's stabilization window of 15, and polls of the queues


@dataclass(frozen=True)
class Claim:
    """A claim, what was expected, what was found, and whether the claim was kept."""

    about: str
    expected: str
    found: str
    kept: bool


def _same(about: str, expected: str, found: object) -> Claim:
    """Claim exactly this; None where nothing was found."""
    text = "nothing" if found is None else str(found)
    return Claim(about, expected, text, text == expected)


def _within(about: str, start: float | None, end: float | None, limit: float) -> Claim:
    """Claim that at most `limit` seconds pass; None where a moment was not seen."""
    expected = f"at most {limit:g} s"
    if start is None or end is None:
        return Claim(about, expected, "nothing", kept=False)
    seconds = max(0.0, end - start)  # clocks of two processes: what came later may have been seen sooner
    return Claim(about, expected, f"{seconds:.1f} s", seconds <= limit)


def _state(item: Json, kind: str) -> str:
    found = condition(item, kind)
    return f"{found.get('status')} ({found.get('reason')})"


def _recommendation(simulation: Json) -> str:
    found = simulation["status"]["recommendation"]
    return f"{found['action']} ({found['reason']})"


def estimate_agrees(simulation: Json, plain: Difference) -> Claim:
    """Compare an estimate with the plain difference of means on the same rows."""
    name, agrees = simulation["metadata"]["name"], plain.contains(simulation["status"]["effect"]["estimate"])
    about = f"{name}: the estimate, and the plain difference's 95 % interval"
    return _same(about, "inside", "inside" if agrees else "OUTSIDE")


def outcomes_calibrate(before: Json, after: Json) -> list[Claim]:
    """Compare the answers of the same twin before and after four outcomes."""
    chance = after["status"]["recommendation"]["probabilityOfBenefit"]
    about = "men's e-mail, one experiment and four outcomes"
    return [
        _same("men's e-mail, one experiment: the recommendation", "Refine (NotCalibrated)", _recommendation(before)),
        _same(f"{about}: the recommendation", "Deploy (BenefitLikely)", _recommendation(after)),
        Claim(f"{about}: the chance of a benefit", "about 99.5 %", f"{100 * chance:.1f} %", chance > MIN_CHANCE),
    ]


def degradation_is_reported(twin: Json) -> list[Claim]:
    """Check a twin whose five outcomes are those of other customers."""
    return [
        _same("five experiments with other customers: Faithful", "False (FidelityDegraded)", _state(twin, "Faithful")),
        _same("without rows of theirs: Retrainable", "False (NoNewData)", _state(twin, "Retrainable")),
    ]


def retraining_is_gated(waiting: Json, finished: Json, answer: Json, plain: Difference) -> list[Claim]:
    """Check the job that new rows start, before and after its approval, and an answer of the version it promoted."""
    found = answer["status"]["effect"]["estimate"]
    about = f"version {answer['status']['modelVersion']}: the effect on buyers of men's goods"
    return [
        _same("with their rows: a job's trigger", "FidelityDegraded", waiting["spec"]["trigger"]["type"]),
        _same("it waits for an approval", "AwaitingApproval", phase(waiting)),
        _same("it was promoted", "True (GatePassed)", _state(finished, "Promoted")),
        Claim(about, f"{interval(plain.low, plain.high)} points", f"{points(found)} points", plain.contains(found)),
    ]


def cooldown_holds(twin: Json, job: Json) -> Claim:
    """Check another job, which a user asked for at once."""
    allowed = twin["status"]["retraining"].get("nextAllowedTime")
    return _same("another job waits until the twin's next allowed time", str(allowed), job["status"].get("notBefore"))


def pool_follows(total: int, first: float, simulations: Sequence[Json], events: Sequence[Json]) -> list[Claim]:
    """Check a burst after its end.

    Args:
        total: questions of the burst.
        first: when the first of them was seen, in seconds since the epoch.
        simulations: all of them, with their results and their managed fields.
        events: Events of the pool, and of ReplicaSets that deleted Pods.
    """
    statuses = [each["status"] for each in simulations]
    answered = sum(each["phase"] == "Succeeded" for each in statuses)
    once = sum(each.get("attempts") == 1 for each in statuses)
    workers = {each["worker"] for each in statuses if "worker" in each}
    wanted = min((_time(each) for each in events if each["reason"] == "ScaledUp"), default=None)
    last = max((_answered(each) for each in simulations), default=None)
    empty = max((_time(each) for each in events if each["reason"] == "ScaledDown"), default=None)
    interrupted = {each["worker"] for each in statuses if _ended_after(each, _terminations(events))}
    return [
        _within("from the first question of the burst until a worker is wanted", first, wanted, FIRST_WORKER),
        _same("questions of the burst that are answered", str(total), answered),
        _same("those done at the first attempt, none twice", str(total), once),
        Claim("workers of the burst", "2 or more, from 0", str(len(workers)), len(workers) >= FLEET),
        _within("from the last answer until there are 0 again", last, empty, BACK),
        _same("workers that were ended while they answered a question", "0", len(interrupted)),
    ]


def _answered(simulation: Json) -> float:
    """Give when the status was last written: later than completionTime, where the operator has many to write."""
    writes = simulation["metadata"]["managedFields"]
    return max(_seconds(each["time"]) for each in writes if each.get("subresource") == "status")


def _terminations(events: Sequence[Json]) -> dict[str, float]:
    """Give when each worker was asked to terminate, by its Pod: `Deleted pod: NAME`, in an Event of its ReplicaSet."""
    deleted = (each for each in events if each["reason"] == "SuccessfulDelete")
    return {each["message"].removeprefix("Deleted pod: "): _time(each) for each in deleted}


def _ended_after(status: Json, terminations: Mapping[str, float]) -> bool:
    """Whether a worker answered a question after it had been asked to terminate."""
    return _seconds(status["completionTime"]) > terminations.get(status.get("worker", ""), math.inf)


def _time(event: Json) -> float:
    return _seconds(event["eventTime"] or event["lastTimestamp"])


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
