"""A registered model of another team in the same MLflow, and all that can be seen of the registry's content."""

from __future__ import annotations

from typing import Any

from mlflow import MlflowClient


def register(url: str, name: str) -> None:
    """Register a model with two versions, the second of which is the champion, as another team does."""
    client = MlflowClient(url, url)
    client.create_registered_model(name, tags={"team": "churn"})
    for _ in range(2):
        run = client.create_run("0")
        client.log_text(run.info.run_id, "weights", "model/weights.txt")
        client.create_model_version(name, f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
    client.set_registered_model_alias(name, "champion", "2")


def content(url: str, name: str) -> dict[str, Any]:
    """Return what MLflow has of a registered model: its tags and aliases, and its versions with their tags."""
    client = MlflowClient(url, url)
    model = client.get_registered_model(name)
    versions = client.search_model_versions(f"name='{name}'")
    return {
        "changed": model.last_updated_timestamp,
        "tags": dict(model.tags),
        "aliases": dict(model.aliases),
        "versions": {each.version: (each.last_updated_timestamp, dict(each.tags)) for each in versions},
    }
