"""Redis and MLflow beside the cluster: real ones, that outlive being killed by being started again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import mlflow
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


def test_a_killed_program_leaves_no_process_of_its_mlflow(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time; from devcluster import services\n"
        "with services.mlflow(pathlib.Path(sys.argv[1])): print('up', flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "MLFLOW_OF_TEST": str(tmp_path)}
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert len(_marked(tmp_path)) > 2
        process.kill()
    deadline = time.monotonic() + 10
    while _marked(tmp_path):
        assert time.monotonic() < deadline, _marked(tmp_path)
        time.sleep(0.05)


def _marked(directory: Path) -> list[str]:
    """Find the processes that carry a test's mark in their environment."""
    mark, found = f"MLFLOW_OF_TEST={directory}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found += [folder.name] if mark in (folder / "environ").read_bytes().split(b"\0") else []
    return found
