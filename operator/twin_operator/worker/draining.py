"""A draining worker takes no message while its flag stands in Redis, and takes them again when it is gone.

The claim refuses a draining worker in the same step that reads the flag; here the parent process stops to ask for
messages, so that they wait in their queue for other workers.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from celery import Celery
from celery.bootsteps import StartStopStep
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
LOOK_SECONDS: Final = 1.0  # between two reads of the flag: a small request, and a second is soon enough
DRAINING: Final = "draining"  # the verdict of a claim, and the reason of the rejection


@dataclass
class Draining:
    """Whether this worker drains, as its parent process knows.

    Args:
        flagged: asks Redis for the flag.
    """

    flagged: Callable[[], bool]
    active: bool = False

    def look(self) -> None:
        """Read the flag; while Redis does not answer, nothing changes."""
        try:
            flagged = self.flagged()
        except RedisError:
            return
        if flagged != self.active:
            logger.info("This worker %s tasks.", "drains and takes no more" if flagged else "takes")
        self.active = flagged

    def begin(self) -> None:
        """Stop at once: a claim was refused before the next read."""
        self.active = True


def stop_while_draining(app: Celery, draining: Draining) -> None:
    """Have the worker of `app` ask for no message while it drains."""

    class Drain(StartStopStep):
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:  # noqa: ANN401 - Celery's
            qos = consumer.task_consumer.channel.qos
            has_room = qos.can_consume
            qos.can_consume = lambda: not draining.active and has_room()

        def register_with_event_loop(self, _consumer: Any, hub: Any) -> None:  # noqa: ANN401 - Celery's
            draining.look()  # a worker that starts with its flag set takes no task
            hub.call_repeatedly(LOOK_SECONDS, draining.look)

    app.steps["consumer"].add(Drain)
