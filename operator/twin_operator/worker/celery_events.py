"""The Celery events of a worker and its tasks; they report the result of the run.

Our frame records failures and refusals itself, so to Celery every task succeeds. The request, which sends the events
in the worker's main process, reports the run's result instead; what Celery does with the message stays as it is.
"""

from collections.abc import Mapping
from typing import Any, Final

from celery import Celery, signals
from celery.events.dispatcher import EventDispatcher
from celery.worker.request import Request

HEARTBEAT_SECONDS: Final = 5  # a dead worker is known after some of them; Celery's own 2 s are a message more often
OF_VERDICT: Final[Mapping[str, str]] = {
    "recorded": "task-succeeded",
    "refused": "task-failed",
    "to be tried again": "task-retried",
    "attempt failed": "task-retried",
    "last attempt failed": "task-failed",
    "past its deadline": "task-revoked",
    "cancelled": "task-revoked",
    "deleted": "task-revoked",
    "suspended": "task-revoked",
}
"""The event of each verdict of the frame; every other one is a refusal of the claim: `task-rejected`."""


def event_of(verdict: str) -> tuple[str, str]:
    """Return the type of the event that reports a verdict, and the kind of error.

    Args:
        verdict: of the frame, such as `attempt failed: ValueError`.
    """
    what, _, error = verdict.partition(": ")
    return OF_VERDICT.get(what, "task-rejected"), error


class TruthfulRequest(Request):
    """A request whose events name task and queue, and report the verdict that the task returned."""

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002, ANN401 - Celery's names
        """Send an event, where events are on."""
        eventer = self.eventer
        if eventer is None or not eventer.enabled:
            return
        if type == "task-succeeded":  # the result is the representation of what the task returned
            type, error = event_of(str(fields.get("result")).strip("'\""))  # noqa: A001 - likewise
            fields |= {"error": error, "exception": error} if error else {}
        elif type == "task-failed":  # nothing that the frame caught: the kind of error is what comes before its text
            fields["error"] = str(fields.get("exception")).partition("(")[0]
        queue = (self.delivery_info or {}).get("routing_key")
        eventer.send(type, uuid=self.id, name=self.name, queue=queue, **fields)


@signals.task_received.connect
def _tell_received(request: Request, **_: object) -> None:
    """Report that a task was received; Celery's own event, which is off, does not name the queue."""
    request.send_event("task-received")


def tell_of_worker(app: Celery, queues: list[str], processes: int) -> None:
    """Have the events of the worker itself name its queues and how many tasks it can run at the same time."""

    class WorkerEvents(EventDispatcher):
        def send(self, type: str, *args: Any, **fields: Any) -> None:  # noqa: A002, ANN401 - Celery's names
            own = {"queues": queues, "processes": processes} if type.startswith("worker-") else {}
            super().send(type, *args, **fields | own)

    app.events.dispatcher_cls = WorkerEvents  # type: ignore[assignment]  # a name or the class itself
