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
def delete(registry: InMemoryRegistry) -> Callable[[str], None]:
    return registry.delete_registered_model
