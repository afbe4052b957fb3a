"""Messages of tasks, sound ones and such as strangers write."""

from __future__ import annotations

import base64
import json
from typing import Any

from twin_operator.adapters.redis_queue.message import Messages, Signing
from twin_operator.services.runs.run import Target, Task, TaskKind

KEY = b"a key of thirty-two characters!!"
OTHER_KEY = b"another key, of as many letters!"


def task(run: str = "run-1", kind: TaskKind = TaskKind.SIMULATE, queue: str = "simulations") -> Task:
    return Task(run, kind, queue, Target("Simulation", "n", "s", run), 3, {"spec": {}})


def written(work: Task | None = None, key: bytes | None = KEY) -> bytes:
    """Return a message as the operator writes it."""
    return Messages(None if key is None else Signing(key)).write(work or task())[1]


def changed(message: bytes, *path: str, value: Any) -> bytes:
    """Return a message with another value at a path of fields."""
    envelope = json.loads(message)
    place = envelope
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return json.dumps(envelope).encode()


def without(message: bytes, *path: str) -> bytes:
    """Return a message that lacks a field."""
    envelope = json.loads(message)
    place = envelope
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return json.dumps(envelope).encode()


def body_of(value: bytes) -> str:
    """Return a body as it travels."""
    return base64.b64encode(value).decode()
