"""The release that is upgraded: its commit, its chart, and a virtual environment that stands for its image."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster.processes import PROJECT

BASELINE = Path(__file__).with_name("baseline")
_CALL = 600  # seconds for one command: without a cache of packages, their download takes most of it


def commit() -> str:
    """Return the hash of the baseline's commit."""
    lines = (line for line in BASELINE.read_text().splitlines() if not line.startswith("#"))
    return next(lines).strip()


def is_in_history(revision: str) -> bool:
    """Whether the repository has a commit; a shallow clone, or a copy without history, may not."""
    command = ["git", "cat-file", "-e", f"{revision}^{{commit}}"]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, timeout=_CALL, check=False).returncode == 0


@contextmanager
def checked_out(revision: str, folder: Path) -> Iterator[Path]:
    """Have a commit's files in a folder until the end of the block."""
    _git("worktree", "prune")  # of a run that was killed
    _git("worktree", "add", "--detach", str(folder), revision)
    try:
        yield folder
    finally:
        _git("worktree", "remove", "--force", str(folder))


def _git(*arguments: str) -> None:
    _run("git", "-C", str(PROJECT), *arguments)


def environment(source: Path, revision: str) -> Path:
    """Return a virtual environment with the package in `source`, and what its lock file names; made once."""
    lock_file = (source / "requirements.lock").read_bytes()
    digest = hashlib.sha256(f"{revision} {sys.version} {sys.base_prefix} ".encode() + lock_file).hexdigest()[:16]
    folder = _cache() / digest
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:  # of two test runs one makes it, the other waits
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _make(folder / "venv", source)
            (folder / "complete").touch()
    return folder / "venv"


def _cache() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "twin-operator" / "releases"


def _make(venv: Path, source: Path) -> None:
    """Make it as the Makefile does, but with a copy of the package: the source goes when the test ends."""
    shutil.rmtree(venv, ignore_errors=True)
    uv, python = str(Path(sys.executable).with_name("uv")), str(venv / "bin" / "python")
    _run(sys.executable, "-m", "venv", "--without-pip", str(venv))
    _run(uv, "pip", "sync", "--python", python, "--require-hashes", str(source / "requirements.lock"))
    _run(uv, "pip", "install", "--python", python, "--no-deps", "--no-build-isolation", str(source))


def _run(*command: str) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=_CALL, check=False)
    assert answer.returncode == 0, f"{' '.join(command)}: {answer.stderr}"
