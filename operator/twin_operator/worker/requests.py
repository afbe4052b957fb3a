"""What becomes of a message that a child gives up: the parent puts it back, or makes it a dead letter."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from celery.exceptions import Reject
from celery.worker.request import Request

from twin_operator.adapters.redis_queue.delivery import Reason, Refusal
from twin_operator.worker.draining import DRAINING, Draining
from twin_operator.worker.reporting import TruthfulRequest

EXHAUSTED: Final = "exhausted"  # the verdict of a claim on a run that has had all its attempts
GIVEN_UP: Final[Mapping[str, bool]] = {DRAINING: True, EXHAUSTED: False}
"""Verdicts of claims that end in a rejection, and whether the message goes back into its queue."""

PutAside = Callable[[bytes, str, Refusal], None]


def giving_up(verdict: str) -> Reject:
    """Return what a task raises for a verdict of `GIVEN_UP`."""
    return Reject(verdict, requeue=GIVEN_UP[verdict])


def requests_that(draining: Draining, put_aside: PutAside) -> type[Request]:
    """Return Celery's request class with an eye on messages that are given up.

    Args:
        draining: begins before a message that a draining worker's claim refused is back in its queue.
        put_aside: makes a dead letter.
    """

    class ObservedRequest(TruthfulRequest):
        def on_failure(self, exc_info: Any, *args: bool, **options: bool) -> None:  # noqa: ANN401 - Celery's
            error = getattr(exc_info.exception, "exc", exc_info.exception)
            verdict = error.args[0] if isinstance(error, Reject) else None
            if verdict == DRAINING:
                draining.begin()
            elif verdict == EXHAUSTED:
                message = self.message
                refusal = Refusal(Reason.EXHAUSTED, "its run has had all its attempts", self.id)
                put_aside(orjson.dumps(message._raw), message.delivery_info["routing_key"], refusal)  # noqa: SLF001
            super().on_failure(exc_info, *args, **options)

    return ObservedRequest
