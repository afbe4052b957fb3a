"""The Linux calls that Python 3.11 has no function for: `prctl`, `unshare`, `setns`, `mount` and `pivot_root`.

Each raises OSError as the functions of `os` do.  Decisions belong to the callers.
"""

from __future__ import annotations

import ctypes
import os
import signal

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

_MNT_DETACH = 2
_PR_SET_PDEATHSIG = 1
# pivot_root has no wrapper in the C library; its number differs by machine.
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends.

    A change of user namespace clears it, so it comes after `unshare`.
    """
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def unshare(flags: int) -> None:
    """Move this process (its next children, for CLONE_NEWPID) into new namespaces."""
    _checked(_libc.unshare(flags), "unshare")


def enter(pid: int, flags: int) -> None:
    """Join the namespaces of another process."""
    descriptor = os.pidfd_open(pid)
    try:
        _checked(_libc.setns(descriptor, flags), "setns")
    finally:
        os.close(descriptor)


def mount(source: str, target: str, filesystem: str = "", flags: int = 0, data: str = "") -> None:
    """Mount or bind `source` at `target`."""
    words = [word.encode() or None for word in (source, target, filesystem)]
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), data.encode() or None), target)


def pivot_root(directory: str) -> None:
    """Make `directory`, a mount point, the root of this mount namespace, and drop the old root."""
    os.chdir(directory)
    number = _SYS_PIVOT_ROOT[os.uname().machine]
    _checked(_libc.syscall(ctypes.c_long(number), b".", b"."), directory)
    _checked(_libc.umount2(b".", _MNT_DETACH), "the old root")
    os.chdir("/")


def become(argv: list[str], environment: dict[str, str]) -> None:
    """Replace this process by a program found on its own PATH; returns never, or raises OSError."""
    # Python ignores these two, and an ignored signal stays ignored after exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(argv[0], argv, environment)  # noqa: S606 - there is no shell to be had
