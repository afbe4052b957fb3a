"""Redis and MLflow beside the cluster: real ones, that outlive being killed by being started again."""

from __future__ import annotations

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
