"""A worker's side of a run: claim it, renew the claim, record the result once."""

import secrets
from dataclasses import asdict, dataclass, field
from typing import Final

import orjson
from redis import Redis

from twin_operator.adapters.redis_queue import keys, scripts
from twin_operator.services.runs.run import Event, Outcome, Task

UNACKED_INDEX = f"{keys.PREFIX}unacked_index"  # kombu: delivery tag by time of delivery
PACE_WEIGHT: Final = 0.2  # of the latest task: the pace follows within some ten tasks, and one odd task moves it little
PACE_LIFE: Final = 7 * 86_400  # seconds: the pace of a queue that rested for a week tells nothing


@dataclass(frozen=True)
class Claim:
    """A run that this process holds, by the token of its lease."""

    token: str
    queue: str


@dataclass
class Claims:
    """Claims of one worker process.

    Args:
        redis: connection with `decode_responses` off.
        worker: the worker's name, for status and the index of leases.
        lease_seconds: life of a claim without renewal.
        run_ttl_seconds: life of a run's record.
    """

    redis: Redis
    worker: str
    lease_seconds: float
    run_ttl_seconds: int
    _held: dict[str, Claim] = field(default_factory=dict)

    def claim(self, task: Task) -> str:
        """Count the attempt and take the lease, before any work.

        Returns:
            `claimed`, or why not: `finished`, `leased`, `exhausted`, `draining` (no task for this worker), or a `Stop`.
        """
        claim = Claim(secrets.token_hex(16), task.queue)
        places = [*self._places(task.run, task.queue), keys.draining_key(self.worker)]
        terms = [str(self.lease_seconds), str(task.attempt_limit), self.worker, str(self.run_ttl_seconds)]
        answer = self.redis.eval(scripts.CLAIM, len(places), *places, claim.token, self._member(task.run), *terms)
        verdict = bytes(answer).decode()
        if verdict == "claimed":
            self._held[task.run] = claim
        if verdict == "exhausted":
            self.redis.xadd(keys.RESULTS, {"report": keys.write_report(Event.EXHAUSTED, task)})
        return verdict

    def attempts(self, run: str) -> int:
        """Return how many attempts were begun."""
        return int(self.redis.hget(keys.run_key(run), "attempts") or 0)

    def renew(self, run: str, delivery_tag: str | None) -> str:
        """Renew the lease and the message's visibility.

        Returns:
            `go on`, `lost`, or a `Stop`.
        """
        claim = self._held[run]
        terms = [str(self.lease_seconds), str(self.run_ttl_seconds)]
        answer = self.redis.eval(
            scripts.RENEW, 2, *self._places(run, claim.queue), claim.token, self._member(run), *terms
        )
        verdict = bytes(answer).decode()
        if delivery_tag and verdict == "go on":
            seconds, _ = self.redis.time()
            self.redis.zadd(UNACKED_INDEX, {delivery_tag: seconds}, xx=True)
        return verdict

    def record(self, task: Task, outcome: Outcome) -> bool:
        """Record how the run ended, if the lease is still ours and nobody was first."""
        content = orjson.dumps(asdict(outcome))
        return self._close(scripts.RECORD, task, content, Event.RECORDED)

    def fail_attempt(self, task: Task, error: str) -> bool:
        """Report that the attempt ended by an error that another attempt may not meet."""
        return self._close(scripts.FAIL_ATTEMPT, task, error.encode(), Event.ATTEMPT_FAILED)

    def spent(self, task: Task) -> bool:
        """Return whether the run has no attempt left."""
        attempts = self.redis.hget(keys.run_key(task.run), "attempts")
        return int(attempts or 0) >= task.attempt_limit

    def give_back(self, run: str) -> None:
        """Take the attempt back: a clean stop is nobody's failure."""
        claim = self._held.pop(run, None)
        if claim is not None:
            places = self._places(run, claim.queue)
            self.redis.eval(scripts.GIVE_BACK, 2, *places, claim.token, self._member(run))

    def give_back_of_worker(self, run: str, queue: str) -> bool:
        """Take back the attempt of a child of this worker that has been ended.

        Returns:
            Whether this worker held the run.
        """
        return self._end_lease_of_worker(run, queue, -1)

    def end_attempt_of_worker(self, run: str, queue: str) -> bool:
        """End the lease of a child of this worker that died; its attempt stays counted.

        Returns:
            Whether this worker held the run.
        """
        return self._end_lease_of_worker(run, queue, 0)

    def draining(self) -> bool:
        """Whether this worker is to take no further task."""
        return bool(self.redis.exists(keys.draining_key(self.worker)))

    def _close(self, script: str, task: Task, content: bytes, event: Event) -> bool:
        claim = self._held.pop(task.run)
        places = [*self._places(task.run, task.queue), keys.RESULTS, keys.pace_key(task.queue)]
        report = keys.write_report(event, task)
        pace = [str(PACE_WEIGHT), str(PACE_LIFE)]
        answer = self.redis.eval(
            script, len(places), *places, claim.token, self._member(task.run), content, report, *pace
        )
        return bool(answer)

    def _end_lease_of_worker(self, run: str, queue: str, attempts: int) -> bool:
        terms = [self.worker, self._member(run), str(attempts)]
        return bool(self.redis.eval(scripts.END_LEASE_OF_WORKER, 2, *self._places(run, queue), *terms))

    def _places(self, run: str, queue: str) -> tuple[str, str]:
        return keys.run_key(run), keys.leases_key(queue)

    def _member(self, run: str) -> str:
        return f"{run} {self.worker}"
