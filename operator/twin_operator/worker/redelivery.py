"""Messages whose child process gave up or died: the parent requeues them, or makes them dead letters."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from billiard.exceptions import WorkerLostError
from celery.exceptions import Reject
from celery.worker import state
from celery.worker.request import Request

from twin_operator.adapters.redis_queue.delivery import Reason, Refusal
from twin_operator.worker.celery_events import TruthfulRequest
from twin_operator.worker.draining import DRAINING, Draining

logger = logging.getLogger(__name__)
EXHAUSTED: Final = "exhausted"  # the verdict of a claim on a run that has had all its attempts
UNREADABLE: Final = "unreadable"  # the verdict of a claim that found a bad record, and dropped it
GIVEN_UP: Final[Mapping[str, bool]] = {DRAINING: True, EXHAUSTED: False, UNREADABLE: True}
"""Verdicts of claims that end in a rejection, and whether the message goes back into its queue."""

PutAside = Callable[[bytes, str, Refusal], None]

DropRecord = Callable[[str], None]
"""Takes the run whose record was dropped."""

EndAttempt = Callable[[str, str], bool]
"""Takes a run and its queue; ends this worker's lease, and returns whether it held one."""


def giving_up(verdict: str) -> Reject:
    """Return what a task raises for a verdict of `GIVEN_UP`."""
    return Reject(verdict, requeue=GIVEN_UP[verdict])


def requests_that(
    draining: Draining, put_aside: PutAside, drop_record: DropRecord, end_attempt: EndAttempt
) -> type[Request]:
    """Return Celery's request class with an eye on messages that are given up.

    Args:
        draining: begins before a message that a draining worker's claim refused is back in its queue.
        put_aside: makes a dead letter.
        drop_record: counts a record that could not be read.
        end_attempt: is called before the message of a child that died is back in its queue. Celery puts it there at
            once (`worker_lost_wait` is for other pools), and the next claim would be refused for the dead one's lease.
    """

    class ObservedRequest(TruthfulRequest):
        def on_failure(self, exc_info: Any, *args: bool, **options: bool) -> None:  # noqa: ANN401 - Celery's
            error = getattr(exc_info.exception, "exc", exc_info.exception)
            if isinstance(error, WorkerLostError) and not _end(self, end_attempt):
                self._leave()
                return
            try:
                if isinstance(error, Reject):
                    self._give_up(error.args[0])
            finally:  # else the request would count as one in progress for ever, and keep the worker from consuming
                super().on_failure(exc_info, *args, **options)

        def _leave(self) -> None:
            """Leave the message to its visibility timeout: put back now, its claim would be refused for the lease."""
            state.task_ready(self)
            self.message.channel.qos.forget(self.message.delivery_tag)

        def _give_up(self, verdict: str) -> None:
            if verdict == DRAINING:
                draining.begin()
            elif verdict == EXHAUSTED:
                message = self.message
                refusal = Refusal(Reason.EXHAUSTED, "its run has had all its attempts", self.id)
                put_aside(orjson.dumps(message._raw), message.delivery_info["routing_key"], refusal)  # noqa: SLF001
            elif verdict == UNREADABLE:
                drop_record(self.id)

    return ObservedRequest


def _end(request: Any, end_attempt: EndAttempt) -> bool:  # noqa: ANN401 - Celery's, whose types are loose
    """End the attempt of a child that died, unless another child works on the same run; return whether it could."""
    if any(other is not request and other.id == request.id for other in list(state.active_requests)):
        return True
    try:
        end_attempt(request.id, request.delivery_info["routing_key"])
    except Exception as error:  # noqa: BLE001 - whatever it was, the child is gone and its place is free
        logger.warning("Run %s begins again when its lease has ended: %r", request.id, error)
        return False
    return True
