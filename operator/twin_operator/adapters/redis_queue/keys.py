"""Names of keys in Redis, and how the records behind them are written. One place for both sides."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import orjson

from twin_operator.adapters.redis_queue.bad_records import BadRecord
from twin_operator.services.runs.run import BoundVersion, Event, Outcome, Report, Run, Stop, Target, Task, TaskKind

PREFIX: Final = "twinops:"  # several installations of other software may share the Redis
RESULTS: Final = f"{PREFIX}results"
GROUP: Final = "operator"
CONSUMER: Final = "leader"  # fixed, so that a new leader first re-reads what the old one left pending
PUBLISHED: Final = f"{PREFIX}published"  # hash: tasks ever published, by queue; arrivals are its differences
PUBLISHED_AT: Final = "twinops-published"  # header of a message: when, seconds since the epoch
DEAD_LETTERS: Final = f"{PREFIX}dead-letters"  # stream of what cannot be processed
ARCHIVE: Final = f"{PREFIX}archive"  # stream of what waits for the archive
UNACKED: Final = f"{PREFIX}unacked"  # kombu's hash: delivered messages of all queues, by delivery tag
UNACKED_INDEX: Final = f"{PREFIX}unacked_index"  # kombu's sorted set: delivery tag by time of delivery
UNACKED_MUTEX: Final = f"{PREFIX}unacked_mutex"  # kombu's lock: workers take turns in returning messages
TYPES: Final[Mapping[str, str]] = {
    RESULTS: "stream",
    ARCHIVE: "stream",
    DEAD_LETTERS: "stream",
    PUBLISHED: "hash",
    UNACKED: "hash",
    UNACKED_INDEX: "zset",
    UNACKED_MUTEX: "string",
}
"""The types of the keys that there is one of, as Redis names them."""
PRIORITY_STEPS: Final = (0, 3, 6, 9)  # kombu's sub-lists; 0 is popped first
PRIORITY_SEPARATOR: Final = "\x06\x16"
NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")  # of objects in Kubernetes, and uids: part of a path
TARGETS: Final = frozenset({"Simulation", "TwinModel", "RetrainingJob"})  # the kinds of objects that have runs
LONGEST_RUN: Final = 512  # characters of a run's identity: a uid, and what a TwinModel's and a RetrainingJob's add
LATEST: Final = 253_402_300_799.0  # seconds since the epoch: the end of the year 9999, the last that a status can hold
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
    """Return the flag of a worker that is to take no further task; it expires, so that no worker drains for ever."""
    return f"{PREFIX}draining:{worker}"


def queue_keys(queue: str) -> list[str]:
    """Return the lists of a queue, most urgent first."""
    return [queue_key(queue, step) for step in PRIORITY_STEPS]


def queue_key(queue: str, priority: int) -> str:
    """Return the list that a message of this kombu priority (0 most urgent, 9 least) stands in."""
    step = max(step for step in PRIORITY_STEPS if step <= priority)
    return f"{PREFIX}{queue}" if step == 0 else f"{PREFIX}{queue}{PRIORITY_SEPARATOR}{step}"


def types_of(*names: str) -> dict[str, str]:
    """Return by key the types of keys that there is one of, and those of the lists of queues.

    A queue that is named like one of the former has no list: its own commands fail, and no key of ours is deleted.
    """
    single = {name: TYPES[name] for name in names if name in TYPES}
    lists = {key: TYPES.get(key, "list") for name in names if name not in TYPES for key in queue_keys(name)}
    return single | lists


def priority_of(message: bytes) -> int:
    """Return the kombu priority of a sound message."""
    return int(orjson.loads(message)["properties"]["priority"])


def write_report(event: Event, task: Task) -> bytes:
    """Return a results entry."""
    return orjson.dumps({"event": event, "run": task.run, "kind": task.kind, "target": asdict(task.target)})


def read_report(entry: str, value: bytes | None) -> Report:
    """Read a results entry.

    Raises:
        BadRecord: no worker wrote it: what it names becomes part of requests to the API server.
    """
    try:
        content = orjson.loads(value or b"")
        report = Report(
            entry=entry,
            event=Event(content["event"]),
            run=content["run"],
            kind=TaskKind(content["kind"]),
            target=Target(**content["target"]),
        )
        named = report.target.kind in TARGETS and _is_run(report.run) and is_named(report.target)
    except (ValueError, LookupError, TypeError) as error:
        raise BadRecord("It is no report of a worker.") from error
    if not named:
        raise BadRecord("It names no object of ours.")
    return report


def is_named(target: Target) -> bool:
    """Whether namespace, name and uid are written as Kubernetes writes them; raise `TypeError` where one is no text."""
    return all(NAME.fullmatch(each) for each in (target.namespace, target.name, target.uid))


def _is_run(run: object) -> bool:
    return isinstance(run, str) and len(run) <= LONGEST_RUN and run.isprintable()


def read_delivered(content: bytes) -> tuple[bytes, str]:
    """Read a delivered message as kombu keeps it; return the message and its queue.

    Raises:
        BadRecord: kombu did not write it.
    """
    try:
        match orjson.loads(content):
            case [dict(message), str(), str(queue)]:
                return orjson.dumps(message), queue
    except ValueError as error:
        raise BadRecord("It is not JSON.") from error
    raise BadRecord("It is no delivered message.")


def read_run(fields: Mapping[bytes, bytes], now: float) -> Run:
    """Read the hash of a run; `now` is Redis' clock, seconds since the epoch.

    Raises:
        BadRecord: a field is not written as ours are.
    """
    try:
        return _run({key.decode(): value.decode() for key, value in fields.items()}, now)
    except (ValueError, LookupError, TypeError) as error:
        raise BadRecord("A field of a run's record is not as it is written here.") from error


def _run(text: Mapping[str, str], now: float) -> Run:
    def moment(name: str) -> float | None:
        return seconds(text[name], LATEST) if name in text else None

    return Run(
        attempts=_count(text.get("attempts", "0")),
        queued=moment("queued"),
        started=moment("started"),
        finished=moment("finished"),
        worker=text.get("worker"),
        leased=(moment("lease_until") or 0.0) > now,
        stop=Stop(text["stop"]) if "stop" in text else None,
        error=text.get("error"),
        failed=moment("failed"),
        bound=_version(text),
        outcome=_outcome(text["outcome"]) if "outcome" in text else None,
    )


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise BadRecord("It is no count.")
    return int(text)


def seconds(text: str | bytes, most: float) -> float:
    """Read a number of seconds, 0 to `most`; raise `BadRecord` for another text."""
    try:
        value = float(text)
    except ValueError as error:
        raise BadRecord("It is no number.") from error
    if not math.isfinite(value) or not 0 <= value <= most:
        raise BadRecord("It is no number of seconds.")
    return value


def _outcome(text: str) -> Outcome:
    content: Any = orjson.loads(text)
    match content:
        case {"reason": str(), "message": str(), "value": dict()}:
            return Outcome.from_json(content)
    raise BadRecord("It is no outcome.")


def version_items(bound: BoundVersion) -> list[str]:
    """Return fields and values, in turn, of a run's hash that say which version answers it."""
    return ["registeredModel", bound.registered_model, "version", bound.version, "runID", bound.run_id or ""]


def _version(text: Mapping[str, str]) -> BoundVersion | None:
    if "version" not in text:
        return None
    return BoundVersion(text["registeredModel"], text["version"], text.get("runID") or None)
