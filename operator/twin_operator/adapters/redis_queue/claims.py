"""A worker's side of a run: claim it, renew the claim, record the result once.

A run is the hash `twinops:run:ID` with the fields attempts, queued, started (the first attempt), attempt_started
(the latest), finished, worker, lease (the token of the holder), lease_until, stop, error, failed (when), outcome, and
registeredModel, version and runID (of MLflow), with which it was published.
A queue also has an index of its leases and its pace (see `keys`); they change in the same step, by the scripts of
`scripts`.
"""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import orjson
from redis import Redis

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.scripts import (
    CLAIM,
    END_LEASE_OF_WORKER,
    FAIL_ATTEMPT,
    GIVE_BACK,
    LONGEST_DRAINING,
    RECORD,
    RENEW,
    ScriptCalls,
)
from twin_operator.services.runs.run import Event, Outcome, Task

PACE_WEIGHT: Final = 0.2  # of the latest task: the pace follows in some ten tasks, and one unusual task moves it little
PACE_LIFE: Final = 7 * 86_400  # seconds: the pace of a queue that was empty for a week is out of date


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
        patience_seconds: how long a call waits for scripts that Redis has forgotten.
    """

    redis: Redis
    worker: str
    lease_seconds: float
    run_ttl_seconds: int
    patience_seconds: float
    _held: dict[str, Claim] = field(default_factory=dict)

    def claim(self, task: Task) -> str:
        """Count the attempt and take the lease, before any work.

        Returns:
            `claimed`, or why not: `finished`, `leased`, `exhausted`, `draining` (no task for this worker), `unreadable`
            (its record was, and is dropped: the next claim begins a new one), or a `Stop`.
        """
        claim = Claim(secrets.token_hex(16), task.queue)
        places = [*self._places(task.run, task.queue), keys.draining_key(self.worker)]
        terms = [str(self.lease_seconds), str(task.attempt_limit), self.worker, str(self.run_ttl_seconds)]
        answer = self._call(CLAIM, places, [claim.token, self._member(task.run), *terms])
        verdict = bytes(answer).decode()
        if verdict == "claimed":
            self._held[task.run] = claim
        if verdict == "exhausted":
            self.redis.xadd(keys.RESULTS, {"report": keys.write_report(Event.EXHAUSTED, task)})
        return verdict

    def attempts(self, run: str) -> int:
        """Return how many attempts were begun."""
        found: Any = self.redis.hget(keys.run_key(run), "attempts")
        return int(found) if found is not None and found.isdigit() else 0

    def renew(self, run: str, delivery_tag: str | None) -> str:
        """Renew the lease and the message's visibility.

        Returns:
            `go on`, `lost`, or a `Stop`.
        """
        claim = self._held[run]
        terms = [str(self.lease_seconds), str(self.run_ttl_seconds)]
        answer = self._call(RENEW, self._places(run, claim.queue), [claim.token, self._member(run), *terms])
        verdict = bytes(answer).decode()
        if delivery_tag and verdict == "go on":
            seconds, _ = self.redis.time()
            self.redis.zadd(keys.UNACKED_INDEX, {delivery_tag: seconds}, xx=True)
        return verdict

    def record(self, task: Task, outcome: Outcome) -> bool:
        """Record how the run ended, if the lease is still ours and no other worker was first."""
        content = orjson.dumps(asdict(outcome))
        return self._close(RECORD, task, content, Event.RECORDED)

    def fail_attempt(self, task: Task, error: str) -> bool:
        """Report that the attempt ended by an error that another attempt may not meet."""
        return self._close(FAIL_ATTEMPT, task, error.encode(), Event.ATTEMPT_FAILED)

    def spent(self, task: Task) -> bool:
        """Return whether the run has no attempt left."""
        return self.attempts(task.run) >= task.attempt_limit

    def give_back(self, run: str) -> None:
        """Take the attempt back: a clean stop is not a failure."""
        claim = self._held.pop(run, None)
        if claim is not None:
            places = self._places(run, claim.queue)
            self._call(GIVE_BACK, places, [claim.token, self._member(run)])

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
        left: Any = self.redis.pttl(keys.draining_key(self.worker))  # below 0 without a mark, or without its end
        return bool(0 < left <= LONGEST_DRAINING * 1000)

    def _close(self, script: str, task: Task, content: bytes, event: Event) -> bool:
        claim = self._held.pop(task.run)
        places = [*self._places(task.run, task.queue), keys.RESULTS, keys.pace_key(task.queue)]
        report = keys.write_report(event, task)
        pace = [str(PACE_WEIGHT), str(PACE_LIFE)]
        answer = self._call(script, places, [claim.token, self._member(task.run), content, report, *pace])
        return bool(answer)

    def _end_lease_of_worker(self, run: str, queue: str, attempts: int) -> bool:
        terms = [self.worker, self._member(run), str(attempts)]
        return bool(self._call(END_LEASE_OF_WORKER, self._places(run, queue), terms))

    def _call(self, script: str, places: Sequence[str], terms: Sequence[str | bytes]) -> Any:  # noqa: ANN401 - Redis'
        return ScriptCalls(self.redis, self.patience_seconds).call(script, places, terms)

    def _places(self, run: str, queue: str) -> tuple[str, str]:
        return keys.run_key(run), keys.leases_key(queue)

    def _member(self, run: str) -> str:
        return f"{run} {self.worker}"
