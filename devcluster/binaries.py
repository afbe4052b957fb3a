"""Where the programs of the cluster come from: KUBEBUILDER_ASSETS, the user's cache, else a build, once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devcluster import build

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "helm")
# The folder of an envtest download has no controller manager and no scheduler; ours stand in.
_FROM_ASSETS = ("etcd", "kube-apiserver")


@dataclass(frozen=True)
class Binaries:
    """The paths of the programs."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kube_scheduler: Path
    kubectl: Path
    helm: Path


def cache_directory() -> Path:
    """Give the folder of the user's cache that is ours."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "twin-operator" / "devcluster"


def source_digest() -> str:
    """Name a build by all that goes into it: sources, flags and the kind of machine."""
    digest = hashlib.sha256(f"{platform.machine()} {build.FLAGS}".encode())
    for file in sorted(build.SOURCES.glob("*.*")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def find(say: Callable[[str], None] = print) -> Binaries:
    """Find the programs, or build them, with words about the progress.

    Raises:
        BuildError: there is no Go to be had, or the build failed; the message has the end of its output.
    """
    own = _built(cache_directory() / source_digest(), say)
    paths = {name: own / name for name in PROGRAMS} | _assets()
    return Binaries(**{name.replace("-", "_"): path for name, path in paths.items()})


def _assets() -> dict[str, Path]:
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        return {}
    return {name: Path(folder) / name for name in _FROM_ASSETS if (Path(folder) / name).exists()}


def _built(folder: Path, say: Callable[[str], None]) -> Path:
    if not (folder / build.PROGRAM).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            _wait_for_turn(lock.fileno(), say)
            if not (folder / build.PROGRAM).exists():
                build.build(folder, cache_directory(), say)
    for name in PROGRAMS:
        _link(folder / name)
    return folder


def _wait_for_turn(lock: int, say: Callable[[str], None]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another process is building the programs of the cluster: waiting for it")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _link(path: Path) -> None:
    if not path.is_symlink():
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.symlink_to(build.PROGRAM)
        new.replace(path)
