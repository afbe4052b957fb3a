"""Redis, MLflow and PostgreSQL of the cluster: real ones, which are started again when they were killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import psycopg
import pytest
import redis

from devcluster import services


def test_redis_keeps_what_it_had_when_it_is_killed(tmp_path: Path) -> None:
    with services.redis(tmp_path) as first, redis.from_url(first.url) as client:
        client.set("ledger", "kept")
        client.config_set("appendfsync", "always")
        client.set("ledger", "kept for sure")
        first.process.kill()
        first.process.wait()
    with services.redis(tmp_path, first.port) as second, redis.from_url(second.url) as client:
        assert client.get("ledger") == b"kept for sure"
    assert second.url == first.url


def test_mlflow_records_runs_and_carries_artifacts(mlflow_server: services.Service, tmp_path: Path) -> None:
    client = mlflow.MlflowClient(mlflow_server.url)
    run = client.create_run(client.create_experiment("devcluster"))
    (tmp_path / "note.txt").write_text("by way of the server")
    client.log_artifact(run.info.run_id, str(tmp_path / "note.txt"))
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    path = client.download_artifacts(run.info.run_id, "note.txt", str(tmp_path))
    assert Path(path).read_text() == "by way of the server"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_postgres_keeps_what_it_had_when_it_ends_and_starts_again(tmp_path: Path, end: str) -> None:
    with services.postgres(tmp_path) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE ledger AS SELECT 'kept' AS entry")
        url = server.url
        getattr(server, end)()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)
        server.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT entry FROM ledger").fetchone() == ("kept",)
    assert not server.home.exists()


@pytest.mark.slow
def test_a_killed_program_leaves_no_process_of_its_mlflow(tmp_path: Path) -> None:
    with _holding("mlflow", tmp_path) as process:
        assert len(_marked(tmp_path)) > 2
        process.kill()
        _until_none(lambda: _marked(tmp_path))


@pytest.mark.slow
def test_a_killed_program_leaves_no_process_of_its_postgres(tmp_path: Path) -> None:
    with _holding("postgres", tmp_path) as process:
        (postmaster,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        home = Path(f"/proc/{postmaster}/cwd").resolve()
        assert len(_working_in(home)) > 2
        process.kill()
        _until_none(lambda: _working_in(home))
    shutil.rmtree(home.parent)  # a program that is killed cannot clear up


@contextlib.contextmanager
def _holding(service: str, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program that holds a service; what it starts carries a mark."""
    script = (
        "import pathlib, sys, time; from devcluster import services\n"
        f"with services.{service}(pathlib.Path(sys.argv[1])): print('up', flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "MLFLOW_OF_TEST": str(directory)}
    command = [sys.executable, "-c", script, str(directory)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            yield process
        finally:
            process.kill()


def _until_none(look: Callable[[], list[str]]) -> None:
    deadline = time.monotonic() + 120  # a busy machine must not fail a test
    while found := look():
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def _working_in(directory: Path) -> list[str]:
    """Find the processes whose working directory this is: PostgreSQL's overwrite their environment with a title."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found += [folder.name] if (folder / "cwd").readlink() == directory else []
    return found


def _marked(directory: Path) -> list[str]:
    """Find the processes that carry a test's mark in their environment."""
    mark, found = f"MLFLOW_OF_TEST={directory}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found += [folder.name] if mark in (folder / "environ").read_bytes().split(b"\0") else []
    return found
