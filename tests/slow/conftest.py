"""An operator, workers and a Redis for each file, since these tests kill, stop and reconfigure them.

Files come in any order: a file's namespace goes with its operator, so that the next operator finds nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from tests.integration.conftest import (  # noqa: F401 - fixtures
    Kube,
    kube,
    mlflow_server,
    namespace,
    postgres_server,
    redis_server,
)
from tests.integration.journey.campaign import model_spec, write_campaign
from tests.integration.journey.platform_fixture import Platform, running_platform
from tests.integration.killable_redis import KillableRedis


@pytest.fixture(scope="module")
def killable_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillableRedis]:
    """The Redis of a file's tests."""
    redis = KillableRedis(tmp_path_factory.mktemp("redis"))
    yield redis
    try:
        redis.check()
    finally:
        redis.stack.close()


@pytest.fixture
def redis_restart(killable_redis: KillableRedis) -> Callable[[], None]:
    """Kill Redis and start it again."""
    return killable_redis.kill_and_start


@pytest.fixture
def redis_flush(killable_redis: KillableRedis) -> Callable[[], None]:
    """Remove all keys of Redis."""

    def flush() -> None:
        with Redis.from_url(killable_redis.service.url) as redis:
            redis.flushall()

    return flush


@pytest.fixture(scope="module")
def readable() -> tuple[str, ...]:
    """Addresses from which the workers may read data, besides its folder; a file with a data server overrides this."""
    return ()


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Variables in place of the platform's, such as longer intervals; a file with many objects overrides this."""
    return {}


@pytest.fixture(scope="module")
def platform(
    request: pytest.FixtureRequest,
    kube: Kube,  # noqa: F811 - the fixture
    killable_redis: KillableRedis,
    mlflow_server: Any,  # noqa: F811 - the fixture
    tmp_path_factory: pytest.TempPathFactory,
    readable: tuple[str, ...],
    settings: dict[str, str],
) -> Iterator[Platform]:
    """An operator with two workers in a namespace named after the file, and the campaign's data."""
    name = request.path.stem.removeprefix("test_").replace("_", "-")
    folder, data = tmp_path_factory.mktemp("platform"), tmp_path_factory.mktemp("data")
    write_campaign(data / "campaign.csv")
    kube.kubectl("create", "namespace", name)
    redis_url, mlflow_url = killable_redis.service.url, mlflow_server.url
    with running_platform(
        kube, redis_url, mlflow_url, name, folder, data, readable=readable, settings=settings
    ) as platform:
        yield platform
    kube.kubectl("delete", "twinops", "--all", "-n", name)  # before the next file's operator lists them
    kube.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def trained(platform: Platform) -> Platform:
    """The platform with a TwinModel `letters` that answers."""
    platform.apply("TwinModel", "letters", model_spec(f"file://{platform.data}/campaign.csv"))
    platform.until_phase("TwinModel", "letters", "Ready")
    return platform
