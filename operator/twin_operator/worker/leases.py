"""Keeps the claims of a worker process alive, and ends the process whose run is to stop."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import time
from typing import Final, Protocol

from redis.exceptions import RedisError

from twin_operator.services.runs.run import Stop, Task

logger = logging.getLogger(__name__)
STOPPED_EXIT = 75  # EX_TEMPFAIL: the pool replaces the child, the message returns and its claim is refused


GO_ON: Final = "go on"
LOST: Final = "lost"
PAST_DEADLINE: Final = "past its deadline"


class Stopped(Exception):  # noqa: N818 - a fact about a run
    """The run is to stop: nothing more of it is to be written.

    Args:
        verdict: a `Stop`, `lost`, or `past its deadline`.
    """

    def __init__(self, verdict: str) -> None:
        super().__init__(verdict)
        self.verdict = verdict


def is_past_deadline(task: Task, now: float) -> bool:
    """Whether the time of a task's run is over; `now` in seconds since the epoch."""
    return task.deadline is not None and now > task.deadline


def end_process() -> None:
    """End this child at once; learners do not listen to anything gentler."""
    os._exit(STOPPED_EXIT)


class Leases(Protocol):
    """The leases of a process, as `adapters.redis_queue.claims` keeps them."""

    @property
    def lease_seconds(self) -> float:
        """Return the life of a lease without renewal."""

    def renew(self, run: str, delivery_tag: str | None) -> str:
        """Renew a lease and the visibility of its message; return `go on`, `lost` or a `Stop`."""

    def give_back(self, run: str) -> None:
        """End a lease; its attempt does not count."""


@dataclass
class LeaseThread:
    """Renews the lease of the present run at a third of its duration.

    Args:
        claims: the worker's claims.
        stop: called when the run is cancelled, deleted, suspended, or the lease is lost.
        clock: seconds since the epoch.
    """

    claims: Leases
    stop: Callable[[], None] = end_process
    clock: Callable[[], float] = time
    _held: dict[str, str | None] = field(default_factory=dict)
    _wake: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def hold(self, run: str, delivery_tag: str | None) -> None:
        """Begin to renew the lease of `run`."""
        self._held[run] = delivery_tag
        if self._thread is None:
            self._thread = threading.Thread(target=self._renew_forever, name="leases", daemon=True)
            self._thread.start()

    def release(self, run: str) -> None:
        """Stop renewing."""
        self._held.pop(run, None)

    def confirm(self, task: Task) -> None:
        """Renew the lease of a run now, before something is written that its stop has to prevent.

        Raises:
            Stopped: the run is to stop, its deadline is over, or its lease is another's.
            RedisError: that is not known.
        """
        if is_past_deadline(task, self.clock()):
            raise Stopped(PAST_DEADLINE)
        try:
            verdict = self.claims.renew(task.run, self._held.get(task.run))
        except KeyError:  # given back since
            verdict = LOST
        if verdict != GO_ON:
            raise Stopped(verdict)

    def _renew_forever(self) -> None:
        while True:
            self._wake.wait(self.claims.lease_seconds / 3)
            for run, tag in list(self._held.items()):
                self._renew(run, tag)

    def _renew(self, run: str, tag: str | None) -> None:
        try:
            verdict = self.claims.renew(run, tag)
        except RedisError:
            logger.warning("The lease of run %s could not be renewed.", run)
            return
        except KeyError:  # recorded between the copy of the list and here
            return
        if verdict != GO_ON and run in self._held:
            logger.warning("Run %s stops: %s.", run, verdict)
            if verdict == Stop.SUSPENDED:
                self._give_back(run)
            self.stop()

    def _give_back(self, run: str) -> None:
        """Give the attempt of a suspended run back. The process ends whatever Redis answers, not the thread alone."""
        try:
            self.claims.give_back(run)
        except RedisError as error:
            logger.warning("The attempt of the suspended run %s stays counted: %r", run, error)
