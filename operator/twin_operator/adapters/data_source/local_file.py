"""Opens a regular file at the path that was checked, and never blocks on a pipe or a device."""

import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO, Final

# O_PATH needs the right to pass through a folder only, not to list it; systems without it need both.
_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opening a pipe without O_NONBLOCK waits for its writer.
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


class IrregularFileError(OSError):
    """What is at a path is neither a regular file nor a folder."""


def open_regular_file(path: str, check_real_path: Callable[[str], None]) -> IO[bytes]:
    """Return the open file that `path` leads to.

    Its symbolic links are followed first and the result is checked; what is opened then has none, so that a link that
    is made meanwhile fails.

    Args:
        path: absolute, without `..`.
        check_real_path: called with the path without symbolic links; raises where it may not be read.

    Raises:
        OSError: where there is no such regular file, or it may not be read.
    """
    real_path = os.path.realpath(path)
    check_real_path(real_path)
    with ExitStack() as folders:
        *parents, name = real_path.strip("/").split("/")
        folder = _hold(folders, os.open("/", _FOLDER))
        for parent in parents:
            folder = _hold(folders, os.open(parent, _FOLDER, dir_fd=folder))
        name = name or "."
        _check_regular(os.stat(name, dir_fd=folder, follow_symlinks=False), path)  # opening a device can change it
        return _opened(os.open(name, _FILE, dir_fd=folder), path)


def _hold(folders: ExitStack, descriptor: int) -> int:
    folders.callback(os.close, descriptor)
    return descriptor


def _opened(descriptor: int, path: str) -> IO[bytes]:
    try:
        _check_regular(os.fstat(descriptor), path)  # another file may have come to this name since
    except OSError:
        os.close(descriptor)
        raise
    return open(descriptor, "rb")


def _check_regular(status: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(path)
    if not stat.S_ISREG(status.st_mode):
        raise IrregularFileError(path)
