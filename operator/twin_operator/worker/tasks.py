"""The Celery tasks: each carries out one run, whatever its kind, in the same frame of claim and record."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time
from typing import Any

from celery import Celery
from celery.app.task import Task as CeleryTask

from twin_operator.adapters.redis_queue.claims import Claims
from twin_operator.adapters.redis_queue.delivery import TASK_PREFIX
from twin_operator.services.errors import TryAgain
from twin_operator.services.tasks import JSON, Outcome, Task, TaskKind
from twin_operator.worker.exhausted import PutAside, rejection, requests_that
from twin_operator.worker.leases import LeaseThread

logger = logging.getLogger(__name__)
ERROR_LENGTH = 500  # characters of an unexpected error that travel into status

Work = Callable[[JSON], Outcome]


@dataclass
class Frame:
    """Claim, work, record: at most one result a run, however often its message is delivered."""

    claims: Claims
    leases: LeaseThread
    work: Mapping[TaskKind, Work]

    def carry_out(self, task: Task, delivery_tag: str | None = None) -> str:
        """Carry out `task` and return what became of it, for the log."""
        if task.deadline is not None and time() > task.deadline:
            return "past its deadline"
        verdict = self.claims.claim(task)
        if verdict != "claimed":
            return verdict
        self.leases.hold(task.run, delivery_tag)
        try:
            outcome = self.work[task.kind](task.payload)
        except (SystemExit, KeyboardInterrupt):
            self.claims.give_back(task.run)
            raise
        except TryAgain as again:
            self.claims.fail_attempt(task, str(again)[:ERROR_LENGTH])
            return "to be tried again"
        except Exception as error:
            logger.exception("Run %s failed in an unexpected way.", task.run)
            self.claims.fail_attempt(task, f"{type(error).__name__}: {error}"[:ERROR_LENGTH])
            return "attempt failed"
        else:
            return "recorded" if self.claims.record(task, outcome) else "recorded by another"
        finally:
            self.leases.release(task.run)


def register(app: Celery, frame: Callable[[], Frame], put_aside: PutAside) -> None:
    """Register a task a kind.

    Args:
        app: where.
        frame: built in the child process, since connections do not survive a fork.
        put_aside: makes a dead letter, in the parent process.
    """
    request = requests_that(put_aside)
    for kind in TaskKind:
        _register(app, kind, frame, request)


def _register(app: Celery, kind: TaskKind, frame: Callable[[], Frame], request: type) -> None:
    @app.task(name=f"{TASK_PREFIX}{kind}", bind=True, Request=request)
    def run(self: "CeleryTask[Any, Any]", message: JSON) -> None:
        task = Task.from_json(message)
        tag = (self.request.properties or {}).get("delivery_tag")
        verdict = frame().carry_out(task, None if tag is None else str(tag))
        logger.info("Run %s of %s/%s: %s.", task.run, task.target.namespace, task.target.name, verdict)
        if verdict == "exhausted":
            raise rejection()
