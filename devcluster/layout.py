"""Where a cluster keeps what: one folder holds its keys, its etcd data, its logs and its state."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

LOOPBACK = "127.0.0.1"
MARK = "DEVCLUSTER_DIRECTORY"  # in the environment of every process of a cluster: whose it is

# Below the range from which Linux gives outgoing connections their ports: none of them can take a port
# between its choice and its use, nor while the cluster is down.
_PORTS = range(20_000, 32_768)
_LOCK_POLL = 0.01  # seconds between tries for the lock


def default_directory() -> Path:
    """Give the user's own cluster: DEVCLUSTER_DIRECTORY, else a folder among the user's state."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return Path(os.environ.get(MARK) or state / "twin-operator" / "devcluster")


@dataclass(frozen=True)
class Ports:
    """TCP ports on the loopback address, chosen once so that a kubeconfig stays valid after a restart."""

    api: int
    etcd: int
    etcd_peer: int
    controller_manager: int
    scheduler: int
    kubelet: int


@dataclass(frozen=True)
class State:
    """What a supervisor says of itself."""

    phase: str  # starting, ready, stopping or failed
    supervisor: int  # process id
    message: str = ""
    processes: dict[str, int] = field(default_factory=dict)  # process ids by component


@dataclass(frozen=True)
class Layout:
    """The paths inside a cluster's directory."""

    directory: Path

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def keys(self) -> Path:
        """Certificates and private keys."""
        return self.directory / "keys"

    @property
    def etcd(self) -> Path:
        """The data of etcd: all objects of the cluster."""
        return self.directory / "etcd"

    @property
    def logs(self) -> Path:
        """One log for each component, and `pods/` with one for each container."""
        return self.directory / "logs"

    @property
    def pods(self) -> Path:
        """The volumes and scratch folders of Pods, by uid."""
        return self.directory / "pods"

    def log(self, component: str) -> Path:
        """The log of a component."""
        return self.logs / f"{component}.log"

    def create(self) -> None:
        """Make the folders, readable by this user only."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.keys, self.logs, self.pods, self.logs / "pods"):
            folder.mkdir(exist_ok=True, mode=0o700)

    @property
    def _state(self) -> Path:
        return self.directory / "state.json"

    def write_state(self, state: State) -> None:
        """Say how the cluster is doing, in one step."""
        write_atomically(self._state, json.dumps(asdict(state)).encode())

    def read_state(self) -> State | None:
        """Read what the last supervisor said; whether it is still there is the lock's to know."""
        try:
            return State(**json.loads(self._state.read_bytes()))
        except FileNotFoundError:
            return None

    def ports(self) -> Ports:
        """Give the ports of this cluster: those of its last run while they are free, else new ones."""
        file = self.directory / "ports.json"
        with suppress(FileNotFoundError):
            earlier = Ports(**json.loads(file.read_bytes()))
            if all(_is_free(port) for port in asdict(earlier).values()):
                return earlier
        chosen = Ports(*free_ports(len(Ports.__dataclass_fields__)))
        write_atomically(file, json.dumps(asdict(chosen)).encode())
        return chosen

    @contextmanager
    def lock(self, patience: float = 0.0) -> Iterator[bool]:
        """Hold the directory for this process; False when another one holds it for `patience` seconds.

        The kernel gives the lock back when its holder dies, so it never lies about who runs.
        """
        with (self.directory / "lock").open("w") as file:
            yield _try_lock(file.fileno(), patience)

    def is_running(self) -> bool:
        """Whether a supervisor holds this directory."""
        if not self.directory.exists():
            return False
        with self.lock() as free:
            return not free


def _try_lock(descriptor: int, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOCK_POLL)
        else:
            return True


def free_ports(count: int) -> list[int]:
    """Choose TCP ports of the loopback address that are not in use, all different."""
    candidates = random.sample(_PORTS, len(_PORTS))
    return list(itertools.islice(filter(_is_free, candidates), count))


def _is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


def write_atomically(file: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file as a whole: a reader sees the old content or the new."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.touch(mode=mode)
    new.write_bytes(content)
    new.replace(file)
