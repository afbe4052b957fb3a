"""The end of a worker: it finishes its tasks, or gives them back before the Pod's grace period is over.

Celery's own warm shutdown waits for tasks without end, and its soft shutdown sleeps for the whole of its time however
soon they are done. So the warm shutdown is taken, and a thread ends what has outlasted the grace.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

from billiard import active_children
from celery.platforms import EX_OK
from celery.signals import worker_ready
from celery.worker import state

logger = logging.getLogger(__name__)
LONGEST_MARGIN: Final = 10.0  # seconds kept of the grace for giving back, which takes a fraction of one
MARGIN_SHARE: Final = 0.1  # of a short grace

GiveBack = Callable[[str, str], bool]
"""Takes a run and its queue; gives the attempt back, and returns whether this worker held it."""


def seconds_to_finish(grace: float) -> float:
    """Return how long a task may go on after SIGTERM, of the seconds before SIGKILL."""
    return grace - min(LONGEST_MARGIN, MARGIN_SHARE * grace)


def kill_children() -> None:
    """End the processes of the pool at once."""
    for child in active_children():
        if child.pid is not None:
            with suppress(ProcessLookupError):  # it ended by itself meanwhile
                os.kill(child.pid, signal.SIGKILL)


@dataclass
class Grace:
    """What a worker does on SIGTERM: finish; at the end of its time or at a second signal, give back.

    Args:
        seconds: how long running tasks may go on.
        give_back: gives an attempt back.
        kill: ends the children.
        end: ends this process with an exit code.
        returning: whether giving back has begun: children that die from now on were ended here, and give back.
    """

    seconds: float
    give_back: GiveBack
    kill: Callable[[], None] = kill_children
    end: Callable[[int], object] = os._exit  # without the finalizers of a loop that may wait for ever
    returning: bool = False
    _told: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    def install(self) -> None:
        """Answer SIGTERM and SIGINT in place of Celery, once it is ready to work."""
        worker_ready.connect(self._listen, weak=False)

    def _listen(self, **_signal: Any) -> None:  # noqa: ANN401 - Celery's
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        """Begin to end. A handler interrupts anything, so whatever may wait for a lock is left to a thread."""
        if self._told.is_set():
            self._over.set()
        else:
            self._told.set()
            threading.Thread(target=self._wait, name="grace", daemon=True).start()
        state.should_stop = EX_OK  # type: ignore[assignment]  # the warm shutdown: no further message, and the end when no task runs

    def _wait(self) -> None:
        logger.info("No further task is taken; running tasks have %.0f s to finish.", self.seconds)
        self._over.wait(self.seconds)
        try:
            self._return_all()
        except Exception:
            logger.exception("Runs in progress begin again when the visibility of their messages ends.")
        finally:
            self.end(EX_OK)

    def _return_all(self) -> None:
        self.returning = True
        in_progress = tuple(state.reserved_requests)  # now: the loop drops those whose children it finds dead
        self.kill()  # first, so that no child works on a run that another worker may claim
        for request in in_progress:
            self._return(request)

    def _return(self, request: Any) -> None:  # noqa: ANN401 - Celery's
        try:
            if self.give_back(request.id, request.delivery_info["routing_key"]):
                logger.warning("Run %s did not finish within the grace period; another worker repeats it.", request.id)
            message = request.message
            # To the front; a rejection would put it behind all others, and would wait for a loop that no longer runs.
            message.channel.qos.restore_by_tag(message.delivery_tag)
        except Exception as error:  # noqa: BLE001 - the others are to be given back all the same
            logger.warning("Run %s returns when its message's visibility ends: %r", request.id, error)
