"""The platform of the journeys: an operator, two workers, and the campaign's data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import Kube, running_cluster
from tests.integration.journey.campaign import model_spec, write_campaign
from tests.integration.journey.platform_fixture import Platform, running_platform
from tests.integration.killable_redis import KillableRedis

TRAINED = "letters"  # the TwinModel that all files ask


@pytest.fixture(scope="session")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """A cluster of their own: the operator would work on what other tests create without one."""
    with running_cluster(tmp_path_factory.mktemp("journeys-cluster")) as kube:
        yield kube


@pytest.fixture(scope="session")
def killable_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillableRedis]:
    """The Redis of the journeys."""
    redis = KillableRedis(tmp_path_factory.mktemp("journey-redis"))
    yield redis
    try:
        redis.check()
    finally:
        redis.stack.close()


@pytest.fixture(scope="session")
def platform(
    kube: Any, killable_redis: KillableRedis, mlflow_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """An operator with two workers, and the campaign's data."""
    data = tmp_path_factory.mktemp("data")
    write_campaign(data / "campaign.csv")
    kube.kubectl("create", "namespace", "journeys")
    folder = tmp_path_factory.mktemp("platform")
    with running_platform(kube, killable_redis.service.url, mlflow_server.url, "journeys", folder, data) as platform:
        yield platform


@pytest.fixture(scope="session")
def trained(platform: Platform) -> Platform:
    """The platform with a TwinModel `letters` that answers."""
    platform.apply("TwinModel", TRAINED, model_spec(f"file://{platform.data}/campaign.csv"))
    platform.until_phase("TwinModel", TRAINED, "Ready")
    return platform


@pytest.fixture(scope="module", autouse=True)
def _models_go_with_their_file(platform: Platform) -> Iterator[None]:
    """Delete a file's TwinModels after its tests: each is checked every two seconds as long as it is there."""
    yield
    found = platform.kube.get("twinmodels", "-n", platform.namespace)["items"]
    names = {item["metadata"]["name"] for item in found} - {TRAINED}
    if names:
        platform.kube.kubectl("delete", "twinmodels", *sorted(names), "-n", platform.namespace)
