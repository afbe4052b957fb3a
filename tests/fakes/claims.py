"""A worker process's claims in memory: the semantics of `adapters/redis_queue/claims.py` and its Lua scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import orjson

from tests.fakes.redis_content import Pace, RunRecord, Server
from twin_operator.adapters.redis_queue.claims import PACE_LIFE, PACE_WEIGHT, Claim
from twin_operator.services.runs.run import Event, Outcome, Task


@dataclass
class InMemoryClaims:
    """Claims of one worker process; the arguments are those of `Claims`."""

    server: Server
    worker: str
    lease_seconds: float
    run_ttl_seconds: float
    _held: dict[str, Claim] = field(default_factory=dict)

    def claim(self, task: Task) -> str:
        verdict = self._refusal(task, self.server.record(task.run))
        if verdict is None:
            self._begin(task)
        elif verdict == "exhausted":
            self.server.report(Event.EXHAUSTED, task)
        return verdict or "claimed"

    def attempts(self, run: str) -> int:
        record = self.server.record(run)
        return 0 if record is None else record.attempts

    def renew(self, run: str, delivery_tag: str | None) -> str:
        claim = self._held[run]
        record = self._held_record(run, claim)
        if record is None:
            return "lost"
        if record.stop is not None:
            return record.stop
        self._prolong(record, run, claim.queue)
        delivered = self.server.content().unacknowledged.get(delivery_tag or "")
        if delivered is not None:
            delivered.since = self.server.clock()
        return "go on"

    def record(self, task: Task, outcome: Outcome) -> bool:
        content, claim = orjson.dumps(asdict(outcome)), self._held.pop(task.run)
        record = self._held_record(task.run, claim)
        if record is None or record.outcome is not None:
            return False
        record.outcome, record.finished = content, self.server.clock()
        self._close(record, task, Event.RECORDED)
        return True

    def fail_attempt(self, task: Task, error: str) -> bool:
        claim = self._held.pop(task.run)
        record = self._held_record(task.run, claim)
        if record is None:
            return False
        record.error, record.failed = error, self.server.clock()
        self._close(record, task, Event.ATTEMPT_FAILED)
        return True

    def spent(self, task: Task) -> bool:
        return self.attempts(task.run) >= task.attempt_limit

    def give_back(self, run: str) -> None:
        claim = self._held.pop(run, None)
        record = None if claim is None else self._held_record(run, claim)
        if claim is not None and record is not None:
            self._end_lease(record, run, claim.queue)
            record.attempts -= 1

    def give_back_of_worker(self, run: str, queue: str) -> bool:
        return self._end_lease_of_worker(run, queue, -1)

    def end_attempt_of_worker(self, run: str, queue: str) -> bool:
        return self._end_lease_of_worker(run, queue, 0)

    def draining(self) -> bool:
        return self.server.is_draining(self.worker)

    def _refusal(self, task: Task, record: RunRecord | None) -> str | None:
        now, found = self.server.clock(), record or RunRecord()
        refusals: list[tuple[bool, str]] = [
            (found.outcome is not None, "finished"),
            (found.stop is not None, str(found.stop)),
            (found.lease is not None and found.lease_until > now, "leased"),
            (found.attempts >= task.attempt_limit, "exhausted"),
            (self.draining(), "draining"),
        ]
        return next((word for refused, word in refusals if refused), None)

    def _begin(self, task: Task) -> None:
        now, claim = self.server.clock(), Claim(self.server.identity(), task.queue)
        record = self.server.written_record(task.run)
        record.attempts += 1
        record.lease, record.worker, record.attempt_started = claim.token, self.worker, now
        record.started = now if record.started is None else record.started
        leases = self.server.content().leases[task.queue]
        for member in [each for each, until in leases.items() if until <= now]:
            del leases[member]
        self._prolong(record, task.run, task.queue)
        self._held[task.run] = claim

    def _prolong(self, record: RunRecord, run: str, queue: str) -> None:
        now = self.server.clock()
        record.lease_until, record.expires = now + self.lease_seconds, now + self.run_ttl_seconds
        self.server.content().leases[queue][self._member(run)] = record.lease_until

    def _held_record(self, run: str, claim: Claim) -> RunRecord | None:
        """Return the record if the lease is still this process's, also after its end."""
        record = self.server.record(run)
        return record if record is not None and record.lease == claim.token else None

    def _close(self, record: RunRecord, task: Task, event: Event) -> None:
        self._keep_pace(record, task.queue)
        self._end_lease(record, task.run, task.queue)
        self.server.report(event, task)

    def _keep_pace(self, record: RunRecord, queue: str) -> None:
        now = self.server.clock()
        seconds = now - (now if record.attempt_started is None else record.attempt_started)
        before = self.server.pace(queue) or Pace(seconds)
        smoothed = before.seconds + PACE_WEIGHT * (seconds - before.seconds)
        self.server.content().paces[queue] = Pace(smoothed, before.count + 1, now + PACE_LIFE)

    def _end_lease(self, record: RunRecord, run: str, queue: str) -> None:
        record.lease, record.lease_until = None, 0.0
        self.server.content().leases[queue].pop(self._member(run), None)

    def _end_lease_of_worker(self, run: str, queue: str, attempts: int) -> bool:
        record = self.server.record(run)
        if record is None or record.worker != self.worker or record.lease is None:
            return False
        self._end_lease(record, run, queue)
        record.attempts += attempts
        return True

    def _member(self, run: str) -> str:
        return f"{run} {self.worker}"
