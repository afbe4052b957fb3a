"""What is taken from a queue, judged before it is read: a pure function of bytes, queue, keys and time.

kombu and Celery trust what they are sent: an envelope that is no JSON, or lacks a field, ends the worker's consuming
loop with its message lost. So whatever is not exactly what the operator writes goes no further than here.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import orjson

from twin_operator.adapters.redis_queue.keys import PUBLISHED_AT
from twin_operator.adapters.redis_queue.message import SIGNATURE_HEADER, Forged, SignedFields, Signing
from twin_operator.services.runs.run import Task, TaskKind

CONTENT_TYPE: Final = "application/json"
CONTENT_ENCODING: Final = "utf-8"
TASK_PREFIX: Final = "twinops."
TASK_NAMES: Final = frozenset(f"{TASK_PREFIX}{kind}" for kind in TaskKind)
NEVER_SET: Final = ("eta", "expires", "compression", "shadow", "group", "reply_to")
"""Headers that change what Celery does with a message; not signed, and never written by the operator."""

_LONGEST_SHOWN: Final = 64  # characters of what a stranger wrote; a uid has 36
NO_LIMIT: Final = (None, [None, None])  # of a task's time: the operator ends runs by their deadline


class Reason(StrEnum):
    """Why a message became a dead letter; the value labels metrics."""

    UNDECODABLE = "Undecodable"
    NOT_A_TASK = "NotATask"
    CONTENT_TYPE = "ContentType"
    UNKNOWN_TASK = "UnknownTask"
    UNSIGNED = "Unsigned"
    FORGED = "Forged"
    MISPLACED = "Misplaced"
    OUTDATED = "Outdated"
    EXHAUSTED = "Exhausted"


@dataclass(frozen=True)
class Refusal:
    """Why a message is not processed: a reason, a clause for users, and the run that it says it is for."""

    reason: Reason
    because: str
    run: str | None = None


class _Refused(Exception):  # noqa: N818 - carries the refusal out of the steps
    def __init__(self, reason: Reason, because: str) -> None:
        super().__init__(because)
        self.refusal = Refusal(reason, because)


@dataclass(frozen=True)
class Check:
    """What a message has to be.

    Args:
        signing: the keys; None where messages are not signed.
        longest_seconds: age from which a message is not taken any more. It is the life of a run's record, so that a
            message that is delivered or played again always finds the record of what it did, and a stop of its run.
    """

    signing: Signing | None
    longest_seconds: float

    def refusal(self, message: bytes, queue: str, now: float) -> Refusal | None:
        """Return why a message is not to be processed; None for a sound one.

        Args:
            message: as it stood in the list.
            queue: whose list it stood in.
            now: seconds since the epoch.
        """
        run: str | None = None
        try:
            envelope = _envelope(message)
            run = _shown(envelope["headers"]["id"])
            body = _body(envelope)
            self._check_age(self._written(envelope, body, queue), now)
            _check_task(envelope, body, queue)
        except _Refused as refused:
            return replace(refused.refusal, run=run)
        return None

    def _written(self, envelope: Mapping[str, Any], body: bytes, queue: str) -> float | None:
        """Return when a message was written, seconds since the epoch; None where it does not say so."""
        headers = envelope["headers"]
        if self.signing is None:
            published = headers.get(PUBLISHED_AT)
            return float(published) if isinstance(published, int | float) else None
        signature = headers.get(SIGNATURE_HEADER)
        if not isinstance(signature, str):
            raise _Refused(Reason.UNSIGNED, "it has no signature")
        fields = SignedFields(headers["id"], headers["task"], headers["retries"], queue, body)
        try:
            return self.signing.verify(signature, fields)
        except Forged as error:
            raise _Refused(Reason.FORGED, str(error)) from error

    def _check_age(self, written: float | None, now: float) -> None:
        if written is not None and now - written > self.longest_seconds:
            raise _Refused(Reason.OUTDATED, f"it was written {now - written:.0f} seconds ago")


def _envelope(message: bytes) -> Mapping[str, Any]:
    try:
        envelope = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise _Refused(Reason.UNDECODABLE, "it is not JSON") from error
    match envelope:
        case {
            "body": str(),
            "headers": {"id": str(), "task": str(), "retries": int()} as headers,
            "properties": {
                "delivery_tag": str(),
                "body_encoding": "base64",
                "priority": int(),
                "delivery_info": {"exchange": "", "routing_key": str()} as info,
            } as properties,
        }:
            plain = [*headers.values(), *info.values()]
            plain += [value for name, value in properties.items() if name != "delivery_info"]
        case _:
            raise _Refused(Reason.NOT_A_TASK, "it has not the fields of a Celery message")
    set_by_others = any(headers.get(name) for name in NEVER_SET) or headers.get("timelimit") not in NO_LIMIT
    if set_by_others or not all(map(_plain, plain)):
        raise _Refused(Reason.NOT_A_TASK, "it has headers that the operator does not write")
    return dict(envelope)


def _shown(text: str) -> str:
    """Return the start of what a stranger wrote, safe for a line of the log: no new lines, nothing for terminals."""
    return text[:_LONGEST_SHOWN].encode("unicode_escape").decode()


def _plain(value: object) -> bool:
    """Whether a value is one that no reader of JSON takes for anything else, such as an object of a class."""
    if isinstance(value, list):
        return not any(isinstance(each, list | dict) for each in value)
    return not value if isinstance(value, dict) else True


def _body(envelope: Mapping[str, Any]) -> bytes:
    kind, encoding = envelope.get("content-type"), envelope.get("content-encoding")
    if kind != CONTENT_TYPE or encoding != CONTENT_ENCODING:
        raise _Refused(Reason.CONTENT_TYPE, f"its content is {_shown(str(kind))}, and only JSON in UTF-8 is taken")
    try:
        return base64.b64decode(envelope["body"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise _Refused(Reason.UNDECODABLE, "its body is not base64") from error


def _check_task(envelope: Mapping[str, Any], body: bytes, queue: str) -> None:
    headers, info = envelope["headers"], envelope["properties"]["delivery_info"]
    if headers["task"] not in TASK_NAMES:
        raise _Refused(Reason.UNKNOWN_TASK, f"this version knows no task {_shown(headers['task'])}")
    task = _task(body)
    if task.run != headers["id"] or f"{TASK_PREFIX}{task.kind}" != headers["task"]:
        raise _Refused(Reason.NOT_A_TASK, "its headers are of another run than its body")
    if not task.queue == info["routing_key"] == queue:
        raise _Refused(Reason.MISPLACED, f"it belongs to the queue {_shown(str(task.queue))}")


def _task(body: bytes) -> Task:
    try:
        match orjson.loads(body):
            case [[dict(task)], dict(keywords), dict(follow_ups)] if not keywords and not any(follow_ups.values()):
                return Task.from_json(task)
    except orjson.JSONDecodeError as error:
        raise _Refused(Reason.UNDECODABLE, "its body is not JSON") from error
    except (TypeError, KeyError, ValueError) as error:
        raise _Refused(Reason.NOT_A_TASK, "its body is no task of this version") from error
    raise _Refused(Reason.NOT_A_TASK, "its body does not have the arguments of a task")
