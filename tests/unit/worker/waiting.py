"""Waiting for other threads."""

from __future__ import annotations

import time
from collections.abc import Callable

WITHIN = 120.0  # seconds: a condition holds within milliseconds unless the machine is busy
POLL = 0.002  # seconds between two reads of a condition


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, f"not within {WITHIN:g} s"
        time.sleep(POLL)
