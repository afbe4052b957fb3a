"""Runs a program that dies with the process which started it, however that one dies."""

from __future__ import annotations

import os
import sys

from devcluster.sandbox import linux

GONE = 125  # exit code when the parent had died before the leash was on


def main() -> None:
    """Arguments: the parent's process id, then the program and its arguments."""
    linux.die_with_parent()
    if os.getppid() != int(sys.argv[1]):
        sys.exit(GONE)
    linux.become(sys.argv[2:], dict(os.environ))
