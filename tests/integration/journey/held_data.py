"""Data that cannot be read to its end until a test says so: what trains on it is in training for as long."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def hold(path: Path) -> None:
    """Make a file whose readers wait: opening a pipe that nobody writes to does not return."""
    os.mkfifo(path)


def release(path: Path, content: Path) -> None:
    """Put a file with content in its place; who waits already goes on waiting, who opens it now can read it."""
    new = path.with_suffix(".new")
    shutil.copy(content, new)
    new.replace(path)
