"""How a task is written as a Celery message (protocol 2) in a Redis list: headers, properties, body."""

import base64
import uuid
from time import time
from typing import Final

import orjson
from celery import Celery

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.signature import HEADER, SignedFields, Signing
from twin_operator.services.runs.run import JSON, Task
from twin_operator.services.runs.tracing import traceparent_of

LEAST_PRIORITY: Final = 9  # api.md: 9 is the most urgent; kombu pops 0 first


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
        return {HEADER: self._signing.sign(fields, int(time()))}


def run_of(message: bytes) -> str | None:
    """Return the run that a message says it is for; None of what is no message: anybody may have put it there."""
    try:
        return str(orjson.loads(message)["headers"]["id"])
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return None


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
