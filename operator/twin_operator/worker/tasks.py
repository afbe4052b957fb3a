"""The Celery tasks: each executes one run, whatever its kind, in the same frame of claim and record."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from celery import Celery
from celery.app.task import Task as CeleryTask
from celery.exceptions import Reject
from celery.worker.request import Request
from redis.exceptions import RedisError

from twin_operator.adapters.redis_queue.delivery import TASK_PREFIX
from twin_operator.services.reconciling.errors import TryAgain
from twin_operator.services.runs.run import JSON, Outcome, Task, TaskKind
from twin_operator.services.runs.tracing import within
from twin_operator.worker.attempts import Attempts, continued, trace_of_attempt
from twin_operator.worker.leases import PAST_DEADLINE, LeaseThread, Stopped, is_past_deadline
from twin_operator.worker.redelivery import GIVEN_UP, giving_up

logger = logging.getLogger(__name__)
ERROR_LENGTH = 500  # characters of an unexpected error that travel into status

Work = Callable[[Task], Outcome]


class RunClaims(Protocol):
    """The claims of a process, as `adapters.redis_queue.claims` keeps them."""

    def claim(self, task: Task) -> str:
        """Count the attempt and take the lease; return `claimed`, or why not."""

    def record(self, task: Task, outcome: Outcome) -> bool:
        """Record the result; return whether it stands."""

    def fail_attempt(self, task: Task, error: str) -> bool:
        """Report an attempt that failed; return whether its lease was still held."""

    def give_back(self, run: str) -> None:
        """End the lease; the attempt does not count."""

    def spent(self, task: Task) -> bool:
        """Return whether the run has no attempt left."""


@dataclass
class Frame:
    """Claim, work, record: at most one result a run, however often its message is delivered."""

    claims: RunClaims
    leases: LeaseThread
    work: Mapping[TaskKind, Work]
    attempts: Attempts

    def carry_out(self, task: Task, delivery_tag: str | None = None) -> str:
        """Run `task` and return its verdict, for the log and for Celery's events (`celery_events`).

        Raises:
            RedisError: its claim or its end could not be recorded; the message has to be delivered again.
        """
        if is_past_deadline(task, self.leases.clock()):
            return PAST_DEADLINE
        verdict = self.claims.claim(task)
        if verdict != "claimed":
            return verdict
        try:
            outcome = self._work(task, delivery_tag)
        except (SystemExit, KeyboardInterrupt):
            self.claims.give_back(task.run)
            raise
        except Stopped as stopped:
            self.claims.give_back(task.run)
            return stopped.verdict
        except TryAgain as again:
            return self._fail(task, "to be tried again", again)
        except Exception as error:
            logger.exception("Run %s failed in an unexpected way.", task.run)
            return self._fail(task, "attempt failed", error)
        return self._record(task, outcome)

    def _work(self, task: Task, delivery_tag: str | None) -> Outcome:
        """Work while the lease is renewed. Renewing ends before the record does: it would find the lease lost."""
        self.leases.hold(task.run, delivery_tag)
        try:
            return self.attempts.carry_out(task, self.work[task.kind])
        finally:
            self.leases.release(task.run)

    def _fail(self, task: Task, verdict: str, error: Exception) -> str:
        self.claims.fail_attempt(task, self.attempts.sentence(error)[:ERROR_LENGTH])
        return f"{'last attempt failed' if self.claims.spent(task) else verdict}: {type(error).__name__}"

    def _record(self, task: Task, outcome: Outcome) -> str:
        if not self.claims.record(task, outcome):
            return "recorded by another"
        return "recorded" if outcome.succeeded else f"refused: {outcome.reason}"


def register(app: Celery, frame: Callable[[], Frame], request: type[Request]) -> None:
    """Register a task a kind.

    Args:
        app: where.
        frame: built in the child process, since connections do not survive a fork.
        request: what the parent process does with a message that the child gives up.
    """
    for kind in TaskKind:
        _register(app, kind, frame, request)


def _register(app: Celery, kind: TaskKind, frame: Callable[[], Frame], request: type[Request]) -> None:
    @app.task(name=f"{TASK_PREFIX}{kind}", bind=True, shared=False, Request=request, send_events=False)
    def run(self: "CeleryTask[Any, Any]", message: JSON) -> str:
        task = continued(Task.from_json(message), self.request.get("traceparent"))
        tag = (self.request.properties or {}).get("delivery_tag")
        with within(trace_of_attempt(task)):
            verdict = _carry_out(frame(), task, None if tag is None else str(tag))
            logger.info("Run %s of %s/%s: %s.", task.run, task.target.namespace, task.target.name, verdict)
        if verdict in GIVEN_UP:
            raise giving_up(verdict)
        return verdict


def _carry_out(frame: Frame, task: Task, delivery_tag: str | None) -> str:
    """Run a task. Without Redis its end is not known, so its message goes back: Celery would acknowledge it."""
    try:
        return frame.carry_out(task, delivery_tag)
    except RedisError as error:
        logger.warning("Run %s goes back to its queue: %r", task.run, error)
        raise Reject(repr(error), requeue=True) from error
