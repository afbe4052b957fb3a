"""Release 0.1.0 is upgraded by Helm to the working tree while work is in progress: each ends once, nothing is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from mlflow import MlflowClient
from redis import Redis

from tests.upgrade import first_release, installation, scenario
from tests.upgrade.installation import NAMESPACE, NEXT_IMAGE
from tests.upgrade.scenario import LATER, MEANWHILE, Upgraded

pytestmark = pytest.mark.timeout(1200)  # seconds: the first run also makes the virtual environment

SIMULATIONS = {"first", *(f"later-{n}" for n in range(LATER)), *(f"meanwhile-{n}" for n in range(MEANWHILE))}


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """The release after the upgrade; it runs until the module's end."""
    revision = first_release.commit()
    if not first_release.is_in_history(revision):
        pytest.skip(f"The history of this clone does not have commit {revision}: run git fetch --unshallow.")
    folder = tmp_path_factory.mktemp("upgrade")
    with first_release.checked_out(revision, folder / "source") as source:
        environment = first_release.environment(source, revision)
        with installation.prepared(folder, environment) as prepared:
            yield scenario.upgrade(prepared, source / "charts" / "twin-operator")


def test_every_simulation_succeeds_once(upgraded: Upgraded) -> None:
    ends = {name: {end[0] for end in different} for name, different in upgraded.ends.items()}
    assert ends == {name: {"Succeeded"} for name in SIMULATIONS}
    assert {name: seen for name, seen in upgraded.ends.items() if len(seen) > 1} == {}


def test_every_simulation_is_archived_once_as_its_status_says(upgraded: Upgraded) -> None:
    statuses = {each["metadata"]["uid"]: each["status"] for each in upgraded.installation.all("simulations")}
    upgraded.installation.kube.until(lambda: len(archived(upgraded)) == len(statuses))
    assert {row[0]: row[1:] for row in archived(upgraded)} == {
        uid: (status["phase"], status["modelVersion"], status["effect"]["estimate"]) for uid, status in statuses.items()
    }


def archived(upgraded: Upgraded) -> list[tuple[Any, ...]]:
    """Return uid, phase, version and effect of every Simulation in the archive."""
    file = next(upgraded.installation.archive.glob("*.db"))
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT uid, phase, model_version, estimate FROM simulations").fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("model", ["deep", "waiting"])
def test_a_training_makes_one_version(upgraded: Upgraded, model: str) -> None:
    assert versions(upgraded, model) == ["1"]
    assert upgraded.installation.get("twinmodel", model)["status"]["model"]["version"] == "1"


def test_a_retraining_makes_one_version_which_becomes_champion(upgraded: Upgraded) -> None:
    job = upgraded.installation.get("retrainingjob", "curved-again")["status"]
    assert (job["phase"], job["champion"]["version"], job["candidate"]["version"]) == ("Completed", "1", "2")
    assert job["candidate"]["loss"] < job["champion"]["loss"]
    assert versions(upgraded, "curved") == ["1", "2"]
    champion = registry(upgraded).get_model_version_by_alias(f"{NAMESPACE}.curved", "champion")
    assert str(champion.version) == "2"
    upgraded.installation.until("twinmodel", "curved", "jsonpath={.status.model.version}=2")


def versions(upgraded: Upgraded, model: str) -> list[str]:
    found = registry(upgraded).search_model_versions(f"name='{NAMESPACE}.{model}'")
    return sorted((str(each.version) for each in found), key=int)


def registry(upgraded: Upgraded) -> MlflowClient:
    return MlflowClient(upgraded.installation.mlflow_url, upgraded.installation.mlflow_url)


def test_no_message_is_refused_and_none_is_left(upgraded: Upgraded) -> None:
    with Redis.from_url(upgraded.installation.redis_url, decode_responses=True) as redis:
        lists = {key: redis.llen(key) for key in redis.scan_iter("twinops:*") if redis.type(key) == "list"}
        assert redis.xrange("twinops:dead-letters") == []
        assert lists == {}


def test_secrets_keep_their_data(upgraded: Upgraded) -> None:
    assert upgraded.after.secrets == upgraded.before.secrets
    assert len(upgraded.before.secrets) == 5  # two signing keys, passwords of two services, a certificate


@pytest.mark.parametrize("kind", scenario.FINISHED)
def test_what_had_ended_keeps_its_meaning(upgraded: Upgraded, kind: str) -> None:
    before, after = upgraded.before.objects[kind], upgraded.after.objects[kind]
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert lost(before["spec"], after["spec"]) == []
    assert lost(before["status"], after["status"]) == []
    shown = upgraded.after.tables[kind]
    assert {**shown, "AGE": ""} == {**shown, **upgraded.before.tables[kind], "AGE": ""}


def lost(before: Any, after: Any, path: str = "") -> list[str]:
    """Return what an object had and has no more, or has otherwise; fields that were added do not count."""
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = ((f"{path}.{key}", value, after.get(key)) for key, value in before.items())
        return [each for key, old, new in pairs for each in lost(old, new, key)]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = ((f"{path}[{index}]", *pair) for index, pair in enumerate(zip(before, after, strict=True)))
        return [each for key, old, new in pairs for each in lost(old, new, key)]
    return [] if before == after else [f"{path}: {before!r} -> {after!r}"]


def test_operator_and_workers_run_the_new_version_and_pools_are_ready(upgraded: Upgraded) -> None:
    pods = {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in upgraded.installation.all("pods")}
    assert set(pods.values()) == {NEXT_IMAGE}
    pools = upgraded.installation.all("workerpools")
    assert {pool["metadata"]["name"]: pool["status"]["readyReplicas"] for pool in pools} == {
        "twin-operator-light": 1,
        "twin-operator-medium": 1,
        "twin-operator-heavy": 2,
        "later": 1,
    }
