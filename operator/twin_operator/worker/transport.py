"""kombu's Redis transport with a guard at the door: each message is judged as it comes off its list.

Celery's own hooks (on_decode_error and the like) come too late: kombu has parsed the envelope by then, and an envelope
that it cannot parse ends the consuming loop with the message gone. The list that a message was taken from is known
here and only here; what a message says of its queue is the sender's word.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import time
from typing import Any, Protocol

from kombu.transport import redis as kombu_redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.bad_records import BadRecords, RecordKind
from twin_operator.adapters.redis_queue.delivery import Check, Refusal

logger = logging.getLogger(__name__)


class Letters(Protocol):
    """Where dead letters go."""

    def add(self, message: bytes, queue: str, refusal: Refusal, worker: str) -> str:
        """Keep a message that `worker` took from `queue`; return its entry."""


@dataclass(frozen=True)
class Guard:
    """Lets sound messages in and makes dead letters of the others.

    Args:
        check: what is sound.
        letters: where the others go.
        worker: this worker's name.
        count: called with the reason of each dead letter.
        bad: counts other records that cannot be read.
    """

    check: Check
    letters: Letters
    worker: str
    count: Callable[[str], None]
    bad: BadRecords

    def drop_record(self, run: str) -> None:
        """Count a run's record that a claim could not read, and dropped."""
        self.bad.found(RecordKind.RUN, keys.run_key(run))

    def lets_in(self, message: bytes, queue: str) -> bool:
        """Judge a message that was taken from the list of `queue`; put it aside when it is not sound."""
        refusal = self.check.refusal(message, queue, time())
        if refusal is not None:
            self.put_aside(message, queue, refusal)
        return refusal is None

    def put_aside(self, message: bytes, queue: str, refusal: Refusal) -> None:
        """Make a dead letter of a message, count it and say so in one line; a Redis that is down does not stop us."""
        self.count(refusal.reason)
        try:
            entry = self.letters.add(message, queue, refusal, self.worker)
        except RedisError as error:
            entry = f"(not kept: {error})"
        logger.error(
            "A message of the queue %s is a dead letter, %s: %s; run %s, entry %s.",
            queue,
            refusal.reason,
            refusal.because,
            refusal.run,
            entry,
        )


class _GuardedRedis(kombu_redis.PrefixedStrictRedis):
    """A client whose BRPOP answers as if its time had run out where the guard turns the message away."""

    def __init__(self, *args: object, guard: Guard, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard

    def parse_response(self, connection: object, command_name: str, **options: object) -> object:
        answer: Any = super().parse_response(connection, command_name, **options)
        if command_name != "BRPOP" or not answer:
            return answer
        key, message = answer
        queue = key.decode().partition(keys.PRIORITY_SEPARATOR)[0]
        return answer if self._guard.lets_in(bytes(message), queue) else None

    def script_load(self, _script: object) -> str:
        """Load no script, as the client's lock would where Redis forgot its scripts: only the operator may, and does.

        Raises:
            NoScriptError: always.
        """
        raise NoScriptError("Redis forgot its scripts; the operator loads them again.")


class _RobustQoS(kombu_redis.QoS):
    """Forgets a delivery before it asks Redis to, so that one failed acknowledgement does not stop all consuming.

    kombu asks Redis first. When that fails, the delivery tag still counts against the prefetch count, and Celery logs
    the error and goes on: no further BRPOP is sent, so nothing notices that the connection is lost either. A message
    that Redis still keeps is delivered again after its visibility timeout; its claim is refused if the run has ended.
    """

    channel: Any  # a `_GuardedChannel`
    _quick_ack: Callable[[str], None]  # kombu's; its type stubs lack both
    _remove_from_indices: Callable[[str | bytes], Any]

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a delivery.

        Raises:
            RedisError: Redis could not be asked; the delivery does not count any more all the same.
        """
        self.forget(delivery_tag)
        self._remove_from_indices(delivery_tag).execute()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Reject a delivery; with `requeue` its message goes behind all others of its queue.

        Raises:
            RedisError: as `ack`.
        """
        self.forget(delivery_tag)
        if requeue:
            self.restore_by_tag(delivery_tag, leftmost=True)
        else:
            self._remove_from_indices(delivery_tag).execute()

    def forget(self, delivery_tag: str) -> None:
        """Make room for another message; Redis keeps this one, and delivers it again after its visibility timeout."""
        if delivery_tag in (self._delivered or ()):  # a tag that is not there would make room for one message too many
            self._quick_ack(delivery_tag)

    def restore_visible(self, start: int = 0, num: int = 10, interval: int = 10) -> None:
        """Return messages whose visibility timeout has passed, if no other worker does so now."""
        try:
            super().restore_visible(start, num, interval)
        except ResponseError as error:  # such as the script that ends the lock, which Redis forgot: it ends by itself
            logger.warning("Messages of workers that vanished are returned later: %s", error)

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002 - kombu's
        """Return a message to its queue; what is no message is dropped, or none after it would be returned.

        Raises:
            RedisError: Redis could not be asked.
        """
        try:
            super().restore_by_tag(tag, client, leftmost)
        except RedisError:
            raise
        except Exception:  # noqa: BLE001 - kombu reads it without a check, so that it may fail in any way
            self._drop(tag)

    def _drop(self, tag: str | bytes) -> None:
        shown = tag.decode(errors="replace") if isinstance(tag, bytes) else tag
        self.channel.guard.bad.found(RecordKind.DELIVERED, f"{keys.UNACKED} {shown}")
        self._remove_from_indices(tag).execute()


class _GuardedChannel(kombu_redis.Channel):
    QoS = _RobustQoS
    guard: Guard

    def _queue_bind(self, *_binding: object) -> None:
        """Write no binding: the list of a queue has its name, so none is read, and no user needs the right."""

    def _get_client(self) -> Callable[..., _GuardedRedis]:
        return partial(_GuardedRedis, guard=self.guard, global_keyprefix=self.global_keyprefix)


def guarded_transport(guard: Guard) -> type[kombu_redis.Transport]:
    """Return a transport class for `broker_transport`; kombu makes its objects, so the guard is part of the class."""
    channel = type("Channel", (_GuardedChannel,), {"guard": guard})
    return type("Transport", (kombu_redis.Transport,), {"Channel": channel})
