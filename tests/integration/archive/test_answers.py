"""An archive in a database has the answers as the statuses have them."""

from __future__ import annotations

from typing import Final

import pytest

from tests.fakes.installation import Installation
from tests.unit.services.archive.questions import as_written, ask
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.adapters.sql_archive.filters import Filters, Kind
from twin_operator.adapters.sql_archive.reader import ArchiveReader

pytestmark = pytest.mark.looptime
ANSWERS: Final = 120


async def test_sqlite_has_the_answers_as_they_were_written(sqlite: str) -> None:
    archive = SqlArchive(sqlite)
    async with Installation(archive=archive) as site:
        bodies = await ask(site, ANSWERS)
        written = {body["metadata"]["uid"]: as_written(body["status"]) for body in bodies}
        await site.until(lambda: archive.known(written) == written.keys())
    archive.close()
    reader = ArchiveReader(sqlite)
    found = [row for batch in reader.batches(Filters(Kind.SIMULATIONS)) for row in batch]
    reader.close()
    assert {row["simulation"]: row["answer"] for row in found if row["simulation"] in written} == written
