"""The in-memory archive keeps the contract of the archive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.archived import TWIN, outcome, retraining, simulation, weights
from tests.contracts.archive import *  # noqa: F403 - the tests
from tests.contracts.archive import Rows
from tests.fakes.archive import InMemoryArchive
from twin_operator.adapters.sql_archive.filters import Kind
from twin_operator.services.archive.ports import Archive, ArchiveUnreachable


@pytest.fixture
def archive() -> InMemoryArchive:
    return InMemoryArchive()


@pytest.fixture
def rows(archive: InMemoryArchive) -> Rows:
    def read(kind: Kind) -> list[dict[str, Any]]:
        tables = {Kind.SIMULATIONS: archive.simulations, Kind.RETRAININGS: archive.retrainings}
        return [{**row, "simulation": row["uid"]} for row in tables[kind].values()]

    return read


CALLS: dict[str, Callable[[Archive], object]] = {
    "store": lambda archive: archive.store([simulation()], {weights().digest: weights()}),
    "known": lambda archive: archive.known(["uid-0"]),
    "record": lambda archive: archive.record([outcome()]),
    "recorded": lambda archive: archive.recorded(["uid-0"]),
    "outcomes": lambda archive: archive.outcomes(TWIN),
    "unrecorded": lambda archive: archive.unrecorded([]),
    "outcome_count": lambda archive: archive.outcome_count("cluster-1"),
    "weights": lambda archive: archive.weights(["0a1b"]),
    "store_retraining": lambda archive: archive.store_retraining(retraining()),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_fails_while_the_archive_is_unreachable(archive: InMemoryArchive, call: str) -> None:
    archive.reachable = False
    with pytest.raises(ArchiveUnreachable):
        CALLS[call](archive)
