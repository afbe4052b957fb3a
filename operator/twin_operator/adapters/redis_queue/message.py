"""How a task is written as a Celery message (protocol 2) in a Redis list: headers, properties, body, and its signature.

The signature shows that who holds the key wrote the message, for this run, this attempt and this queue: HMAC-SHA-256
(RFC 2104) over the fields, each behind its length, so that no two messages have the same text. What is signed is the
body's bytes as they travel: it is checked before they are read.
"""

import base64
import hashlib
import hmac
import re
import uuid
from dataclasses import dataclass
from time import time
from typing import Final

import orjson
from celery import Celery

from twin_operator.adapters.redis_queue import keys
from twin_operator.services.runs.run import JSON, Target, Task, TaskKind, TaskMessage
from twin_operator.services.runs.tracing import traceparent_of

SIGNATURE_HEADER: Final = "twinops-signature"
SCHEME: Final = "v1"
_ID_DIGITS: Final = 8  # hexadecimal digits of a digest of the key: distinguishes keys, and reveals nothing about them
_LENGTH_BYTES: Final = 8  # of the number in front of a field
_FORM: Final = re.compile(rf"{SCHEME}:([0-9a-f]{{{_ID_DIGITS}}}):([0-9]{{1,12}}):([0-9a-f]{{64}})", re.ASCII)
LEAST_PRIORITY: Final = 9  # api.md: 9 is the most urgent; kombu pops 0 first


@dataclass(frozen=True)
class SignedFields:
    """What a signature covers.

    Attributes:
        id: the message's, which is the run's.
        task: name of the Celery task.
        attempt: Celery's count of retries, as the message has it.
        queue: where the message is put, and where it has to be taken from.
        body: bytes as they travel, not decoded.
    """

    id: str
    task: str
    attempt: int
    queue: str
    body: bytes


class Forged(Exception):  # noqa: N818 - a fact about a message
    """The signature is not one of this message by a known key; the text says how it fails, for the log."""


@dataclass(frozen=True)
class Signing:
    """The installation's keys.

    Args:
        key: signs, and is accepted.
        previous: is accepted as well, while messages signed with it may be on their way; empty without one.
    """

    key: bytes
    previous: bytes = b""

    def sign(self, fields: SignedFields, moment: int) -> str:
        """Return the header's value; `moment` of signing in seconds since the epoch."""
        return f"{SCHEME}:{_key_id(self.key)}:{moment}:{_code(self.key, fields, moment).hex()}"

    def verify(self, signature: str, fields: SignedFields) -> int:
        """Return when the message was signed, in seconds since the epoch.

        Raises:
            Forged: no holder of a key signed these fields.
        """
        written = _FORM.fullmatch(signature)
        if written is None:
            raise Forged("its signature is not written as this version writes them")
        key_id, moment, code = written.groups()
        known = {_key_id(key): key for key in (self.previous, self.key) if key}
        if key_id not in known:
            raise Forged(f"it is signed with the key {key_id}, which is not known here")
        if not hmac.compare_digest(_code(known[key_id], fields, int(moment)), bytes.fromhex(code)):
            raise Forged("its signature does not fit what it says")
        return int(moment)


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"twinops key id\0" + key).hexdigest()[:_ID_DIGITS]


def _code(key: bytes, fields: SignedFields, moment: int) -> bytes:
    values = (fields.id, fields.task, str(fields.attempt), fields.queue, str(moment))
    encoded = [SCHEME.encode(), *(value.encode() for value in values), fields.body]
    text = b"".join(len(each).to_bytes(_LENGTH_BYTES, "big") + each for each in encoded)
    return hmac.digest(key, text, "sha256")


class Messages:
    """Builds messages; one a process, as Celery's own builder needs an application.

    Args:
        signing: signs them; None where messages are not signed.
    """

    def __init__(self, signing: Signing | None = None) -> None:
        self._signing = signing
        self._celery = Celery("twinops", set_as_current=False)

    def write(self, task: Task) -> tuple[str, bytes]:
        """Return the list that the message of `task` belongs into, and the message."""
        priority = LEAST_PRIORITY - task.priority
        message = self._celery.amqp.as_task_v2(
            task.run, f"twinops.{task.kind}", args=(task.to_json(),), ignore_result=True, argsrepr="(task,)"
        )
        body = orjson.dumps(message.body, default=list)
        envelope = {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                **message.headers,
                keys.PUBLISHED_AT: time(),
                **_tracing(task),
                **self._signature(task, message.headers, body),
            },
            "properties": _properties(task, priority, message.properties),
        }
        return keys.queue_key(task.queue, priority), orjson.dumps(envelope)

    def _signature(self, task: Task, headers: JSON, body: bytes) -> JSON:
        if self._signing is None:
            return {}
        fields = SignedFields(headers["id"], headers["task"], headers["retries"], task.queue, body)
        return {SIGNATURE_HEADER: self._signing.sign(fields, int(time()))}


def run_of(message: bytes) -> str | None:
    """Return the run that a message says it is for; None of what is no message: any client may have put it there."""
    try:
        return str(orjson.loads(message)["headers"]["id"])
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return None


def target_of(message: bytes) -> Target | None:
    """Return the object that a message says it is for; None of what is no message of ours: any client may write one."""
    try:
        ((task,), _keywords, _follow_ups) = orjson.loads(base64.b64decode(orjson.loads(message)["body"]))
        target = Target(**task["target"])
        named = keys.is_named(target)
    except (ValueError, LookupError, TypeError):
        return None
    return target if named else None


def task_message_of(message: bytes) -> tuple[str, TaskMessage] | None:
    """Return the run of a message, and what it takes of its queue; None of a Simulation's, and of one not ours."""
    try:
        envelope = orjson.loads(message)
        headers, queue = envelope["headers"], envelope["properties"]["delivery_info"]["routing_key"]
        run, is_simulation = str(headers["id"]), headers["task"] == f"twinops.{TaskKind.SIMULATE}"
    except (ValueError, LookupError, TypeError):
        return None
    target = None if is_simulation else target_of(message)
    return None if target is None else (run, TaskMessage(target.namespace, str(queue), len(message)))


def _tracing(task: Task) -> dict[str, str]:
    """Return the header by which OpenTelemetry's instrumentation of Celery continues a trace."""
    return {} if task.trace is None else {"traceparent": traceparent_of(task.trace.context)}


def _properties(task: Task, priority: int, properties: JSON) -> JSON:
    return {
        **properties,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": task.queue},
        "priority": priority,
        "body_encoding": "base64",
        "delivery_tag": str(uuid.uuid4()),
    }
