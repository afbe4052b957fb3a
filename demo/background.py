"""A background process that keeps the platform of the demo running until it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from demo.platform import PROJECT, AlreadyRunningError, Platform, running
from demo.telling import clock, show
from devcluster.layout import Layout, write_atomically

_POLL = 0.1  # seconds between polls
_GONE_WITHIN = 60.0  # seconds: every Pod gets its grace, then the control plane ends


class BackgroundError(Exception):
    """The platform did not come up, or does not end; what it printed says why."""


def _platform_file(directory: Path) -> Path:
    return directory / "platform.json"


def _pid_file(directory: Path) -> Path:
    return directory / "background.pid"


def _pid(directory: Path) -> int | None:
    """Give the process id of the background process whose platform is ready; None when there is none."""
    try:
        return int(_pid_file(directory).read_text())
    except FileNotFoundError:
        return None


def start(directory: Path) -> Platform:
    """Start a background process and wait until its platform is there; its progress goes to our output.

    Raises:
        BackgroundError: it ended before.
    """
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "demo.background", str(directory)],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return _wait_for_platform(directory, process)
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _wait_for_platform(directory: Path, process: subprocess.Popen[bytes]) -> Platform:
    while _pid(directory) != process.pid:
        if process.poll() is not None:
            raise BackgroundError("the platform did not come up")
        time.sleep(_POLL)
    return Platform.from_json(_platform_file(directory).read_text())


def stop(directory: Path) -> bool:
    """Stop the platform that a background process runs; False when there is none.

    Raises:
        BackgroundError: it does not end.
    """
    if not Layout(directory).is_running():
        return False
    pid = _pid(directory)
    if pid is None:
        raise BackgroundError("a demo is running in the foreground or has just begun: end it with Ctrl-C")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _GONE_WITHIN
    while Layout(directory).is_running():
        if time.monotonic() > deadline:
            raise BackgroundError(f"the demo in {directory} does not end")
        time.sleep(_POLL)
    return True


def _hold(directory: Path) -> None:
    with running(directory, clock()) as platform:
        write_atomically(_platform_file(directory), platform.to_json().encode())
        write_atomically(_pid_file(directory), str(os.getpid()).encode())
        _let_go_of_output(directory / "background.log")
        signal.pause()


def _let_go_of_output(log: Path) -> None:
    """Redirect further output to a log: whoever reads the demo's output must see its end."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())


def main() -> int:
    """Hold a platform until SIGTERM or SIGINT."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    try:
        _hold(Path(sys.argv[1]))
    except AlreadyRunningError as error:
        show(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
