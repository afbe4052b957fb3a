"""Where actionlint comes from, which checks the workflows of CI: PATH, the user's cache, else a build, once.

The wheel of PyPI has no program in it and downloads one when it is installed. A build from the module proxy is checked
by the hashes of `linters/go.sum`, and takes half a minute.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from devcluster.binaries import cache_directory
from devcluster.build import BuildError, find_go

PROGRAM = "actionlint"
MODULE = Path(__file__).resolve().parent / "linters"
_PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"
_WITHIN = 600  # seconds: 5 MB of modules, and a standard library that may have to be compiled first


def find(say: Callable[[str], None] = print) -> Path:
    """Find actionlint, or build it.

    Raises:
        BuildError: there is no Go to be had, or the build failed; the message has its output.
    """
    on_path = shutil.which(PROGRAM)
    if on_path:
        return Path(on_path)
    cached = cache_directory() / f"{PROGRAM}-{_digest()}"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        say(f"no {PROGRAM} on PATH: building it")
        _build(find_go(cache_directory(), say), cached)
    return cached


def _digest() -> str:
    """Name a build by the versions and hashes that go into it."""
    return hashlib.sha256(b"".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))).hexdigest()[:16]


def _build(go: str, program: Path) -> None:
    """Build the program; it appears in its place whole or not at all."""
    new = program.with_name(f".{program.name}.{os.getpid()}")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    command = [go, "build", "-trimpath", "-o", str(new), _PACKAGE]
    answer = subprocess.run(
        command, cwd=MODULE, env=environment, capture_output=True, text=True, timeout=_WITHIN, check=False
    )
    if answer.returncode != 0:
        raise BuildError(f"the build of {PROGRAM} failed:\n{answer.stderr}")
    new.replace(program)
