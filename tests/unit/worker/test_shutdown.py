"""The end of a worker: what is in progress finishes, or is given back before the grace period is over."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from celery.signals import worker_ready
from celery.worker import state
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.fakes.dead_letters import InMemoryDeadLetters
from tests.fakes.queue import InMemoryQueue
from tests.unit.worker.scripted_redis import Script, deliver, kept, open_channel
from tests.unit.worker.simple_task import QUEUE, RUN, Clock, task
from twin_operator.adapters.redis_queue.bad_records import BadRecords
from twin_operator.adapters.redis_queue.delivery import Check
from twin_operator.worker.shutdown import Grace, seconds_to_finish
from twin_operator.worker.transport import Guard

WITHIN = 120  # seconds for a thread that has nothing to wait for, and the machine may be busy
LONG = 60.0  # seconds of grace that no test waits for


@dataclass(eq=False)
class Request:
    """A request in progress, as much of it as its end needs."""

    id: str
    message: Any
    delivery_info: dict[str, str] = field(default_factory=lambda: {"routing_key": QUEUE})


@dataclass
class Parent:
    """A parent process that has begun to serve, with one run in progress."""

    script: Script = field(default_factory=Script)
    killed: int = 0
    code: int | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.queue = InMemoryQueue(Clock())
        self.claims = self.queue.claims("one")
        guard = Guard(
            Check(None, 60),
            InMemoryDeadLetters(self.queue.server),
            "one",
            lambda _reason: None,
            BadRecords(lambda _kind: None),
        )
        self.channel = open_channel(self.script, guard)
        self.claims.claim(task())
        self.request = self.begin(RUN)

    def begin(self, run: str) -> Request:
        """Have a request in progress."""
        message = deliver(self.channel, f"tag of {run}")
        self.script.hashes[f"tag of {run}"] = kept(message)
        request = Request(run, message)
        state.reserved_requests.add(request)
        return request

    def serve(self, seconds: float) -> Grace:
        """Install the grace, as a worker that becomes ready does."""
        grace = Grace(seconds, self.claims.give_back_of_worker, self._kill, self._end)
        grace.install()
        worker_ready.send(sender=None)
        return grace

    def attempts(self) -> int:
        return self.claims.attempts(RUN)

    def returned(self) -> list[tuple[Any, ...]]:
        """Return the commands by which messages went back."""
        return [command[:2] for command in self.script.commands if command[0] in {"LPUSH", "RPUSH"}]

    def _kill(self) -> None:
        self.killed += 1
        if self.error is not None:
            raise self.error

    def _end(self, code: int) -> None:
        self.code = code
        self.ended.set()


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    receivers = list(worker_ready.receivers or ())
    yield
    worker_ready.receivers = receivers
    for number, handler in handlers.items():
        signal.signal(number, handler)
    state.should_stop = None
    state.reset_state()


@pytest.fixture
def parent() -> Iterator[Parent]:
    parent = Parent()
    yield parent
    parent.script.error = None
    parent.channel.close()


@pytest.mark.parametrize(("grace", "seconds"), [(120, 110), (60, 54), (10, 9), (1, 0.9)])
def test_a_tenth_of_the_grace_and_at_most_ten_seconds_are_kept_for_giving_back(grace: float, seconds: float) -> None:
    assert seconds_to_finish(grace) == seconds


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_taking_of_messages_and_nothing_that_is_in_progress(
    parent: Parent, number: signal.Signals
) -> None:
    parent.serve(LONG)
    assert state.should_stop is None
    signal.raise_signal(number)
    assert state.should_stop == 0
    assert (parent.killed, parent.attempts(), parent.ended.is_set()) == (0, 1, False)


def test_what_outlasts_the_grace_is_given_back_and_the_process_ends(parent: Parent) -> None:
    parent.serve(0.01)
    signal.raise_signal(signal.SIGTERM)
    assert parent.ended.wait(WITHIN)
    assert (parent.killed, parent.attempts(), parent.code) == (1, 0, 0)


def test_a_message_that_is_given_back_goes_to_the_front_of_its_queue(parent: Parent) -> None:
    parent.serve(0.01)
    signal.raise_signal(signal.SIGTERM)
    assert parent.ended.wait(WITHIN)
    assert parent.returned() == [("RPUSH", f"twinops:{QUEUE}")]


def test_a_second_signal_gives_back_at_once(parent: Parent) -> None:
    parent.serve(LONG)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert parent.ended.wait(WITHIN)
    assert (parent.attempts(), parent.code) == (0, 0)


def test_children_that_die_from_then_on_are_known_to_have_been_ended_here(parent: Parent) -> None:
    grace = parent.serve(LONG)
    signal.raise_signal(signal.SIGTERM)
    assert grace.returning is False
    signal.raise_signal(signal.SIGTERM)
    assert parent.ended.wait(WITHIN)
    assert grace.returning is True


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), AttributeError("a channel without a connection")])
def test_a_run_that_cannot_be_given_back_keeps_neither_the_others_nor_the_process(
    parent: Parent, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(_tag: str) -> None:
        raise error

    qos = SimpleNamespace(restore_by_tag=failing)
    lost = Request("lost", SimpleNamespace(channel=SimpleNamespace(qos=qos), delivery_tag="lost"))
    state.reserved_requests.add(lost)
    parent.serve(0.01)
    signal.raise_signal(signal.SIGTERM)
    assert parent.ended.wait(WITHIN)
    assert (parent.attempts(), parent.code, len(parent.returned())) == (0, 0, 1)
    assert "Run lost returns when its message's visibility ends" in caplog.text


def test_the_process_ends_even_if_its_children_cannot_be_killed(
    parent: Parent, caplog: pytest.LogCaptureFixture
) -> None:
    parent.error = PermissionError("not a child of ours")
    parent.serve(0.01)
    signal.raise_signal(signal.SIGTERM)
    assert parent.ended.wait(WITHIN)
    assert parent.code == 0
    assert "not a child of ours" in caplog.text


def test_a_run_that_this_worker_does_not_hold_any_more_goes_back_without_a_word(
    parent: Parent, caplog: pytest.LogCaptureFixture
) -> None:
    parent.claims.fail_attempt(task(), "over")
    parent.serve(0.01)
    signal.raise_signal(signal.SIGTERM)
    assert parent.ended.wait(WITHIN)
    assert (parent.attempts(), len(parent.returned())) == (1, 1)
    assert "did not finish in its time" not in caplog.text
