"""Waiting for a server that was started: until it answers, or with the end of its log when it does not."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_POLL = 0.05  # seconds between reads
_SHOWN_OF_FAILURE = 20  # lines of a log


class ServiceError(Exception):
    """A service did not start; the message has the end of its log."""


def await_answer(
    name: str, process: subprocess.Popen[bytes], log: Path, answers: Callable[[], bool], within: float
) -> None:
    """Wait until a server answers, at most `within` seconds.

    Raises:
        ServiceError: it ended, or did not answer in time.
    """
    deadline = time.monotonic() + within
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise failure(f"{name} did not start:", log)
        time.sleep(_POLL)


def failure(sentence: str, log: Path) -> ServiceError:
    """Give an error that shows the last lines of a log."""
    lines = log.read_text(errors="replace").splitlines()[-_SHOWN_OF_FAILURE:]
    return ServiceError("\n".join([sentence, *lines]))
