"""Versions: pinned, adopted, owned, and trained once whatever is killed."""

from __future__ import annotations

import re

from tests.integration.journey.campaign import model_spec, question
from tests.integration.journey.platform_fixture import Platform


def _version(platform: Platform, name: str) -> str:
    return str(platform.get("TwinModel", name)["status"].get("model", {}).get("version"))


def test_a_change_of_columns_trains_anew_and_a_pin_returns_to_the_old_version(trained: Platform) -> None:
    uri = f"file://{trained.data}/campaign.csv"
    spec = model_spec(uri)
    trained.apply("TwinModel", "pinned", spec)
    trained.until_phase("TwinModel", "pinned", "Ready")
    spec["columns"]["features"] = spec["columns"]["features"][:1]
    trained.apply("TwinModel", "pinned", spec)
    trained.kube.until(lambda: _version(trained, "pinned") == "2")
    trained.apply("TwinModel", "pinned", {**spec, "version": "1"})
    trained.kube.until(lambda: _version(trained, "pinned") == "1")
    trained.apply("Simulation", "asks-pinned", question("pinned"))
    assert trained.until_phase("Simulation", "asks-pinned", "Succeeded")["status"]["modelVersion"] == "1"
    assert _version(trained, "pinned") == "1"
    trained.apply("TwinModel", "pinned", {**spec, "version": "9"})
    trained.until_condition("TwinModel", "pinned", "Stalled", "ModelNotFound")
    trained.apply("TwinModel", "pinned", spec)
    trained.kube.until(lambda: _version(trained, "pinned") == "2")


def test_a_model_that_comes_again_adopts_its_version(trained: Platform) -> None:
    spec = model_spec(f"file://{trained.data}/campaign.csv", registeredModel="kept")
    for _ in range(2):
        trained.apply("TwinModel", "returning", spec)
        trained.until_phase("TwinModel", "returning", "Ready")
        assert _version(trained, "returning") == "1"
        trained.kube.kubectl("delete", "twinmodel", "returning", "-n", trained.namespace)


def test_a_registered_model_has_one_owner(trained: Platform) -> None:
    spec = model_spec(f"file://{trained.data}/campaign.csv", registeredModel=f"{trained.namespace}.letters")
    trained.apply("TwinModel", "thief", spec)
    trained.until_condition("TwinModel", "thief", "Stalled", "RegisteredModelTaken")


def test_a_suspended_training_stops_and_goes_on(trained: Platform) -> None:
    spec = model_spec(trained.hold("paused.csv"), learner={"algorithm": "RandomForest", "seed": 5})
    trained.apply("TwinModel", "paused", spec)
    trained.until_condition("TwinModel", "paused", "Reconciling", "Training")
    trained.apply("TwinModel", "paused", {**spec, "suspend": True})
    trained.until_phase("TwinModel", "paused", "Suspended")
    # Resumed before the worker has noticed, the same attempt would go on.
    log, uid = trained.workers["heavy"].log, trained.get("TwinModel", "paused")["metadata"]["uid"]
    trained.kube.until(lambda: re.search(f"Run {uid}.* stops: suspended", log.read_text()))
    trained.release()
    trained.apply("TwinModel", "paused", {**spec, "suspend": False})
    trained.until_phase("TwinModel", "paused", "Ready")
    assert _version(trained, "paused") == "1"
