"""Simulations find the version that answers them without waiting for the versions of others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import TWIN, install_twin, simulation
from tests.fakes.registry import InMemoryVersions
from tests.unit.services.simulations.site import messages, ready

if TYPE_CHECKING:
    from twin_operator.services.runs.training_messages import TrainedVersion

pytestmark = pytest.mark.looptime
READ_SECONDS = 0.1


@pytest.fixture
def slow_registry(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have each read of a version take its time; return the versions that are read."""
    reads: list[str] = []
    read = InMemoryVersions.summary

    async def summary(self: InMemoryVersions, registered_model: str, version: str) -> TrainedVersion:
        reads.append(version)
        await asyncio.sleep(READ_SECONDS)
        return await read(self, registered_model, version)

    monkeypatch.setattr(InMemoryVersions, "summary", summary)
    return reads


async def pin_many_versions(site: Installation) -> None:
    """Have a hundred Simulations of one namespace pin a version each; there is a twin in another namespace, too."""
    install_twin(site)
    install_twin(site, namespace="b")
    await site.advance(5)
    for number in range(100):
        site.apply(simulation(f"q{number}", modelRef={"name": TWIN, "version": str(100 + number)}))
    await site.advance(0.5)


@pytest.mark.usefixtures("slow_registry")
async def test_many_versions_of_a_namespace_delay_no_simulation_of_another() -> None:
    async with Installation() as site:
        await pin_many_versions(site)
        site.apply(simulation("other", "b"))
        await site.until(lambda: messages(site) == 1, seconds=1)


async def test_versions_of_namespaces_are_read_in_turns(slow_registry: list[str]) -> None:
    async with Installation() as site:
        await pin_many_versions(site)
        site.apply(simulation("other", "b", modelRef={"name": TWIN, "version": "7"}))
        await site.until(lambda: "7" in slow_registry, seconds=1)


async def test_a_version_that_is_not_there_is_read_once_for_each_review(slow_registry: list[str]) -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(modelRef={"name": TWIN, "version": "7"}))
        await site.until(lambda: ready(site).get("reason") == "ModelNotFound", seconds=10)
        await site.advance(50)
        assert slow_registry.count("7") < 5
