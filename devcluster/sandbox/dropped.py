"""Runs a program as another user, without any group of ours, that dies with the process which started it."""

from __future__ import annotations

import os
import sys

from devcluster.sandbox import linux
from devcluster.sandbox.leash import GONE


def main() -> None:
    """Arguments: the parent's process id, the user's and its group's number, then the program and its arguments."""
    parent, user, group = (int(word) for word in sys.argv[1:4])
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    # A change of user clears the signal at the death of the parent, so the leash comes after it.
    linux.die_with_parent()
    if os.getppid() != parent:
        sys.exit(GONE)
    linux.become(sys.argv[4:], dict(os.environ))
