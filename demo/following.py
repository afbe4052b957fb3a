"""Follows objects by `kubectl get --watch`: each change as it comes, with the moment it was seen."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread

from demo.kubernetes import CommandError, Kubernetes

_GAP = "\t"


@dataclass(frozen=True)
class Seen:
    """One change: seconds since the epoch, and the fields that were asked for, "" where one is absent."""

    at: float
    fields: tuple[str, ...]


@dataclass
class Follower:
    """What a kubectl that watches has printed, and nobody has taken yet."""

    process: subprocess.Popen[str]
    _seen: SimpleQueue[Seen] = field(default_factory=SimpleQueue)

    def listen(self) -> None:
        """Take line after line until kubectl ends."""
        for line in self.process.stdout or ():
            self._seen.put(Seen(time.time(), tuple(line.rstrip("\n").split(_GAP))))

    def take(self) -> Iterator[Seen]:
        """Give what came since the last time.

        Raises:
            CommandError: kubectl has ended.
        """
        ended = self.process.poll() is not None
        while True:
            try:
                yield self._seen.get_nowait()
            except Empty:
                break
        if ended:
            raise CommandError("a kubectl get --watch has ended; what it said is above")


@contextmanager
def following(kubernetes: Kubernetes, fields: tuple[str, ...], *what: str) -> Iterator[Follower]:
    """Follow objects until the block ends.

    Args:
        kubernetes: the cluster.
        fields: JSON paths of what is to be seen of each, such as `.status.phase`.
        what: which objects, as arguments of `kubectl get`.
    """
    template = '{"\\t"}'.join(f"{{{path}}}" for path in fields) + '{"\\n"}'
    follower = Follower(kubernetes.begin("get", *what, "--watch", "-o", f"jsonpath={template}"))
    listener = Thread(target=follower.listen, daemon=True)
    listener.start()
    try:
        yield follower
    finally:
        follower.process.terminate()
        follower.process.wait()
        listener.join()
