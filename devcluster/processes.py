"""Child processes of the supervisor: each on a leash, each awaited without a thread.

The kernel takes a leash for the thread that forked, so these are called from the main thread.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

# Isolated from the user's environment and without site-packages: that is what makes it quick.
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from devcluster.sandbox import {0}; {0}.main()"


def sandbox_program(name: str, *arguments: str) -> list[str]:
    """Give the command line that runs a module of `devcluster.sandbox`."""
    return [sys.executable, "-I", "-S", "-c", _START.format(name), str(PROJECT), *arguments]


def start(
    argv: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    *,
    guarded: bool = False,
    account: tuple[int, int] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own that dies with this process; its output is appended to `log`.

    Guarded, its own children die with it. With an account (a user's and its group's number), root has it run as that
    user.
    """
    leash = [*sandbox_program("guarded" if guarded else "leash"), str(os.getpid())]
    if account:
        leash = [*sandbox_program("dropped"), str(os.getpid()), *map(str, account)]
    command = [*leash, *argv]
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )


async def exited(process: subprocess.Popen[bytes]) -> int:
    """Wait for a child to end, and give its exit code as `subprocess` does."""
    if process.poll() is None:
        handle = os.pidfd_open(process.pid)
        try:
            await readable(handle)
        finally:
            os.close(handle)
    return process.wait()


async def readable(descriptor: int) -> None:
    """Wait until a descriptor has something to read, or has come to its end."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


async def stop(process: subprocess.Popen[bytes], patience: float) -> None:
    """End a child: SIGTERM, and SIGKILL to its whole session after `patience` seconds."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(exited(process), patience)
    except TimeoutError:
        kill_group(process.pid)
        await exited(process)


def kill_group(leader: int) -> None:
    """Kill a session that one of our own children leads."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
