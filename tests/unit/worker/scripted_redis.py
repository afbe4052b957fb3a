"""Redis as a client's connection meets it, without a server: each command is noted and answered from a script."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

import orjson
from kombu import Connection as Broker
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.retry import Retry

from twin_operator.adapters.redis_queue import keys
from twin_operator.worker.transport import Guard, guarded_transport

Command = tuple[Any, ...]
QUEUE = "simulations"


@dataclass
class Script:
    """What Redis answers.

    Args:
        error: raised by each command while it is set.
        hashes: answers of HGET by field.
        popped: answers of BRPOP, in their order.
    """

    error: Exception | None = None
    hashes: dict[str, bytes] = field(default_factory=dict)
    popped: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    commands: list[Command] = field(default_factory=list)
    _pending: deque[Any] = field(default_factory=deque)
    _queued: list[Any] | None = None

    def send(self, command: Command) -> None:
        """Take a command."""
        if self.error is not None:
            raise self.error
        self.commands.append(command)
        self._pending.append(self._answer(str(command[0]), command))

    def receive(self) -> Any:
        """Return the next answer."""
        return self._pending.popleft()

    def names(self) -> list[str]:
        """Return the names of the commands so far."""
        return [str(command[0]) for command in self.commands]

    def _answer(self, name: str, command: Command) -> Any:
        if name == "MULTI":
            self._queued = []
            return b"OK"
        if name == "EXEC":
            queued, self._queued = self._queued or [], None
            return queued
        if self._queued is not None:
            self._queued.append(1)
            return b"QUEUED"
        if name == "HGET":
            return self.hashes.get(str(command[2]))
        if name == "BRPOP":
            return list(self.popped.popleft()) if self.popped else None
        return {"PING": b"PONG", "WATCH": b"OK", "UNWATCH": b"OK"}.get(name, 1)


class ScriptedConnection(Connection):
    """A connection that is answered from its script and opens no socket."""

    script: Script

    def __init__(self, **options: Any) -> None:
        once = Retry(NoBackoff(), 0)  # no test waits for a script to change
        super().__init__(**options, retry=once)  # type: ignore[no-untyped-call]

    def connect(self) -> None:
        self._sock: Any = object()

    def disconnect(self, *_args: object, **_options: object) -> None:
        self._sock = None

    def can_read(self, timeout: float = 0) -> bool:  # noqa: ARG002 - the name is redis-py's
        return False

    def pack_command(self, *args: Any) -> list[Command]:
        return [args]

    def pack_commands(self, commands: Any) -> list[Command]:
        return [tuple(command) for command in commands]

    def send_command(self, *args: Any, **_options: object) -> None:
        self.script.send(args)

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002
        for each in command:
            self.script.send(each)

    def read_response(self, *_args: object, **_options: object) -> Any:
        return self.script.receive()


def open_channel(script: Script, guard: Guard) -> Any:
    """Return a channel of our transport that a worker with one child consumes from."""
    transport: Any = guarded_transport(guard)
    transport.Channel.connection_class = type("Scripted", (ScriptedConnection,), {"script": script})
    options = {"global_keyprefix": keys.PREFIX, "priority_steps": list(keys.PRIORITY_STEPS)}
    channel: Any = Broker(transport=transport, hostname="nowhere", transport_options=options).channel()
    channel.basic_qos(prefetch_count=1)
    return channel


def deliver(channel: Any, tag: str) -> Any:
    """Have the channel take a message of that delivery tag; return the message."""
    info = {"exchange": "", "routing_key": QUEUE}
    raw = {"body": "", "headers": {}, "properties": {"delivery_tag": tag, "delivery_info": info, "priority": 0}}
    message = channel.Message(raw, channel=channel)
    channel.qos.append(message, tag)
    return message


def brpop(channel: Any) -> list[Any]:
    """Have the channel ask for a message once, as the event loop does; return what it took."""
    taken: list[Any] = []
    channel.connection._callbacks[QUEUE] = taken.append  # noqa: SLF001 - as basic_consume does
    channel._active_queues = [QUEUE]  # noqa: SLF001 - likewise
    channel._update_queue_cycle()  # noqa: SLF001 - likewise
    channel.client.connection = channel.client.connection_pool.get_connection()
    channel._brpop_start()  # noqa: SLF001 - as the poller does
    with suppress(Empty):
        channel._brpop_read()  # noqa: SLF001 - likewise
    return taken


def kept(message: Any) -> bytes:
    """Return what kombu keeps of a delivered message in its hash `unacked`."""
    return orjson.dumps([message._raw, "", QUEUE])  # noqa: SLF001 - kombu reads it too
