"""Dead letters in memory, as `adapters/redis_queue/dead_letters.py` keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.fakes.redis_content import Server
from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.dead_letters import LONGEST_MESSAGE, MOST, DeadLetter
from twin_operator.adapters.redis_queue.delivery import Refusal


@dataclass(frozen=True)
class InMemoryDeadLetters:
    """The stream of what cannot be processed, for a worker and for the commands."""

    server: Server

    def add(self, message: bytes, queue: str, refusal: Refusal, worker: str) -> str:
        letters, entry = self.server.content().dead_letters, self.server.identity()
        letters[entry] = DeadLetter(
            id=entry,
            time=self.server.clock(),
            queue=queue,
            reason=str(refusal.reason),
            because=refusal.because,
            run=refusal.run or None,
            worker=worker,
            size=len(message),
            message=message[:LONGEST_MESSAGE],
        )
        for oldest in list(letters)[:-MOST]:
            del letters[oldest]
        return entry

    def newest(self, count: int) -> Iterator[DeadLetter]:
        letters = list(self.server.content().dead_letters.values())
        return iter(letters[::-1][:count])

    def find(self, entry: str) -> DeadLetter | None:
        return self.server.content().dead_letters.get(entry)

    def requeue(self, letter: DeadLetter) -> None:
        content, key = self.server.content(), keys.queue_key(letter.queue, keys.priority_of(letter.message))
        content.lists[key].appendleft(letter.message)
        content.dead_letters.pop(letter.id, None)

    def purge(self) -> int:
        letters = self.server.content().dead_letters
        count = len(letters)
        letters.clear()
        return count
