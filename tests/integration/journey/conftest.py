"""The platform of the journeys, and a small experiment whose effect is known."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis import Redis

sys.path.insert(0, str(Path(__file__).parent))
from platform_fixture import Platform, running_platform

from devcluster import services
from tests.integration import redis_users

ROWS = 3000
EFFECT = 0.15  # of the letter on the probability of a reply


def write_campaign(path: Path, seed: int = 1) -> None:
    """Write a randomised experiment: 3,000 people, a letter, a reply."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, ROWS)
    region = rng.choice(["North", "South", "East"], ROWS)
    letter = rng.random(ROWS) < 0.5
    reply = rng.random(ROWS) < 0.2 + 0.002 * (age - 50) + EFFECT * letter
    lines = [
        f"{a},{r},{'Letter' if t else 'Nothing'},{int(y)}"
        for a, r, t, y in zip(age, region, letter, reply, strict=True)
    ]
    path.write_text("\n".join(["age,region,arm,reply", *lines, ""]))


def model_spec(uri: str, **changes: Any) -> dict[str, Any]:
    """Return the spec of a TwinModel of the campaign."""
    columns = {
        "features": [{"name": "age", "type": "Numeric"}, {"name": "region", "type": "Categorical"}],
        "treatment": {"name": "arm", "control": "Nothing"},
        "outcome": {"name": "reply", "type": "Binary", "better": "Higher"},
    }
    return {"data": {"uri": uri}, "columns": columns, "learner": {"algorithm": "Linear"}, **changes}


def question(model: str = "letters", arm: str = "Letter", **changes: Any) -> dict[str, Any]:
    """Return the spec of a Simulation."""
    return {"modelRef": {"name": model}, "intervention": {"arm": arm}, **changes}


class KillableRedis:
    """A Redis that can be killed and started again with what its append-only file holds.

    It has the chart's users and no others, but for the tests' own administrator, whose address `service` has.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.users = redis_users.write_users(directory / "users.acl")
        self.stack = ExitStack()
        self.service = self._start(0)

    def _start(self, port: int) -> services.Service:
        service = self.stack.enter_context(services.redis(self.directory, port, self.users))
        return replace(service, url=redis_users.address(service.url, "admin"))

    def kill(self) -> None:
        """Kill it as a lost node does."""
        self.check()
        self.service.process.kill()
        self.service.process.wait()
        self.stack.close()

    def start(self) -> None:
        """Start a killed one on its port."""
        self.service = self._start(self.service.port)

    def kill_and_start(self) -> None:
        """Kill it; start it on the same port."""
        self.kill()
        self.start()

    def check(self) -> None:
        """See that the users' rules are enough for all that has happened since it was started."""
        assert redis_users.refusals(self.service.url) == []


@pytest.fixture(scope="session")
def killable_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillableRedis]:
    """The Redis of the journeys."""
    redis = KillableRedis(tmp_path_factory.mktemp("journey-redis"))
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
    """Have Redis forget everything."""

    def flush() -> None:
        with Redis.from_url(killable_redis.service.url) as redis:
            redis.flushall()

    return flush


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
    platform.apply("TwinModel", "letters", model_spec(f"file://{platform.data}/campaign.csv"))
    platform.until_phase("TwinModel", "letters", "Ready", within=180)
    return platform
