"""The archive's database is stopped: Simulations finish, conditions report it, and nothing is lost afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.journey.campaign import model_spec, question
from tests.integration.journey.platform_fixture import Platform
from twin_operator.adapters.sql_archive.archive import SqlArchive

MODEL = "down-model"


@pytest.fixture(scope="module")
def database(postgres_server: Any) -> Any:
    """A PostgreSQL that can be stopped and started."""
    return postgres_server


@pytest.fixture(scope="module")
def archived(platform: Platform, database: Any) -> Iterator[Platform]:
    """The platform, with its archive in PostgreSQL and a model that answers."""
    before = platform.archive_url
    restart(platform, database.url)
    platform.apply("TwinModel", MODEL, model_spec(f"file://{platform.data}/campaign.csv"))
    platform.until_phase("TwinModel", MODEL, "Ready")
    yield platform
    database.start()
    restart(platform, before)


def restart(platform: Platform, url: str) -> None:
    platform.operator.stop()
    platform.operator.environment["TWINOPS_ARCHIVE_URL"] = url
    platform.operator.start()


def uids(platform: Platform, prefix: str) -> list[str]:
    items = platform.kube.get("simulations", "-n", platform.namespace)["items"]
    return [item["metadata"]["uid"] for item in items if item["metadata"]["name"].startswith(prefix)]


def all_succeeded(platform: Platform, names: list[str]) -> None:
    for name in names:
        platform.until_phase("Simulation", name, "Succeeded")


def test_while_the_archive_is_down_simulations_finish_and_it_catches_up(archived: Platform, database: Any) -> None:
    archive = SqlArchive(database.url)
    archived.apply("Simulation", "down-before", question(MODEL))
    all_succeeded(archived, ["down-before"])
    archived.kube.until(lambda: archive.known(uids(archived, "down-before")))
    database.stop()
    archived.patch(
        "Simulation", "down-before", {"observed": {"experiment": "e", "effect": 0.14, "standardError": 0.02}}
    )
    names = [f"down-{number}" for number in range(10)]
    archived.kube.apply(*(archived.manifest("Simulation", name, question(MODEL)) for name in names))
    archived.apply("Simulation", "down-brief", question(MODEL, ttlSecondsAfterFinished=1))
    all_succeeded(archived, [*names, "down-brief"])
    condition = archived.until_condition("TwinModel", MODEL, "ArchiveReachable", "ArchiveUnreachable")
    assert condition["status"] == "False"
    assert database.url not in condition["message"]
    assert archived.condition("TwinModel", MODEL, "Ready")["status"] == "True"  # type: ignore[index]
    archived.kube.until(lambda: "twinops_archive_up 0.0" in archived.metrics())
    assert "fidelity" not in archived.get("Simulation", "down-before")["status"]

    archived.operator.kill()  # and the next one starts without an archive
    archived.operator.start()
    archived.apply("Simulation", "down-later", question(MODEL))
    all_succeeded(archived, ["down-later"])
    assert archived.get("Simulation", "down-brief")["status"]["phase"] == "Succeeded"  # kept until it is archived
    waiting = uids(archived, "down-")

    database.start()
    archived.kube.until(lambda: archive.known(waiting) == set(waiting))
    archived.kube.until(lambda: "fidelity" in archived.get("Simulation", "down-before")["status"])
    archived.kube.until(lambda: archived.condition("TwinModel", MODEL, "ArchiveReachable") is None)
    listed = ("get", "simulation", "down-brief", "-n", archived.namespace, "--ignore-not-found", "-o", "name")
    archived.kube.until(lambda: archived.kube.kubectl(*listed) == "")
    recorded = archive.recorded(uids(archived, "down-before"))
    assert len(recorded) == 1
    assert "twinops_archive_up 1.0" in archived.metrics()
    archive.close()


def test_what_redis_forgot_on_the_way_is_found_in_the_api_server(
    archived: Platform, database: Any, redis_flush: Any
) -> None:
    archive = SqlArchive(database.url)
    database.stop()
    names = [f"flushed-{number}" for number in range(5)]
    archived.kube.apply(*(archived.manifest("Simulation", name, question(MODEL)) for name in names))
    all_succeeded(archived, names)
    archived.operator.kill()
    redis_flush()
    database.start()
    archived.operator.start()
    wanted = uids(archived, "flushed-")
    archived.kube.until(lambda: archive.known(wanted) == set(wanted))
    archive.close()
