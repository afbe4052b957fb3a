"""A worker's side of a run: claim it, renew the claim, record the result once.

A run is the hash `twinops:run:ID` with the fields attempts, queued, started (the first attempt), attempt_started
(the latest), finished, worker, lease (the token of the holder), lease_until, stop, error, failed (when), outcome, and
registeredModel, version and runID (of MLflow), with which it was published.
The Lua scripts that change it are each one atomic step; time is Redis' own. A queue also has an index of its leases
and its pace (see `keys`); they change in the same step.
"""

import secrets
from dataclasses import asdict, dataclass, field
from typing import Final

import orjson
from redis import Redis

from twin_operator.adapters.redis_queue import keys
from twin_operator.services.runs.run import Event, Outcome, Task

_NOW = "local now = redis.call('TIME'); now = now[1] + now[2] / 1000000"

_END_LEASE = """
redis.call('HDEL', KEYS[1], 'lease', 'lease_until')
redis.call('ZREM', KEYS[2], ARGV[2])
"""

# The first task sets the pace; each later one moves it by its weight.
_KEEP_PACE = """
local seconds = now - (tonumber(redis.call('HGET', KEYS[1], 'attempt_started')) or now)
local pace = tonumber(redis.call('HGET', KEYS[4], 'seconds')) or seconds
redis.call('HSET', KEYS[4], 'seconds', pace + ARGV[5] * (seconds - pace))
redis.call('HINCRBY', KEYS[4], 'count', 1)
redis.call('EXPIRE', KEYS[4], ARGV[6])
"""

# KEYS: run, leases of the queue, draining flag of the worker.
# ARGV: token, member of the index, lease in seconds, attempt limit, worker, life of the record in seconds.
# A token that holds the lease already is the same claim sent again: the connection broke before its answer came.
CLAIM = f"""
{_NOW}
local run = redis.call('HMGET', KEYS[1], 'outcome', 'stop', 'lease', 'lease_until', 'attempts')
if run[1] then return 'finished' end
if run[2] then return run[2] end
if run[3] == ARGV[1] then return 'claimed' end
if run[3] and tonumber(run[4]) > now then return 'leased' end
if tonumber(run[5] or '0') >= tonumber(ARGV[4]) then return 'exhausted' end
if redis.call('EXISTS', KEYS[3]) == 1 then return 'draining' end
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'lease', ARGV[1], 'lease_until', now + ARGV[3], 'worker', ARGV[5], 'attempt_started', now)
redis.call('HSETNX', KEYS[1], 'started', now)
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[6])
return 'claimed'
"""

# KEYS: run, leases of the queue.
# ARGV: token, member of the index, lease in seconds, life of the record in seconds.
RENEW = f"""
{_NOW}
local run = redis.call('HMGET', KEYS[1], 'lease', 'stop')
if run[1] ~= ARGV[1] then return 'lost' end
if run[2] then return run[2] end
redis.call('HSET', KEYS[1], 'lease_until', now + ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 'go on'
"""

# KEYS: run, leases of the queue, results stream, pace of the queue.
# ARGV: token, member of the index, outcome, report, weight of this task in the pace, life of the pace in seconds.
RECORD = f"""
local run = redis.call('HMGET', KEYS[1], 'lease', 'outcome')
if run[1] ~= ARGV[1] or run[2] then return 0 end
{_NOW}
redis.call('HSET', KEYS[1], 'outcome', ARGV[3], 'finished', now)
{_KEEP_PACE}
{_END_LEASE}
redis.call('XADD', KEYS[3], '*', 'report', ARGV[4])
return 1
"""

# KEYS and ARGV as those of RECORD, with what went wrong in place of the outcome; the attempt stays counted.
FAIL_ATTEMPT = f"""
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then return 0 end
{_NOW}
redis.call('HSET', KEYS[1], 'error', ARGV[3], 'failed', now)
{_KEEP_PACE}
{_END_LEASE}
redis.call('XADD', KEYS[3], '*', 'report', ARGV[4])
return 1
"""

# KEYS: run, leases of the queue. ARGV: token, member of the index. A clean stop gives the attempt back.
GIVE_BACK = f"""
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then return 0 end
{_END_LEASE}
redis.call('HINCRBY', KEYS[1], 'attempts', -1)
return 1
"""

# KEYS: run, leases of the queue. ARGV: worker, member of the index, change of the count of attempts.
# For a parent whose child is no more.
END_LEASE_OF_WORKER = f"""
local run = redis.call('HMGET', KEYS[1], 'worker', 'lease')
if run[1] ~= ARGV[1] or not run[2] then return 0 end
{_END_LEASE}
redis.call('HINCRBY', KEYS[1], 'attempts', ARGV[3])
return 1
"""


UNACKED_INDEX = f"{keys.PREFIX}unacked_index"  # kombu: delivery tag by time of delivery
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
        answer = self.redis.eval(CLAIM, len(places), *places, claim.token, self._member(task.run), *terms)
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
        answer = self.redis.eval(RENEW, 2, *self._places(run, claim.queue), claim.token, self._member(run), *terms)
        verdict = bytes(answer).decode()
        if delivery_tag and verdict == "go on":
            seconds, _ = self.redis.time()
            self.redis.zadd(UNACKED_INDEX, {delivery_tag: seconds}, xx=True)
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
        attempts = self.redis.hget(keys.run_key(task.run), "attempts")
        return int(attempts or 0) >= task.attempt_limit

    def give_back(self, run: str) -> None:
        """Take the attempt back: a clean stop is not a failure."""
        claim = self._held.pop(run, None)
        if claim is not None:
            places = self._places(run, claim.queue)
            self.redis.eval(GIVE_BACK, 2, *places, claim.token, self._member(run))

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
        return bool(self.redis.eval(END_LEASE_OF_WORKER, 2, *self._places(run, queue), *terms))

    def _places(self, run: str, queue: str) -> tuple[str, str]:
        return keys.run_key(run), keys.leases_key(queue)

    def _member(self, run: str) -> str:
        return f"{run} {self.worker}"
