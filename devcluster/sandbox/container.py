"""Becomes a container: namespaces, root file system, host name, then the program of the image.

Two processes: the outer one stays behind as the parent that a container's exit is read from, the
inner one is process 1 of the container.  When the node agent dies, so does the outer process; with
it the inner one; and with process 1 the kernel ends every process of the container.

On standard input comes the order as JSON; on the socket named by the first argument goes a report:
`pid N` with a descriptor of that process, then nothing more when the program has been started, else
`error SENTENCE`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devcluster.sandbox import linux, namespaces
from devcluster.sandbox.rootfs import Mount, Root

NOT_STARTED = 128  # the exit code that a kubelet, too, gives to what could not be started
_BY_SIGNAL = 128  # a shell's convention: 128 + the number of the signal


@dataclass(frozen=True)
class Order:
    """All that is needed to start a container; paths are the host's."""

    argv: list[str]
    environment: dict[str, str]
    directory: str
    hostname: str
    root: str
    mounts: list[Mount]
    exposed: list[str]
    agent: int  # process id of the node agent: without it there is nothing to start for

    @classmethod
    def read(cls, text: str) -> Order:
        """Parse an order."""
        fields = json.loads(text)
        fields["mounts"] = [Mount(**mount) for mount in fields["mounts"]]
        return cls(**fields)


def main() -> None:
    """Argument: the descriptor of the socket for the report."""
    report = int(sys.argv[1])
    os.set_inheritable(report, False)
    order = Order.read(sys.stdin.read())
    try:
        namespaces.create()
    except namespaces.NamespacesForbiddenError as error:
        _say(report, f"error {error}")
        sys.exit(NOT_STARTED)
    linux.die_with_parent()
    if os.getppid() == order.agent:
        sys.exit(run_in_child(lambda: _start(order, report), lambda pid: _started(report, pid)))


def run_in_child(start: Callable[[], None], started: Callable[[int], None]) -> int:
    """Fork, run `start` in a child that dies with this process, and give its exit code as a shell would."""
    alive, held = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(held)
        linux.die_with_parent()
        if not select.select([alive], [], [], 0)[0]:  # readable means closed: the parent has died already
            start()
        os._exit(NOT_STARTED)
    # What is meant for the container is sent to it; what is sent to the group must not end the witness.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    started(pid)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _BY_SIGNAL - code


def _started(report: int, pid: int) -> None:
    # Only here, before it was waited for, does the number surely mean this process.
    handle = os.pidfd_open(pid)
    with socket.socket(fileno=report) as channel:
        socket.send_fds(channel, [f"pid {pid}\n".encode()], [handle])
    os.close(handle)


def _start(order: Order, report: int) -> None:
    try:
        _prepare(order)
        linux.become(order.argv, order.environment)
    except FileNotFoundError as error:
        _say(report, f"error {error.filename or order.argv[0]}: not found by PATH={order.environment.get('PATH', '')}")
    except OSError as error:
        _say(report, f"error {error}")


def _prepare(order: Order) -> None:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    socket.sethostname(order.hostname)
    Root(Path(order.root)).build(order.mounts, order.exposed)
    linux.pivot_root(order.root)
    os.umask(0o022)
    os.chdir(order.directory)


def _say(report: int, line: str) -> None:
    os.write(report, f"{line}\n".encode())
