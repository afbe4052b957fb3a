"""Where promtool comes from, which checks and tests the alerts: PATH, the user's cache, else Debian's package, once.

The package `prometheus` is unpacked into the cache and not installed: no root is needed, and no server is started. The
lists of packages are fetched into a folder of their own, since a fresh machine has none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from devcluster.binaries import cache_directory
from devcluster.build import BuildError

PROGRAM = "promtool"
PACKAGE = "prometheus"
_INSTEAD = f"Install Debian's package {PACKAGE}, or put {PROGRAM} on PATH."
_WITHIN = 300  # seconds for a step: 14 MB of lists and a package of 19 MB


def find(say: Callable[[str], None] = print) -> Path:
    """Find promtool, or fetch it.

    Raises:
        BuildError: it is not there and cannot be had; the message says what to do.
    """
    on_path = shutil.which(PROGRAM)
    if on_path:
        return Path(on_path)
    cached = cache_directory() / PROGRAM
    if not cached.exists():
        say(f"no {PROGRAM} on PATH: unpacking Debian's package {PACKAGE} (19 MB) into the cache")
        cached.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cached.parent, prefix=f".{PROGRAM}.") as folder:
            _unpack(Path(folder)).replace(cached)
    return cached


def _unpack(folder: Path) -> Path:
    """Fetch the package and unpack it; give the program."""
    _run(["apt-get", "-qq", *_own_state(folder), "update"], folder)
    _run(["apt-get", "-qq", *_own_state(folder), "download", PACKAGE], folder)
    (package,) = folder.glob(f"{PACKAGE}_*.deb")
    _run(["dpkg-deb", "--extract", str(package), str(folder / "package")], folder)
    return folder / "package" / "usr" / "bin" / PROGRAM


def _own_state(folder: Path) -> list[str]:
    """Have apt keep its lists and downloads in `folder`; the sources are the machine's."""
    places = {"Dir::State": folder / "state", "Dir::State::Lists": folder / "lists", "Dir::Cache": folder / "cache"}
    for place in (places["Dir::State"], places["Dir::State::Lists"] / "partial", places["Dir::Cache"] / "archives"):
        place.mkdir(parents=True, exist_ok=True)
    # As the user who runs this: apt's own user may not write here.
    return [f"-o{name}={path}" for name, path in places.items()] + ["-oAPT::Sandbox::User="]


def _run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        answer = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_WITHIN, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{PROGRAM} cannot be fetched: {error}. {_INSTEAD}") from error
    if answer.returncode != 0:
        raise BuildError(f"{PROGRAM} cannot be fetched: {answer.stderr.strip()}. {_INSTEAD}")
