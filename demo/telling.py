"""How the demo speaks: a line with the seconds since its start, or plain text."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

Say = Callable[[str], None]


def show(text: str = "") -> None:
    """Print text, at once even into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def clock() -> Say:
    """Give a `say` that puts the seconds since now before each line."""
    begun = time.monotonic()

    def say(line: str) -> None:
        show(f"{time.monotonic() - begun:6.1f} s  {line}")

    return say
