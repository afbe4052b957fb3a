"""Owners of registered models, and the status of a TwinModel after changes in MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.integration.journey.campaign import model_spec, question
from tests.integration.journey.platform_fixture import Platform

FRAUD = "fraud-detector"


@pytest.fixture
def registry(trained: Platform) -> MlflowClient:
    return MlflowClient(trained.mlflow_url, trained.mlflow_url)


@pytest.fixture
def rivals(trained: Platform) -> Iterator[Platform]:
    """The platform as an editor of another namespace has it."""
    trained.kube.kubectl("create", "namespace", "rivals")
    yield replace(trained, namespace="rivals")
    trained.kube.kubectl("delete", "namespace", "rivals", "--wait=false")


def _content(registry: MlflowClient, name: str) -> Any:
    model = registry.get_registered_model(name)
    versions = sorted(registry.search_model_versions(f"name='{name}'"), key=lambda each: int(each.version))
    return model.tags, model.aliases, [(each.version, dict(each.tags)) for each in versions]


def _version(platform: Platform, name: str) -> str:
    return str(platform.get("TwinModel", name)["status"].get("model", {}).get("version"))


def test_an_editor_of_another_namespace_gets_nothing_of_a_registered_model(
    trained: Platform, rivals: Platform, registry: MlflowClient
) -> None:
    spec = model_spec(f"file://{trained.data}/campaign.csv", registeredModel="victims")
    trained.apply("TwinModel", "victim", spec)
    trained.until_phase("TwinModel", "victim", "Ready")
    before = _content(registry, "victims")
    rivals.apply("TwinModel", "thief", spec)
    rivals.until_condition("TwinModel", "thief", "Stalled", "RegisteredModelTaken")
    rivals.apply("Simulation", "asks", question("thief"))
    pinned = question("thief")
    rivals.apply("Simulation", "pins", {**pinned, "modelRef": {"name": "thief", "version": "1"}})
    rivals.apply(
        "RetrainingJob", "trains", {"modelRef": {"name": "thief"}, "approval": {"approved": True, "by": "eve"}}
    )
    for kind, name in (("Simulation", "asks"), ("Simulation", "pins"), ("RetrainingJob", "trains")):
        rivals.until_condition(kind, name, "Ready", "ModelNotReady")
        status = rivals.get(kind, name)["status"]
        assert (status["phase"], status.get("attempts", 0), status.get("effect")) == ("Pending", 0, None)
    assert _content(registry, "victims") == before
    trained.apply("Simulation", "victim-asks", question("victim"))
    trained.until_phase("Simulation", "victim-asks", "Succeeded")


def test_a_model_of_another_team_is_unchanged_until_its_administrator_has_it_adopted(
    trained: Platform, registry: MlflowClient
) -> None:
    registry.create_registered_model(FRAUD, tags={"team": "fraud"})
    registry.create_model_version(FRAUD, "s3://models/fraud")
    registry.set_registered_model_alias(FRAUD, "champion", "1")
    before = _content(registry, FRAUD)
    trained.apply("TwinModel", "adopter", model_spec(f"file://{trained.data}/campaign.csv", registeredModel=FRAUD))
    condition = trained.until_condition("TwinModel", "adopter", "Stalled", "RegisteredModelTaken")
    assert f"set its tag twinops.adopt to {trained.namespace}/adopter" in condition["message"]
    assert _content(registry, FRAUD) == before
    registry.set_registered_model_tag(FRAUD, "twinops.adopt", f"{trained.namespace}/adopter")
    trained.until_phase("TwinModel", "adopter", "Ready")
    tags, aliases, versions = _content(registry, FRAUD)
    assert f"/{trained.namespace}/adopter/" in tags["twinops.owner"]
    assert ("twinops.adopt" in tags, aliases) == (False, {"champion": "2"})
    assert versions[0] == ("1", {"twinops.replacedBy": "2"})


def test_an_active_version_that_is_deleted_is_trained_again_and_nothing_fails_meanwhile(
    trained: Platform, registry: MlflowClient
) -> None:
    trained.apply("TwinModel", "gone", model_spec(f"file://{trained.data}/campaign.csv"))
    trained.until_phase("TwinModel", "gone", "Ready")
    registry.delete_model_version(f"{trained.namespace}.gone", "1")
    trained.patch("TwinModel", "gone", {"description": "read the registry now"})  # else at the next resync
    trained.apply("Simulation", "gone-1", question("gone"))
    trained.kube.until(lambda: _version(trained, "gone") == "2")
    assert "Version 1" in trained.events("gone")["ModelNotFound"]
    trained.apply("Simulation", "gone-2", question("gone"))
    assert trained.until_phase("Simulation", "gone-2", "Succeeded")["status"]["modelVersion"] == "2"
    assert trained.until_phase("Simulation", "gone-1", "Succeeded")["status"].get("attempts", 1) <= 1


def test_an_alias_that_is_moved_by_hand_is_followed_to_a_version_of_ours_only(
    trained: Platform, registry: MlflowClient
) -> None:
    name = f"{trained.namespace}.moved"
    spec = model_spec(f"file://{trained.data}/campaign.csv")
    trained.apply("TwinModel", "moved", spec)
    trained.until_phase("TwinModel", "moved", "Ready")
    foreign = registry.create_model_version(name, "s3://models/foreign").version
    registry.set_registered_model_alias(name, "champion", str(foreign))
    trained.patch("TwinModel", "moved", {"description": "read the registry now"})  # else at the next resync
    trained.until_condition("TwinModel", "moved", "RegistryConflict", "ForeignVersion")
    assert _version(trained, "moved") == "1"
    registry.set_registered_model_alias(name, "champion", "1")
    trained.patch("TwinModel", "moved", {"description": "and once more"})
    trained.kube.until(lambda: trained.condition("TwinModel", "moved", "RegistryConflict") is None)
