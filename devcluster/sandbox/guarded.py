"""Runs a program that dies with the process which started it, and whose own children die with it.

A guard stays in the program's session, waits for the program's end, and kills what is left of the
session. For servers that start workers of their own and do not put them on a leash.
"""

from __future__ import annotations

import os
import select
import signal
import sys

from devcluster.sandbox import linux
from devcluster.sandbox.leash import GONE


def main() -> None:
    """Arguments: the parent's process id, then the program and its arguments."""
    linux.die_with_parent()
    if os.getppid() != int(sys.argv[1]):
        sys.exit(GONE)
    leader = os.getpid()
    if os.fork() == 0:
        _guard(leader)
    linux.become(sys.argv[2:], dict(os.environ))


def _guard(leader: int) -> None:
    # Signals that ask the session to end are meant for the program; the guard ends after it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    select.select([os.pidfd_open(leader)], [], [])
    os.killpg(leader, signal.SIGKILL)
