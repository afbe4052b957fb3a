"""Records in Redis that cannot be read: counted, logged once with their key, and removed, so that nothing else waits.

Whoever has a password of Redis may write anything behind our keys. What is read of a record is checked where it is
read (`keys`, `loads`, `outbox`); what is done with a bad one, and with a key of another type than ours, is here.
"""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.exceptions import ResponseError

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
MOST_LOGGED: Final = 1_000  # keys that are remembered as logged
LONGEST_SHOWN: Final = 120  # characters of a key in the log: others may have chosen it
WRONG_TYPE: Final = "WRONGTYPE"  # how the answer of Redis to a command for another type begins


class RecordKind(StrEnum):
    """What a bad record should have been; the value labels metrics."""

    RUN = "run"
    REPORT = "report"
    DELIVERED = "delivered"
    LEASE = "lease"
    PACE = "pace"
    PUBLISHED = "published"
    ARCHIVE = "archive"
    KEY_TYPE = "key-type"


class BadRecord(ValueError):  # noqa: N818 - a fact about a record
    """A record that is not written as ours are."""


@dataclass
class BadRecords:
    """Counts and logs bad records.

    Args:
        count: called with the kind of each.
    """

    count: Callable[[str], None]
    _logged: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)

    def found(self, kind: RecordKind, key: str | bytes) -> None:
        """Count a bad record; log its key the first time, and nothing of its content."""
        self.count(kind)
        shown = _shown(key)
        if (kind, shown) not in self._logged:
            logger.error("A record in Redis cannot be read and is dropped (%s): %s.", kind, shown)
        self._logged[kind, shown] = None
        while len(self._logged) > MOST_LOGGED:
            self._logged.popitem(last=False)


def _shown(key: str | bytes) -> str:
    """Return a key, safe for a line of the log: others may have chosen it."""
    text = key.decode(errors="replace") if isinstance(key, bytes) else key
    return text[:LONGEST_SHOWN].encode("unicode_escape").decode()


@dataclass(frozen=True)
class KeyTypes:
    """Removes keys that hold another type than ours: every command for them would fail.

    Args:
        redis: connection with `decode_responses` off.
        bad: counts them.
    """

    redis: Redis
    bad: BadRecords

    async def repair(self, types: Mapping[str, str]) -> bool:
        """Delete those of these keys that hold another type, by key; return whether there were any."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for key in types:
                pipe.type(key)
            answers = await pipe.execute()
        wrong = [key for key, found in zip(types, answers, strict=True) if found.decode() not in (types[key], "none")]
        for key in wrong:
            self.bad.found(RecordKind.KEY_TYPE, key)
        if wrong:
            await self.redis.delete(*wrong)
        return bool(wrong)

    async def repaired(self, types: Mapping[str, str], ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask Redis; where a key is of another type than `types` says, delete that and ask again.

        Raises:
            RedisError: as `ask`.
        """
        try:
            return await ask()
        except ResponseError as error:
            if not is_wrong_type(error) or not await self.repair(types):
                raise
        return await ask()


def is_wrong_type(answer: Any) -> bool:  # noqa: ANN401 - answers of pipelines, errors among them
    """Whether Redis refused a command because the key holds another type."""
    return isinstance(answer, ResponseError) and WRONG_TYPE in str(answer)
