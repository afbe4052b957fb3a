"""The in-memory registry keeps the contract of the registry."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contracts.registry import *  # noqa: F403 - the tests
from tests.contracts.small_bank import small_bank
from tests.fakes.registry import InMemoryRegistry, InMemoryVersions
from twin_operator.domain.twin import Bank


@pytest.fixture(scope="module")
def bank() -> Bank:
    return small_bank()


@pytest.fixture
def registry() -> InMemoryRegistry:
    return InMemoryRegistry()


@pytest.fixture
def versions(registry: InMemoryRegistry) -> InMemoryVersions:
    return InMemoryVersions(registry)


@pytest.fixture
def away() -> InMemoryRegistry:
    registry = InMemoryRegistry()
    registry.reachable = False
    return registry


@pytest.fixture
def versions_away(away: InMemoryRegistry) -> InMemoryVersions:
    return InMemoryVersions(away)


@pytest.fixture
def fresh(registry: InMemoryRegistry) -> Callable[[], InMemoryRegistry]:
    return registry.without_downloads


@pytest.fixture
def delete_version(registry: InMemoryRegistry) -> Callable[[str, str], None]:
    return registry.delete_version


@pytest.fixture
def set_tag(registry: InMemoryRegistry) -> Callable[[str, str, str], None]:
    return registry.set_tag


@pytest.fixture
def foreign(registry: InMemoryRegistry) -> Callable[[str, dict[str, str]], None]:
    def create(name: str, tags: dict[str, str]) -> None:
        registry.create_foreign(name)
        for key, value in tags.items():
            registry.set_tag(name, key, value)

    return create


@pytest.fixture
def during_claim(registry: InMemoryRegistry) -> Callable[[Callable[[], None]], None]:
    return lambda act: setattr(registry, "after_claim", act)


@pytest.fixture
def delete(registry: InMemoryRegistry) -> Callable[[str], None]:
    return registry.delete_registered_model
