"""What becomes of a message whose run has had all its attempts: the child gives it up, the parent puts it aside."""

from collections.abc import Callable

import orjson
from billiard.einfo import ExceptionInfo
from celery.exceptions import Reject
from celery.worker.request import Request

from twin_operator.adapters.redis_queue.delivery import Reason, Refusal

PutAside = Callable[[bytes, str, Refusal], None]


def rejection() -> Reject:
    """Return what a task raises when its run has no attempt left."""
    return Reject(Reason.EXHAUSTED, requeue=False)


def requests_that(put_aside: PutAside) -> type[Request]:
    """Return Celery's request class with an eye on messages that are given up."""

    class _Request(Request):
        def on_failure(self, exc_info: ExceptionInfo, *args: bool, **kwargs: bool) -> None:
            given_up = exc_info.exception
            if isinstance(given_up, Reject) and given_up.args == rejection().args:
                message = self.message
                refusal = Refusal(Reason.EXHAUSTED, "its run has had all its attempts", self.id)
                put_aside(orjson.dumps(message._raw), message.delivery_info["routing_key"], refusal)  # noqa: SLF001
            super().on_failure(exc_info, *args, **kwargs)

    return _Request
