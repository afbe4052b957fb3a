"""A worker's side of a run: claim it, renew the claim, record the result once."""

import secrets
from dataclasses import asdict, dataclass, field

import orjson
from redis import Redis

from twin_operator.adapters.redis_queue import keys, scripts
from twin_operator.services.tasks import Event, Outcome, Task

UNACKED_INDEX = f"{keys.PREFIX}unacked_index"  # kombu: delivery tag by time of delivery


@dataclass
class Claims:
    """Claims of one worker process.

    Args:
        redis: connection with `decode_responses` off.
        worker: the worker's name, for status.
        lease_seconds: life of a claim without renewal.
        run_ttl_seconds: life of a run's record.
    """

    redis: Redis
    worker: str
    lease_seconds: float
    run_ttl_seconds: int
    _tokens: dict[str, str] = field(default_factory=dict)

    def claim(self, task: Task) -> str:
        """Count the attempt and take the lease, before any work.

        Returns:
            `claimed`, or why not: `finished`, `leased`, `exhausted`, or a `Stop`.
        """
        token = secrets.token_hex(16)
        answer = self.redis.eval(
            scripts.CLAIM,
            1,
            keys.run_key(task.run),
            token,
            str(self.lease_seconds),
            str(task.attempt_limit),
            self.worker,
            str(self.run_ttl_seconds),
        )
        verdict = bytes(answer).decode()
        if verdict == "claimed":
            self._tokens[task.run] = token
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
        key = keys.run_key(run)
        lease, life = str(self.lease_seconds), str(self.run_ttl_seconds)
        answer = self.redis.eval(scripts.RENEW, 1, key, self._tokens[run], lease, life)
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
        token = self._tokens.pop(run, None)
        if token is not None:
            self.redis.eval(scripts.GIVE_BACK, 1, keys.run_key(run), token)

    def _close(self, script: str, task: Task, content: bytes, event: Event) -> bool:
        token = self._tokens.pop(task.run)
        report = keys.write_report(event, task)
        answer = self.redis.eval(script, 2, keys.run_key(task.run), keys.RESULTS, token, content, report)
        return bool(answer)
