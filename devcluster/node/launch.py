"""Starts containers, and commands inside them, as processes; no decisions."""

from __future__ import annotations

import json
import os
import signal
import socket
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
    heard, report = socket.socketpair()
    with heard:
        with report, log.open("ab") as output:
            process = _sandbox("container", output.fileno(), environment, report.fileno())
        try:
            _give(process, json.dumps(asdict(order)))
            words, handles = await _reported(heard)
        except BaseException:
            process.kill()
            raise
    if "pid" not in words or "error" in words:
        await processes.exited(process)
        for handle in handles:
            os.close(handle)
        raise StartError(words.get("error", f"the sandbox ended with {process.returncode}"))
    return Running(process, int(words["pid"]), handles[0])


async def _reported(channel: socket.socket) -> tuple[dict[str, str], list[int]]:
    """Read a sandbox's report to its end: its lines by their first word, and the descriptors that came along."""
    channel.setblocking(False)
    text, handles = b"", []
    while True:
        await processes.readable(channel.fileno())
        chunk, descriptors, *_ = socket.recv_fds(channel, _CHUNK, 1)
        handles += descriptors
        if not chunk:
            return dict(line.split(" ", 1) for line in text.decode(errors="replace").splitlines()), handles
        text += chunk


async def _heard(descriptor: int) -> str:
    """Read a pipe to its end and close it."""
    os.set_blocking(descriptor, False)
    content = b""
    try:
        while True:
            await processes.readable(descriptor)
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                return content.decode(errors="replace")
            content += chunk
    finally:
        os.close(descriptor)


async def run_inside(pid: int, order: Order, argv: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a command in the container whose process 1 is `pid`, and give its exit code and output."""
    heard, output = os.pipe()
    try:
        process = _sandbox("enter", output, environment)
    finally:
        os.close(output)
    try:
        inside = {"pid": pid, "argv": argv, "environment": order.environment, "directory": order.directory}
        _give(process, json.dumps({**inside, "agent": os.getpid()}))
        words = await _heard(heard)
        return await processes.exited(process), words
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _sandbox(name: str, output: int, environment: Mapping[str, str], *descriptors: int) -> subprocess.Popen[bytes]:
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
    """Write all that a process reads from its standard input; when it has died, its exit code says so."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.write(text.encode())
        with suppress(BrokenPipeError):
            process.stdin.close()
