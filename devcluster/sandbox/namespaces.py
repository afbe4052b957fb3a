"""The namespaces of a container: mounts, processes and host name; and a user namespace when we are not root."""

from __future__ import annotations

import os
from pathlib import Path

from devcluster.sandbox import linux

CONTAINER = linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWUTS

FORBIDDEN = (
    "containers need mount and process namespaces, and this machine refuses them to user {user} ({error}). "
    "Run as root with CAP_SYS_ADMIN, or allow unprivileged user namespaces "
    "(kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0; "
    "inside Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined)"
)


class NamespacesForbiddenError(Exception):
    """This machine does not let us have namespaces; the message says what would."""


def create() -> None:
    """Put this process's next child into new namespaces.

    Raises:
        NamespacesForbiddenError: the kernel or a security module refuses.
    """
    user, group = os.getuid(), os.getgid()
    try:
        if user == 0:
            linux.unshare(CONTAINER)
        else:
            linux.unshare(CONTAINER | linux.CLONE_NEWUSER)
            _map_to_root(user, group)
    except OSError as error:
        raise NamespacesForbiddenError(FORBIDDEN.format(user=user, error=error.strerror)) from error


def enter(pid: int) -> None:
    """Join a container's namespaces, of which only the next child sees its processes."""
    linux.enter(pid, CONTAINER if os.getuid() == 0 else CONTAINER | linux.CLONE_NEWUSER)


def _map_to_root(user: int, group: int) -> None:
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
