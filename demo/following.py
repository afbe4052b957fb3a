"""Follows objects by `kubectl get --watch`: each change as it comes, with the moment it was seen."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread

from demo.kubernetes import Kubernetes

_GAP = "|"  # kubectl puts blanks in the place of a tab
_PAUSE = 0.5  # seconds before a watch that has ended is begun again


@dataclass(frozen=True)
class Seen:
    """One change: seconds since the epoch, and the fields that were asked for, "" where one is absent."""

    at: float
    fields: tuple[str, ...]


@dataclass
class Follower:
    """Lines that `kubectl get --watch` has printed and that are not taken yet.

    API servers end the watches of slow clients. It is started again then, and lists all objects first.
    """

    begin: Callable[[], subprocess.Popen[str]]
    _process: subprocess.Popen[str] | None = None
    _stopped: Event = field(default_factory=Event)
    _seen: SimpleQueue[Seen] = field(default_factory=SimpleQueue)

    def listen(self) -> None:
        """Take line after line until it is stopped."""
        while not self._stopped.is_set():
            with self.begin() as self._process:
                for line in self._process.stdout or ():
                    self._seen.put(Seen(time.time(), tuple(line.rstrip("\n").split(_GAP))))
            self._stopped.wait(_PAUSE)

    def stop(self) -> None:
        """Have `listen` return."""
        self._stopped.set()
        if self._process is not None:
            self._process.terminate()

    def take(self) -> Iterator[Seen]:
        """Give what came since the last time."""
        while True:
            try:
                yield self._seen.get_nowait()
            except Empty:
                return


@contextmanager
def following(kubernetes: Kubernetes, fields: tuple[str, ...], *what: str) -> Iterator[Follower]:
    """Follow objects until the block ends.

    Args:
        kubernetes: the cluster.
        fields: JSON paths of what is to be seen of each, such as `.status.phase`.
        what: which objects, as arguments of `kubectl get`.
    """
    template = _GAP.join(f"{{{path}}}" for path in fields) + '{"\\n"}'
    follower = Follower(lambda: kubernetes.begin("get", *what, "--watch", "-o", f"jsonpath={template}"))
    listener = Thread(target=follower.listen, daemon=True)
    listener.start()
    try:
        yield follower
    finally:
        follower.stop()
        listener.join(_PAUSE)
