"""The archive in databases keeps the contract of the archive, and what only databases can be asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.archived import START, outcome, simulation
from tests.contracts.archive import *  # noqa: F403 - the tests
from tests.contracts.archive import Rows
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.adapters.sql_archive.filters import Filters, Kind
from twin_operator.adapters.sql_archive.reader import ArchiveReader


@pytest.fixture
def rows(url: str) -> Rows:
    def read(kind: Kind) -> list[dict[str, Any]]:
        reader = ArchiveReader(url)
        found = [row for batch in reader.batches(Filters(kind)) for row in batch]
        reader.close()
        return found

    return read


def test_it_stays_when_its_process_ends(archive: SqlArchive, url: str) -> None:
    archive.store([simulation()], {})
    archive.close()
    second = SqlArchive(url)
    assert second.known(["uid-0", "uid-1"]) == {"uid-0"}
    second.close()


def test_an_outcome_may_come_before_its_simulation(archive: SqlArchive, rows: Rows) -> None:
    archive.record([outcome()])
    (row,) = rows(Kind.OUTCOMES)
    assert (row["name"], row["estimate"], row["phase"]) == ("question-0", 0.0736133, None)
    archive.store([simulation()], {})
    (row,) = rows(Kind.OUTCOMES)
    assert (row["namespace"], row["phase"], row["grade"]) == ("marketing", "Succeeded", "Excellent")


def test_moments_are_such_for_the_database_too(archive: SqlArchive, url: str) -> None:
    archive.store([simulation()], {})
    day = "date(completed)" if url.startswith("sqlite") else "(completed AT TIME ZONE 'UTC')::date"
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT {day} FROM simulations")).scalar_one()  # noqa: S608 - of the test
    engine.dispose()
    assert str(found) == datetime.fromtimestamp(START, UTC).date().isoformat()
