"""The worker's transport: unsound messages stay outside, and a failed acknowledgement stops nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.exceptions import (
    ConnectionError,  # noqa: A004 - Redis' own
    NoScriptError,
    ReadOnlyError,
    RedisError,
    TimeoutError,  # noqa: A004 - likewise
)

from tests.fakes.dead_letters import InMemoryDeadLetters
from tests.fakes.redis_content import Server
from tests.unit.worker.scripted_redis import QUEUE, Script, brpop, deliver, kept, open_channel
from tests.unit.worker.simple_task import task
from twin_operator.adapters.redis_queue.bad_records import BadRecords
from twin_operator.adapters.redis_queue.delivery import Check
from twin_operator.adapters.redis_queue.message import Messages
from twin_operator.worker.transport import Guard

logger = logging.getLogger(__name__)
ERRORS = [ConnectionError("gone"), TimeoutError("slow"), ReadOnlyError("a replica now")]


@dataclass
class Door:
    """A guard with what it did."""

    server: Server = field(default_factory=lambda: Server(lambda: 0.0))
    counted: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    @property
    def guard(self) -> Guard:
        return Guard(
            Check(None, 60), InMemoryDeadLetters(self.server), "one", self.counted.append, BadRecords(self.found.append)
        )

    def letters(self) -> list[tuple[str, str, bytes]]:
        """Return worker, queue and message of each dead letter."""
        newest = InMemoryDeadLetters(self.server).newest(10)
        return [(letter.worker, letter.queue, letter.message) for letter in newest]


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def channel(script: Script, door: Door) -> Iterator[Any]:
    channel = open_channel(script, door.guard)
    yield channel
    script.error = None
    channel.close()


def acknowledge(message: Any) -> None:
    message.ack_log_error(logger, (RedisError,))


def reject(message: Any) -> None:
    message.reject_log_error(logger, (RedisError,))


def requeue(message: Any) -> None:
    message.reject_log_error(logger, (RedisError,), requeue=True)


ENDS = [acknowledge, reject, requeue]


def test_a_worker_at_its_prefetch_count_takes_no_further_message(channel: Any) -> None:
    deliver(channel, "first")
    assert channel.qos.can_consume() is False


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("error", ERRORS)
def test_a_delivery_that_redis_could_not_be_told_the_end_of_makes_room_all_the_same(
    channel: Any, script: Script, end: Callable[[Any], None], error: Exception
) -> None:
    message = deliver(channel, "first")
    script.error = error
    end(message)
    assert channel.qos.can_consume() is True


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("end", ENDS)
def test_one_delivery_that_failed_to_end_makes_room_for_one_only(
    channel: Any, script: Script, end: Callable[[Any], None], error: Exception
) -> None:
    message = deliver(channel, "first")
    script.error = error
    end(message)
    script.error = None
    deliver(channel, "second")
    assert channel.qos.can_consume() is False


def test_the_end_of_a_delivery_of_an_earlier_channel_makes_no_room(channel: Any) -> None:
    deliver(channel, "first")
    channel.basic_ack("of an earlier channel")
    assert channel.qos.can_consume() is False


def test_a_delivery_that_is_forgotten_makes_room_and_stays_in_redis(channel: Any, script: Script) -> None:
    deliver(channel, "first")
    script.commands.clear()
    channel.qos.forget("first")
    assert channel.qos.can_consume() is True
    assert script.commands == []


@pytest.mark.parametrize("end", [acknowledge, reject])
def test_what_is_acknowledged_or_rejected_is_gone_from_redis(
    channel: Any, script: Script, end: Callable[[Any], None]
) -> None:
    message = deliver(channel, "first")
    script.commands.clear()
    end(message)
    assert ("ZREM", "twinops:unacked_index", "first") in script.commands
    assert ("HDEL", "twinops:unacked", "first") in script.commands
    assert channel.qos.can_consume() is True


def test_what_is_rejected_with_requeue_goes_behind_all_others_of_its_queue(channel: Any, script: Script) -> None:
    message = deliver(channel, "first")
    script.hashes["first"] = kept(message)
    script.commands.clear()
    requeue(message)
    pushed = [command[:2] for command in script.commands if str(command[0]).endswith("PUSH")]
    assert pushed == [("LPUSH", f"twinops:{QUEUE}")]
    assert channel.qos.can_consume() is True


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"nonsense", ["delivered"]),
        (b"[1]", ["delivered"]),
        (b"{}", ["delivered"]),
        (b"\xff", ["delivered"]),
        (b'["x", "", "q"]', []),  # kombu drops these itself, with a line in the log
        (b'[{"headers": 1}, "", "q"]', []),
    ],
)
def test_a_delivered_message_that_cannot_be_read_is_dropped_and_the_next_is_returned(
    channel: Any, script: Script, door: Door, content: bytes, found: list[str]
) -> None:
    message = deliver(channel, "first")
    script.hashes |= {"first": kept(message), "bad": content}
    script.commands.clear()
    for tag in ("bad", "first"):
        channel.qos.restore_by_tag(tag)
    assert ("HDEL", "twinops:unacked", "bad") in script.commands
    assert ("ZREM", "twinops:unacked_index", "bad") in script.commands
    assert [command[:2] for command in script.commands if str(command[0]).endswith("PUSH")] == [
        ("RPUSH", f"twinops:{QUEUE}")
    ]
    assert door.found == found


def test_a_delivered_message_stays_while_redis_does_not_answer(channel: Any, script: Script, door: Door) -> None:
    script.error = ConnectionError("gone")
    with pytest.raises(ConnectionError):
        channel.qos.restore_by_tag("first")
    assert door.found == []


def test_a_worker_goes_on_where_redis_forgot_the_script_that_ends_the_lock(
    channel: Any, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    script.error = NoScriptError("NOSCRIPT")
    channel.qos.restore_visible(interval=1)
    assert "are returned later: NOSCRIPT" in caplog.text


def test_a_worker_does_not_load_a_script_that_redis_forgot(channel: Any, script: Script) -> None:
    script.commands.clear()
    with pytest.raises(NoScriptError, match="the operator loads them"):
        channel.client.script_load("return 1")
    assert script.commands == []


def test_a_worker_that_begins_to_serve_a_queue_writes_no_binding(channel: Any, script: Script) -> None:
    script.commands.clear()
    channel._queue_bind(QUEUE, QUEUE, "", QUEUE)  # noqa: SLF001 - as kombu does for each queue
    assert script.commands == []


def test_a_sound_message_comes_in(channel: Any, script: Script, door: Door) -> None:
    sound = task()
    _, message = Messages().write(sound)
    script.popped.append((f"twinops:{QUEUE}".encode(), message))
    (taken,) = brpop(channel)
    assert taken["headers"]["id"] == sound.run
    assert door.counted == []


@pytest.mark.parametrize("step", ["", "\x06\x163"])
def test_an_unsound_message_becomes_a_dead_letter_of_the_queue_whose_list_it_stood_in(
    channel: Any, script: Script, door: Door, step: str
) -> None:
    script.popped.append((f"twinops:{QUEUE}{step}".encode(), b"no JSON"))
    assert brpop(channel) == []
    assert door.counted == ["Undecodable"]
    assert door.letters() == [("one", QUEUE, b"no JSON")]


def test_an_empty_queue_makes_no_dead_letter(channel: Any, door: Door) -> None:
    assert brpop(channel) == []
    assert (door.counted, door.letters()) == ([], [])


def test_a_dead_letter_that_redis_does_not_take_is_logged_and_does_not_stop_the_worker(
    channel: Any, script: Script, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    door.server.reachable = False
    script.popped.append((f"twinops:{QUEUE}".encode(), b"no JSON"))
    assert brpop(channel) == []
    assert door.counted == ["Undecodable"]
    assert "is a dead letter, Undecodable" in caplog.text
    assert "not kept: Connection refused." in caplog.text


def test_two_workers_in_one_process_have_a_guard_each(script: Script) -> None:
    first, second = (open_channel(script, Door().guard) for _ in range(2))
    assert first.guard is not second.guard
    first.close()
    second.close()
