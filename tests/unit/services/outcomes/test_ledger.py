"""The recorded outcomes of a registered model: read once, again after a change, and kept while the archive is away."""

from tests.fakes.archive import InMemoryArchive
from tests.unit.domain.outcomes import outcome
from twin_operator.services.archive.access import ArchiveAccess
from twin_operator.services.outcomes.ledger import Ledger

AUTUMN, SPRING = outcome("autumn"), outcome("spring", recorded=4.0)


class Read:
    """A ledger on an archive in memory."""

    def __init__(self) -> None:
        self.archive = InMemoryArchive()
        self.access = ArchiveAccess(changed=lambda **_reachable: None)
        self.ledger = Ledger(self.archive, self.access)


async def test_outcomes_are_read_in_the_order_of_their_recording() -> None:
    read = Read()
    read.archive.record([SPRING, AUTUMN, outcome("other", registered_model="n.other")])
    assert await read.ledger.outcomes("n.m") == (AUTUMN, SPRING)


async def test_outcomes_are_read_again_only_after_a_record() -> None:
    read = Read()
    await read.ledger.outcomes("n.m")
    read.archive.record([AUTUMN])
    assert await read.ledger.outcomes("n.m") == ()
    read.ledger.recorded("n.m")
    assert await read.ledger.outcomes("n.m") == (AUTUMN,)


async def test_equal_outcomes_are_the_same_object() -> None:
    read = Read()
    read.archive.record([AUTUMN])
    before = await read.ledger.outcomes("n.m")
    read.ledger.recorded("n.m")
    assert await read.ledger.outcomes("n.m") is before
    read.archive.record([SPRING])
    read.ledger.recorded("n.m")
    assert await read.ledger.outcomes("n.m") is not before


async def test_what_was_read_stands_while_the_archive_is_away() -> None:
    read = Read()
    read.archive.record([AUTUMN])
    await read.ledger.outcomes("n.m")
    read.archive.record([SPRING])
    read.ledger.recorded("n.m")
    read.archive.reachable = False
    assert await read.ledger.outcomes("n.m") == (AUTUMN,)
    read.archive.reachable = True
    await read.access.probe(read.archive.known, [])
    assert await read.ledger.outcomes("n.m") == (AUTUMN, SPRING)


async def test_nothing_is_known_of_a_model_while_the_archive_is_away_from_the_start() -> None:
    read = Read()
    read.archive.reachable = False
    assert await read.ledger.outcomes("n.m") is None
