"""The Celery tasks: each carries out one run, whatever its kind, in the same frame of claim and record."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time
from typing import Any

from celery import Celery
from celery.app.task import Task as CeleryTask
from celery.worker.request import Request

from twin_operator.adapters.redis_queue.claims import Claims
from twin_operator.adapters.redis_queue.delivery import TASK_PREFIX
from twin_operator.services.errors import TryAgain
from twin_operator.services.tasks import JSON, Outcome, Task, TaskKind
from twin_operator.services.tracing import within
from twin_operator.worker.attempts import Attempts, continued, trace_of_attempt
from twin_operator.worker.leases import LeaseThread
from twin_operator.worker.requests import GIVEN_UP, giving_up

logger = logging.getLogger(__name__)
ERROR_LENGTH = 500  # characters of an unexpected error that travel into status

Work = Callable[[JSON], Outcome]


@dataclass
class Frame:
    """Claim, work, record: at most one result a run, however often its message is delivered."""

    claims: Claims
    leases: LeaseThread
    work: Mapping[TaskKind, Work]
    attempts: Attempts = field(default_factory=Attempts)

    def carry_out(self, task: Task, delivery_tag: str | None = None) -> str:
        """Carry out `task` and return what became of it, for the log and for Celery's events (`reporting`)."""
        if task.deadline is not None and time() > task.deadline:
            return "past its deadline"
        verdict = self.claims.claim(task)
        if verdict != "claimed":
            return verdict
        self.leases.hold(task.run, delivery_tag)
        try:
            outcome = self.attempts.carry_out(task, self.work[task.kind])
        except (SystemExit, KeyboardInterrupt):
            self.claims.give_back(task.run)
            raise
        except TryAgain as again:
            return self._fail(task, "to be tried again", "TryAgain", str(again))
        except Exception as error:
            logger.exception("Run %s failed in an unexpected way.", task.run)
            kind = type(error).__name__
            return self._fail(task, "attempt failed", kind, f"{kind}: {error}")
        else:
            return self._record(task, outcome)
        finally:
            self.leases.release(task.run)

    def _fail(self, task: Task, verdict: str, kind: str, error: str) -> str:
        self.claims.fail_attempt(task, error[:ERROR_LENGTH])
        return f"{'last attempt failed' if self.claims.spent(task) else verdict}: {kind}"

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
    @app.task(name=f"{TASK_PREFIX}{kind}", bind=True, Request=request, send_events=False)
    def run(self: "CeleryTask[Any, Any]", message: JSON) -> str:
        task = continued(Task.from_json(message), self.request.get("traceparent"))
        tag = (self.request.properties or {}).get("delivery_tag")
        with within(trace_of_attempt(task)):
            verdict = frame().carry_out(task, None if tag is None else str(tag))
            logger.info("Run %s of %s/%s: %s.", task.run, task.target.namespace, task.target.name, verdict)
        if verdict in GIVEN_UP:
            raise giving_up(verdict)
        return verdict
