"""Starts containers, and commands inside them, as processes; no decisions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from devcluster import processes
from devcluster.sandbox.container import Order

_CHUNK = 65536  # bytes: as much as a pipe holds


class StartError(Exception):
    """A container could not be started; the message says why."""


@dataclass(frozen=True)
class Running:
    """A container that runs."""

    process: subprocess.Popen[bytes]  # the witness, our child
    pid: int  # process 1 of the container, as the host numbers it
    handle: int  # a descriptor of that process: its number may be used again, this one not

    def send(self, number: signal.Signals) -> None:
        """Send a signal to process 1 of the container."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, number)

    async def exited(self) -> int:
        """Wait for the end and give the exit code."""
        try:
            return await processes.exited(self.process)
        finally:
            if self.process.returncode is not None:
                os.close(self.handle)


async def start(order: Order, log: Path, environment: Mapping[str, str]) -> Running:
    """Start a container whose output is appended to `log`.

    `environment` is that of the witness; the container has its own in the order.

    Raises:
        StartError: namespaces, mounts, the working directory or the program are not to be had.
    """
    heard, report = os.pipe()
    process = _sandbox("container", log, environment, report)
    os.close(report)
    try:
        _give(process, json.dumps(asdict(order)))
        words = dict(line.split(" ", 1) for line in (await _heard(heard)).splitlines())
    except BaseException:
        process.kill()
        raise
    if "error" in words or "pid" not in words:
        await processes.exited(process)
        raise StartError(words.get("error", f"the sandbox ended with {process.returncode}"))
    return Running(process, int(words["pid"]), os.pidfd_open(int(words["pid"])))


async def _heard(descriptor: int) -> str:
    """Read a pipe to its end and close it."""
    os.set_blocking(descriptor, False)
    content = b""
    try:
        while True:
            await processes.readable(descriptor)
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                return content.decode()
            content += chunk
    finally:
        os.close(descriptor)


async def run_inside(pid: int, order: Order, argv: list[str], log: Path, environment: Mapping[str, str]) -> int:
    """Run a command in the container whose process 1 is `pid`, and give its exit code."""
    process = _sandbox("enter", log, environment)
    try:
        inside = {"pid": pid, "argv": argv, "environment": order.environment, "directory": order.directory}
        _give(process, json.dumps({**inside, "agent": os.getpid()}))
        return await processes.exited(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _sandbox(name: str, log: Path, environment: Mapping[str, str], *descriptors: int) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            processes.sandbox_program(name, *map(str, descriptors)),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            env=dict(environment),
            start_new_session=True,
        )


def _give(process: subprocess.Popen[bytes], text: str) -> None:
    """Write all that a process reads from its standard input; when it has died, its exit code tells."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.write(text.encode())
        with suppress(BrokenPipeError):
            process.stdin.close()
