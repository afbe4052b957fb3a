"""What an installation has come to: all that is left when a process ends, without what differs between equal runs.

Times, identities that the API server or Redis gives out, and traces (made of these) differ; nothing else may.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from tests.fakes.installation import Installation
from tests.fakes.redis_content import RunRecord
from twin_operator.domain.twin import Bank
from twin_operator.services.reconciling.ports import Event
from twin_operator.services.runs.run import object_of

KINDS: Final = ("TwinModel", "RetrainingJob", "WorkerPool", "Simulation", "Deployment")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
MOMENTS: Final = frozenset(
    {"queued", "started", "attempt_started", "finished", "failed", "expires", "lease", "lease_until", "completed"}
    | {"recorded", "time"}
)
"""Fields of records that are seconds since the epoch, or a token."""
MEASURED: Final = frozenset({"arrivalsPerSecond", "secondsPerTask", "drainSeconds", "depth", "oldestSeconds"})
"""Rates of a WorkerPool, which a new leader begins to measure again, and its queues, where each has data checks."""
FLEETING: Final = MEASURED | {"resourceVersion", "creationTimestamp", "managedFields", "traceID", "uid", "generation"}
TERMINAL: Final = frozenset({"Succeeded", "Failed"})
OBSERVATION: Final = "-look-"  # in the id of a data check: each leader makes one of its own


def ended(site: Installation, but_events: Collection[str] = ()) -> dict[str, Any]:
    """Return custom resources, registry, records of runs, archive and Kubernetes Events, comparable with `==`.

    Args:
        site: what has ended.
        but_events: reasons of Kubernetes Events that are left out.
    """
    objects = [body for kind in KINDS for body in site.cluster.objects(kind)]
    names = {body["metadata"]["uid"]: _name(body) for body in objects}
    done = {body["metadata"]["uid"] for body in objects if (body.get("status") or {}).get("phase") in TERMINAL}
    content = {
        "objects": objects,
        "registry": vars(site.registry),
        "runs": _runs(site.queue.server.content().records, set(names), done),
        "archive": vars(site.archive),
        "events": {
            f"{_event_name(event)} {event.reason} {event.warning}: {event.message}"
            for event in site.cluster.events
            if event.reason not in but_events
        },
    }
    return {part: _plain(value, names) for part, value in content.items()}


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Return one line for each place where two results of `ended` differ."""
    if before == after:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(set(before) | set(after), key=str)
        return [line for key in keys for line in differences(before.get(key), after.get(key), f"{path}/{key}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [line for index, (b, a) in pairs for line in differences(b, a, f"{path}/{index}")]
    return [f"{path}: undisturbed {before!r}, after the crash {after!r}"]


def _runs(records: Mapping[str, RunRecord], existing: Collection[str], done: Collection[str]) -> dict[str, Any]:
    """Return the records of runs whose object exists; one that has ended is not affected by a stop of its run.

    A run whose object was deleted while no operator watched is stopped at the next resync only: until then a worker
    may do it.
    """
    kept = {run: record for run, record in records.items() if object_of(run) in existing and OBSERVATION not in run}
    begun = {run: record for run, record in kept.items() if run not in done or record.attempts}
    return {run: _record(record, ended=run in done or bool(record.outcome)) for run, record in begun.items()}


def _record(record: RunRecord, *, ended: bool) -> dict[str, Any]:
    return vars(record) | ({"stop": None} if ended else {})


def _name(body: Mapping[str, Any]) -> str:
    return f"<{body['kind']} {body['metadata'].get('namespace')}/{body['metadata']['name']}>"


def _event_name(event: Event) -> str:
    return f"<{event.regarding.kind} {event.regarding.namespace}/{event.regarding.name}>"


def _plain(value: Any, names: Mapping[str, str]) -> Any:
    """Return dicts, lists, numbers and texts only; identities become names, times vanish."""
    match value:
        case Bank():
            plain: Any = f"a bank of {value.rows} rows"
        case Mapping():
            plain = _of_mapping(value, names)
        case set() | frozenset():
            plain = sorted(str(_plain(item, names)) for item in value)
        case list() | tuple():
            plain = [_plain(item, names) for item in value]
        case str() | bytes():
            plain = _text(value if isinstance(value, str) else value.decode(errors="replace"), names)
        case None | bool() | int() | float():
            plain = value
        case _ if is_dataclass(value):
            plain = _of_mapping({each.name: getattr(value, each.name) for each in fields(value)}, names)
        case _:
            plain = type(value).__name__
    return plain


def _of_mapping(value: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    kept = {_text(str(key), names): item for key, item in value.items() if key not in FLEETING}
    return {key: _plain(item, names) for key, item in kept.items() if not _is_moment(key, item)}


def _is_moment(key: str, value: Any) -> bool:
    return key in MOMENTS and (value is None or isinstance(value, int | float | str))


def _text(text: str, names: Mapping[str, str]) -> str:
    for uid, name in names.items():
        text = text.replace(uid, name)
    return TIME.sub("<time>", text)
