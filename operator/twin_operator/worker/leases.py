"""Keeps the claims of a worker process alive, and ends the process whose run is to stop."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from twin_operator.adapters.redis_queue.claims import Claims
from twin_operator.services.tasks import Stop

logger = logging.getLogger(__name__)
STOPPED_EXIT = 75  # EX_TEMPFAIL: the pool replaces the child, the message returns and its claim is refused


def end_process() -> None:
    """End this child at once; learners do not listen to anything gentler."""
    os._exit(STOPPED_EXIT)


@dataclass
class LeaseThread:
    """Renews the lease of the run in hand at a third of its life.

    Args:
        claims: the worker's claims.
        stop: called when the run is cancelled, deleted, suspended, or the lease is lost.
    """

    claims: Claims
    stop: Callable[[], None] = end_process
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
        if verdict != "go on" and run in self._held:
            logger.warning("Run %s stops: %s.", run, verdict)
            if verdict == Stop.SUSPENDED:
                self.claims.give_back(run)  # a person's wish is no failed attempt
            self.stop()
