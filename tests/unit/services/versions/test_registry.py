"""The registry for the event loop: what blocks runs in a thread, and what it raises arrives."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.fakes.ready_twin import small_bank
from tests.fakes.registry import InMemoryRegistry
from twin_operator.services.reconciling.ports import RollBack
from twin_operator.services.versions.registry import ThreadedVersions

NAME = "default.customers"


class Watched(InMemoryRegistry):
    """Notes the thread of each reading."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def champion_version(self, name: str) -> str | None:
        self.threads.append(threading.get_ident())
        return super().champion_version(name)


def registry(versions: int = 1) -> Watched:
    found, (bank, summary) = Watched(), small_bank()
    for number in range(versions):
        found.register(NAME, "c/default/customers/u", bank, summary, {"twinops.run": str(number)}, promote=True)
    found.threads.clear()
    return found


def versions_of(found: InMemoryRegistry) -> ThreadedVersions:
    async def at_once() -> None:
        """Let a write go on: this process holds the Lease."""

    return ThreadedVersions(found, at_once)


async def test_the_event_loop_does_not_wait_for_the_registry() -> None:
    found = registry()
    assert await versions_of(found).champion(NAME) == "1"
    assert found.threads
    assert threading.get_ident() not in found.threads


async def test_a_summary_is_that_of_the_registry() -> None:
    found = registry()
    assert (await versions_of(found).summary(NAME, "1")).wire() == found.summary(NAME, "1")


async def test_a_promoted_version_is_the_champion() -> None:
    found = registry(versions=2)
    await versions_of(found).promote(NAME, "1", {"twinops.gate": "passed"})
    assert found.champion_version(NAME) == "1"
    assert found.tags(NAME, "1")["twinops.gate"] == "passed"


async def test_a_roll_back_leaves_one_version_for_an_earlier_one() -> None:
    found = registry(versions=2)
    wanted = RollBack(leave="2", take="1", reason="worse", by="ada")
    assert await versions_of(found).roll_back(NAME, wanted)
    assert found.champion_version(NAME) == "1"


@pytest.mark.parametrize("call", ["summary", "champion", "promote"])
async def test_a_registry_that_does_not_answer_is_a_connection_error(call: str) -> None:
    found = registry()
    found.reachable = False
    arguments: dict[str, tuple[Any, ...]] = {"summary": (NAME, "1"), "champion": (NAME,), "promote": (NAME, "1", {})}
    with pytest.raises(ConnectionError):
        await getattr(versions_of(found), call)(*arguments[call])


async def test_a_version_that_does_not_exist_is_a_lookup_error() -> None:
    with pytest.raises(LookupError):
        await versions_of(registry()).summary(NAME, "9")
