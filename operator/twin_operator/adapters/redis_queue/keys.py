"""Names of keys in Redis, and how the records behind them are written. One place for both sides."""

from dataclasses import asdict
from typing import Final

import orjson

from twin_operator.services.runs.run import BoundVersion, Event, Outcome, Report, Run, Stop, Target, Task, TaskKind

PREFIX: Final = "twinops:"  # several installations of other software may share the Redis
RESULTS: Final = f"{PREFIX}results"
GROUP: Final = "operator"
CONSUMER: Final = "leader"  # fixed, so that a new leader first re-reads what the old one left pending
PUBLISHED: Final = f"{PREFIX}published"  # hash: tasks ever published, by queue; arrivals are its differences
PUBLISHED_AT: Final = "twinops-published"  # header of a message: when, seconds since the epoch
DEAD_LETTERS: Final = f"{PREFIX}dead-letters"  # stream of what cannot be carried out
PRIORITY_STEPS: Final = (0, 3, 6, 9)  # kombu's sub-lists; 0 is popped first
PRIORITY_SEPARATOR: Final = "\x06\x16"
STOP_MARGIN_SECONDS: Final = 3600
"""A stop expires this long after workers refuse the messages of its run: for clock skew, and for slow claims."""


def run_key(run: str) -> str:
    """Return the key of a run's record."""
    return f"{PREFIX}run:{run}"


def leases_key(queue: str) -> str:
    """Return the sorted set of a queue's running runs: member `RUN WORKER`, score the lease's end (Redis' seconds)."""
    return f"{PREFIX}leases:{queue}"


def pace_key(queue: str) -> str:
    """Return the hash of how long a queue's tasks take: `seconds` (smoothed) and `count` of tasks that ended."""
    return f"{PREFIX}pace:{queue}"


def draining_key(worker: str) -> str:
    """Return the flag of a worker that is to take no further task; it expires, so that nobody drains for ever."""
    return f"{PREFIX}draining:{worker}"


def queue_keys(queue: str) -> list[str]:
    """Return the lists of a queue, most urgent first."""
    return [queue_key(queue, step) for step in PRIORITY_STEPS]


def queue_key(queue: str, priority: int) -> str:
    """Return the list that a message of this kombu priority (0 most urgent, 9 least) stands in."""
    step = max(step for step in PRIORITY_STEPS if step <= priority)
    return f"{PREFIX}{queue}" if step == 0 else f"{PREFIX}{queue}{PRIORITY_SEPARATOR}{step}"


def priority_of(message: bytes) -> int:
    """Return the kombu priority of a sound message."""
    return int(orjson.loads(message)["properties"]["priority"])


def write_report(event: Event, task: Task) -> bytes:
    """Return a results entry."""
    return orjson.dumps({"event": event, "run": task.run, "kind": task.kind, "target": asdict(task.target)})


def read_report(entry: str, value: bytes) -> Report:
    """Read a results entry."""
    content = orjson.loads(value)
    return Report(
        entry=entry,
        event=Event(content["event"]),
        run=content["run"],
        kind=TaskKind(content["kind"]),
        target=Target(**content["target"]),
    )


def read_run(fields: dict[bytes, bytes], now: float) -> Run:
    """Read the hash of a run; `now` is Redis' clock, seconds since the epoch."""
    text = {key.decode(): value.decode() for key, value in fields.items()}

    def number(name: str) -> float | None:
        return float(text[name]) if name in text else None

    return Run(
        attempts=int(text.get("attempts", 0)),
        queued=number("queued"),
        started=number("started"),
        finished=number("finished"),
        worker=text.get("worker"),
        leased=float(text.get("lease_until", 0)) > now,
        stop=Stop(text["stop"]) if "stop" in text else None,
        error=text.get("error"),
        failed=number("failed"),
        bound=_version(text),
        outcome=Outcome.from_json(orjson.loads(text["outcome"])) if "outcome" in text else None,
    )


def version_items(bound: BoundVersion) -> list[str]:
    """Return fields and values, in turn, of a run's hash that say which version answers it."""
    return ["registeredModel", bound.registered_model, "version", bound.version, "runID", bound.run_id or ""]


def _version(text: dict[str, str]) -> BoundVersion | None:
    if "version" not in text:
        return None
    return BoundVersion(text["registeredModel"], text["version"], text.get("runID") or None)
