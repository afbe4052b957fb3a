"""Celery's own parts as a worker puts them together, without processes.

Requests made from messages, what a child process does with them, and a channel and an event dispatcher that keep what
they are asked to do.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from billiard.einfo import ExceptionInfo
from celery import Celery
from celery.app.trace import trace_task
from celery.worker.request import Request
from kombu.transport.virtual import Message

from tests.unit.worker.simple_task import QUEUE
from twin_operator.adapters.redis_queue.message import Messages
from twin_operator.services.runs.run import Task
from twin_operator.settings import Settings
from twin_operator.worker.celery_app import create_app
from twin_operator.worker.tasks import Frame, register

NO_ERRORS: tuple[type[Exception], ...] = ()  # that an acknowledgement may meet


@dataclass
class Events:
    """Keeps the events that it is to send."""

    enabled: bool = True
    sent: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def send(self, type: str, **fields: Any) -> None:  # noqa: A002 - Celery's name
        self.sent.append((type, fields))


@dataclass
class Channel:
    """Keeps how deliveries ended."""

    no_ack_consumers: None = None
    ended: list[str] = field(default_factory=list)

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - kombu's
        self.ended.append("acknowledged")

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - kombu's
        self.ended.append("requeued" if requeue else "rejected")

    @property
    def qos(self) -> Channel:
        return self

    def forget(self, delivery_tag: str) -> None:  # noqa: ARG002 - the name is ours
        self.ended.append("left")

    def decode_body(self, body: str, _encoding: str) -> bytes:
        return base64.b64decode(body)


def no_frame() -> Frame:
    """Stand for the frame of a child process where no task is carried out."""
    raise AssertionError("a parent process carries out no task")


def application(request: type[Request] = Request, frame: Any = no_frame) -> Celery:
    """Return the worker's application with its tasks."""
    app = create_app(Settings(), [QUEUE])
    register(app, frame, request)
    return app


def request_of(
    kind: type[Request],
    work: Task,
    events: Events | None = None,
    channel: Channel | None = None,
    app: Celery | None = None,
) -> Any:
    """Return the request that the worker makes of the message of a task."""
    app = app or application(kind)
    raw = orjson.loads(Messages().write(work)[1])
    deaf: Any = channel or Channel()
    message: Any = Message(raw, channel=deaf)
    return kind(
        message,
        app=app,
        hostname="light@one",
        eventer=events,
        task=app.tasks[f"twinops.{work.kind}"],
        connection_errors=NO_ERRORS,
        on_ack=lambda _logger, _errors: message.ack(),
        on_reject=lambda _logger, _errors, requeue: message.reject(requeue=requeue),
    )


def traced(app: Celery, work: Task) -> Any:
    """Carry out the message of a task as a child process does; return what it hands to its parent."""
    request = request_of(Request, work, app=app)
    return trace_task(
        request.task, request.id, request.args, request.kwargs, request.request_dict, hostname="light@one", app=app
    )


def information(error: BaseException) -> ExceptionInfo:
    """Return an error as a child process hands it to its parent."""
    try:
        raise error  # noqa: TRY301 - ExceptionInfo describes the error that is being handled
    except BaseException:  # noqa: BLE001 - any of them
        return ExceptionInfo()
