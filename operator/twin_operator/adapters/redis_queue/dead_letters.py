"""Dead letters: messages that cannot be processed, the newest of them, for users to inspect.

A Redis stream, bounded in entries and in bytes an entry. It is no ledger: the run of a message that is here is nowhere
else, so the operator publishes it again from its object, or has written there why it failed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ResponseError

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.bad_records import KeyTypes
from twin_operator.adapters.redis_queue.delivery import Refusal

MOST: Final = 1_000  # entries; with the next one, at most 32 MB of Redis
LONGEST_MESSAGE: Final = 32_768  # bytes that are kept of a message: three times what a Simulation's takes
_MILLISECOND: Final = 1e-3


@dataclass(frozen=True)
class DeadLetter:
    """One of them.

    Attributes:
        id: of the entry, for the commands.
        time: when it was put aside, seconds since the epoch by Redis' clock.
        queue: whose list it stood in.
        reason: why, in a word of `delivery.Reason` (of the version that put it aside).
        because: why, in a clause.
        run: that the message says it is for; None where it says none.
        worker: that took it.
        size: bytes of the message.
        message: those bytes, or the first of them.
    """

    id: str
    time: float
    queue: str
    reason: str
    because: str
    run: str | None
    worker: str
    size: int
    message: bytes

    @property
    def cut(self) -> bool:
        """Whether some of the message was not kept."""
        return self.size > len(self.message)


@dataclass(frozen=True)
class DeadLetters:
    """The stream, for a worker and for the commands.

    Args:
        redis: connection with `decode_responses` off.
    """

    redis: Redis

    def add(self, message: bytes, queue: str, refusal: Refusal, worker: str) -> str:
        """Put a message aside and return the entry's id; the oldest entry makes room."""
        fields: dict[Any, Any] = {
            "queue": queue,
            "reason": str(refusal.reason),
            "because": refusal.because,
            "run": refusal.run or "",
            "worker": worker,
            "size": len(message),
            "message": message[:LONGEST_MESSAGE],
        }
        entry: Any = self.redis.xadd(keys.DEAD_LETTERS, fields, maxlen=MOST, approximate=False)
        return bytes(entry).decode()

    def newest(self, count: int) -> Iterator[DeadLetter]:
        """Yield at most `count`, newest first."""
        answer: Any = self.redis.xrevrange(keys.DEAD_LETTERS, count=count)
        return (_read(entry, fields) for entry, fields in answer)

    def find(self, entry: str) -> DeadLetter | None:
        """Return one, or None where there is none with this id."""
        try:
            answer: Any = self.redis.xrange(keys.DEAD_LETTERS, min=entry, max=entry)
        except ResponseError:  # not written as ids are
            return None
        return _read(*answer[0]) if answer else None

    def requeue(self, letter: DeadLetter) -> None:
        """Put a message at the end of its queue again and drop the entry, both or none."""
        priority = keys.priority_of(letter.message)
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.lpush(keys.queue_key(letter.queue, priority), letter.message)
            pipe.xdel(keys.DEAD_LETTERS, letter.id)
            pipe.execute()

    def purge(self) -> int:
        """Drop all and return how many there were."""
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.xlen(keys.DEAD_LETTERS)
            pipe.delete(keys.DEAD_LETTERS)
            return int(pipe.execute()[0])


async def count_dead_letters(redis: AsyncRedis, types: KeyTypes) -> int:
    """Return how many there are, for the operator."""
    return int(await types.repaired(keys.types_of(keys.DEAD_LETTERS), lambda: redis.xlen(keys.DEAD_LETTERS)))


def _read(entry: bytes, fields: Mapping[bytes, bytes]) -> DeadLetter:
    """Read an entry; a field that is not there is empty: whoever may write to Redis may have made the entry."""
    text = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}
    message, size = fields.get(b"message", b""), text.get("size", "")
    return DeadLetter(
        id=entry.decode(),
        time=int(entry.split(b"-")[0]) * _MILLISECOND,
        queue=text.get("queue", ""),
        reason=text.get("reason", ""),
        because=text.get("because", ""),
        run=text.get("run") or None,
        worker=text.get("worker", ""),
        size=int(size) if size.isdecimal() else len(message),
        message=message,
    )
