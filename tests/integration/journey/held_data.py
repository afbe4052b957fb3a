"""Data that cannot be read to its end until a test says so: what trains on it is in training for as long."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path


def hold(path: Path) -> None:
    """Make a file whose readers wait: opening a pipe that nobody writes to does not return."""
    os.mkfifo(path)


def release(path: Path, content: Path) -> None:
    """Put a file with content in its place; a process that already waits reads an empty file."""
    new = path.with_suffix(".new")
    shutil.copy(content, new)
    writer = _open_for_readers(path)
    new.replace(path)
    if writer is not None:
        os.close(writer)


def _open_for_readers(pipe: Path) -> int | None:
    """Open a pipe for writing; None where no reader waits."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return None
