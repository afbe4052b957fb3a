"""Reading the recorded outcomes of a TwinModel: only complete ones, the same object while they are the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.fakes.archive import InMemoryArchive
from tests.unit.domain.outcomes import outcome
from twin_operator.domain.fidelity.ledger import RecordedOutcome, TwinKey
from twin_operator.services.archive.archiving import ArchiveAccess
from twin_operator.services.outcomes.ledger import Comparison, Ledger
from twin_operator.services.reconciling.errors import OutcomesIncomplete

KEY, OTHER = ("n", "m"), ("n", "other")
TWIN = TwinKey("c", *KEY)
AUTUMN, SPRING = outcome("autumn", twin=TWIN), outcome("spring", twin=TWIN, recorded=4.0)


class Read:
    """A ledger on an archive in memory that was compared.

    Attributes:
        changes: how often it reported a change.
    """

    def __init__(self) -> None:
        self.archive, self.changes = InMemoryArchive(), 0
        self.access = ArchiveAccess(changed=lambda **_reachable: None)
        self.ledger = Ledger(self.archive, self.access, TWIN.cluster, self.changed)
        self.compare()

    def changed(self) -> None:
        self.changes += 1

    def compare(self, **missing: int) -> None:
        """Compare the archive with Simulations; `missing`: by name of the TwinModel."""
        counts = Counter({("n", name): count for name, count in missing.items()})
        self.ledger.take(Comparison(counts, self.ledger.losses, self.access.outages))

    async def go_down(self, *, up: bool = True) -> None:
        """Have the archive away, which the access notes, and back."""
        self.archive.reachable = False
        await self.ledger.outcomes(("n", "never read"))
        if up:
            self.archive.reachable = True
            await self.access.probe(self.archive.known, [])


async def test_outcomes_are_read_in_the_order_of_their_recording() -> None:
    read = Read()
    read.archive.record([SPRING, AUTUMN, outcome("other", twin=replace(TWIN, name="other"))])
    assert await read.ledger.outcomes(KEY) == (AUTUMN, SPRING)


async def test_outcomes_are_read_again_only_after_a_record() -> None:
    read = Read()
    await read.ledger.outcomes(KEY)
    read.archive.record([AUTUMN])
    assert await read.ledger.outcomes(KEY) == ()
    read.ledger.recorded(KEY)
    assert await read.ledger.outcomes(KEY) == (AUTUMN,)


async def test_equal_outcomes_are_the_same_object() -> None:
    read = Read()
    read.archive.record([AUTUMN])
    before = await read.ledger.outcomes(KEY)
    read.ledger.recorded(KEY)
    assert await read.ledger.outcomes(KEY) is before
    read.archive.record([SPRING])
    read.ledger.recorded(KEY)
    assert await read.ledger.outcomes(KEY) is not before


async def test_what_was_read_stands_while_the_archive_is_away() -> None:
    read = Read()
    read.archive.record([AUTUMN])
    await read.ledger.outcomes(KEY)
    read.archive.record([SPRING])
    read.ledger.recorded(KEY)
    await read.go_down(up=False)
    assert await read.ledger.outcomes(KEY) == (AUTUMN,)
    read.archive.reachable = True
    await read.access.probe(read.archive.known, [])
    read.compare()
    assert await read.ledger.outcomes(KEY) == (AUTUMN, SPRING)


async def test_nothing_is_known_of_a_model_while_the_archive_is_away_from_the_start() -> None:
    read = Read()
    read.archive.reachable = False
    assert await read.ledger.outcomes(KEY) is None
    assert await read.ledger.outcomes(KEY) is None


async def reason_of(read: Read, key: tuple[str, str] = KEY) -> str:
    """Return why outcomes cannot be had."""
    with pytest.raises(OutcomesIncomplete) as raised:
        await read.ledger.outcomes(key)
    return raised.value.reason


async def test_outcomes_of_a_model_that_lacks_some_cannot_be_had() -> None:
    read = Read()
    read.archive.record([AUTUMN])
    read.compare(m=1)
    assert await reason_of(read) == "OutcomesMissing"
    assert await read.ledger.outcomes(OTHER) == ()
    read.compare()
    assert await read.ledger.outcomes(KEY) == (AUTUMN,)


async def test_outcomes_that_were_read_before_cannot_be_had_either_while_some_are_missing() -> None:
    read = Read()
    read.archive.record([AUTUMN])
    await read.ledger.outcomes(KEY)
    read.compare(m=1)
    assert await reason_of(read) == "OutcomesMissing"


async def test_no_outcomes_can_be_had_after_an_outage_before_the_next_comparison() -> None:
    read = Read()
    read.archive.record([AUTUMN])
    await read.ledger.outcomes(KEY)
    await read.go_down()
    assert await reason_of(read) == "OutcomesNotCompared"
    read.compare()
    assert await read.ledger.outcomes(KEY) == (AUTUMN,)


class Interrupted(InMemoryArchive):
    """An archive in which something happens while outcomes are read."""

    def __init__(self, read: Read) -> None:
        super().__init__()
        self.read = read

    def outcomes(self, twin: TwinKey) -> list[RecordedOutcome]:
        """Read, and find out meanwhile that some are missing."""
        self.read.compare(m=1)
        return super().outcomes(twin)


async def test_outcomes_that_turn_out_to_be_incomplete_during_the_read_are_not_kept() -> None:
    read = Read()
    read.ledger.archive = Interrupted(read)
    assert await reason_of(read) == "OutcomesMissing"
    read.ledger.archive = read.archive
    read.archive.record([AUTUMN])
    read.compare()
    assert await read.ledger.outcomes(KEY) == (AUTUMN,)


class RecordedMeanwhile(InMemoryArchive):
    """An archive in which an outcome is recorded right after the others were read."""

    def __init__(self, read: Read) -> None:
        super().__init__()
        self.read = read

    def outcomes(self, twin: TwinKey) -> list[RecordedOutcome]:
        """Read, and record one that was not read."""
        found = super().outcomes(twin)
        self.record([AUTUMN])
        self.read.ledger.recorded(KEY)
        return found


async def test_an_outcome_that_is_recorded_during_the_read_is_read_next_time() -> None:
    read = Read()
    read.ledger.archive = RecordedMeanwhile(read)
    assert await read.ledger.outcomes(KEY) == ()
    assert await read.ledger.outcomes(KEY) == (AUTUMN,)


async def test_fewer_outcomes_than_before_are_a_loss_until_the_archive_is_compared() -> None:
    read = Read()
    read.archive.record([AUTUMN, SPRING])
    await read.ledger.outcomes(KEY)
    read.archive.lose_outcomes()
    read.archive.record([AUTUMN])
    read.ledger.recorded(KEY)
    before = read.changes
    assert await reason_of(read) == "OutcomesNotCompared"
    assert await reason_of(read, OTHER) == "OutcomesNotCompared"
    assert read.changes == before + 1
    read.compare()  # the Simulation of the other one was deleted: nothing is missing
    assert await read.ledger.outcomes(KEY) == (AUTUMN,)


def test_only_another_finding_is_reported() -> None:
    read = Read()
    before = read.changes
    read.compare()
    assert read.changes == before
    read.compare(m=2)
    assert read.changes == before + 1
