"""Graded outcomes that the archive lost, taken in again from the Simulations that have them.

How an outcome is graded, and read from a status, is in `grading`.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.domain.fidelity.ledger import RecordedOutcome, TwinKey
from twin_operator.services.archive.archiving import ArchiveAccess
from twin_operator.services.archive.ports import Archive, ArchiveUnreachable, GradedSimulation
from twin_operator.services.outcomes.grading import Ungradable, graded_outcome, model_of
from twin_operator.services.outcomes.ledger import Comparison, Ledger
from twin_operator.services.reconciling.ports import GradedObject, Resources
from twin_operator.services.runs.times import seconds

logger = logging.getLogger(__name__)
Key = tuple[str, str]
T = TypeVar("T")
UNREADABLE = (Ungradable, ValueError, ArithmeticError)  # what is wrong with one outcome: no other waits for it
NOT_RECORDED = "The outcome of %s/%s cannot be recorded again: %s"
LACKING = "The archive lacks %d graded outcomes; recording them again from their Simulations."
NOT_ALL = (
    "The missing outcomes are recorded, except %d: each of their Simulations was deleted in the meantime, or has a "
    "warning above that says what is wrong."
)
PAGE = 500  # Simulations in memory, and outcomes a transaction
RETRY_SECONDS = 2.0  # after the archive or the API server did not answer


@dataclass
class Backfill:
    """Compares the archive with the graded Simulations, and records the outcomes that it lacks.

    The grade in the Simulation's status stands. Every step may be repeated: an outcome that is recorded stays.

    Args:
        archive: where outcomes are recorded.
        access: calls it.
        ledger: keeps what is missing, and reads the outcomes of TwinModels that were incomplete again.
        resources: the API server.
        cluster: its uid.
        resync_seconds: between two counts of the archive's outcomes.
    """

    archive: Archive
    access: ArchiveAccess
    ledger: Ledger
    resources: Resources
    cluster: str
    resync_seconds: float
    _recorded: int = 0
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Compare the archive now where it may have lost outcomes since the last comparison."""
        if not self.ledger.compared:
            self._wake.set()

    async def run(self) -> None:
        """Take in what is missing at start, and whenever the archive has fewer outcomes than before."""
        while True:
            self._wake.clear()
            try:
                if await self._is_due():
                    await self.take_in()
                pause = self.resync_seconds
            except ArchiveUnreachable:
                pause = RETRY_SECONDS
            except Exception:
                logger.exception("Comparing outcomes with the archive failed; retrying in %.0f s.", RETRY_SECONDS)
                pause = RETRY_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    async def _is_due(self) -> bool:
        """Whether the archive was not compared yet, lacks outcomes, or has fewer than it had.

        After an outage the number of its outcomes says whether it may have lost some.
        """
        outages, count = self.access.outages, await self._count()
        if count < max(self._recorded, self.ledger.read):
            self.ledger.lost()
        self._recorded, known = count, self.ledger.comparison
        if known is None or known.losses != self.ledger.losses or known.missing:
            return True
        self.ledger.take(replace(known, outages=outages))
        return False

    async def _count(self) -> int:
        return await self.access.call(self.archive.outcome_count, self.cluster)

    async def take_in(self) -> None:
        """Record every graded outcome that the archive lacks.

        Raises:
            ArchiveUnreachable: the pages so far are recorded; the next call records the others.
        """
        complete = Comparison(Counter(), self.ledger.losses, self.access.outages)
        missing = await self._compare()
        if missing:
            logger.warning(LACKING, missing.total())
            left = await self._take_pages(replace(complete, missing=missing))
            _log_end(left.missing.total())
        self._recorded = await self._count()
        self.ledger.take(complete)

    async def _compare(self) -> Counter[Key]:
        """Return how many graded outcomes the archive lacks, by TwinModel."""
        missing: Counter[Key] = Counter()
        async for page in pages(self.resources.graded()):
            found = [_graded(each, self.cluster) for each in page]
            lacking = await self.access.call(self.archive.unrecorded, found)
            missing.update(_model(each.twin) for each in found if each.uid in lacking)
        return missing

    async def _take_pages(self, found: Comparison) -> Comparison:
        """Record what is missing, and return what is missing then."""
        self.ledger.take(found)
        async for page in pages(self.resources.graded_simulations()):
            taken = await self._take(page)
            for outcome in taken:
                self.ledger.recorded(_model(outcome.twin))
            found = replace(found, missing=found.missing - Counter(_model(each.twin) for each in taken))
            self.ledger.take(found)
        return found

    async def _take(self, page: Sequence[Simulation]) -> Sequence[RecordedOutcome]:
        """Record the outcomes of a page that the archive lacks, and return them."""
        found = [_identity(simulation, self.cluster) for simulation in page]
        lacking = await self.access.call(self.archive.unrecorded, found)
        readable = await _readable([simulation for simulation in page if simulation.uid in lacking], self.cluster)
        try:
            return await self._record(readable)
        except UNREADABLE:
            return [outcome for each in readable for outcome in await self._record_one(each)]

    async def _record_one(self, outcome: RecordedOutcome) -> Sequence[RecordedOutcome]:
        """Record an outcome, and return it; one that the archive cannot have keeps no other from it."""
        try:
            return await self._record([outcome])
        except UNREADABLE as reason:
            logger.warning(NOT_RECORDED, outcome.twin.namespace, outcome.name, reason)
            return []

    async def _record(self, outcomes: Sequence[RecordedOutcome]) -> Sequence[RecordedOutcome]:
        if outcomes:
            await self.access.call(self.archive.record, outcomes)
        return outcomes


def _log_end(left: int) -> None:
    if left:
        logger.warning(NOT_ALL, left)
    else:
        logger.info("The missing outcomes are recorded.")


async def pages(items: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    """Yield items in lists of at most `PAGE`."""
    page: list[T] = []
    async for item in items:
        page.append(item)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def _graded(found: GradedObject, cluster: str) -> GradedSimulation:
    twin = TwinKey(cluster, found.namespace, found.model)
    return GradedSimulation(found.uid, found.name, twin, _completed(found))


def _completed(found: GradedObject) -> float:
    """Return when it was answered, seconds since the epoch; 0 where that cannot be read."""
    try:
        return seconds(found.completed or None) or 0.0
    except UNREADABLE:
        return 0.0


def _identity(simulation: Simulation, cluster: str) -> GradedSimulation:
    twin, completed = TwinKey(cluster, *model_of(simulation)), simulation.status.completion_time
    return GradedSimulation(simulation.uid, simulation.name, twin, completed.timestamp() if completed else 0.0)


def _model(twin: TwinKey) -> Key:
    return twin.namespace, twin.name


async def _readable(simulations: Sequence[Simulation], cluster: str) -> list[RecordedOutcome]:
    """Return the outcomes of these; one that cannot be read keeps no other from the archive."""
    outcomes = []
    for simulation in simulations:
        await asyncio.sleep(0)  # a page takes a second, and Simulations are answered meanwhile
        try:
            outcomes.append(graded_outcome(simulation, cluster))
        except UNREADABLE as reason:
            logger.warning(NOT_RECORDED, *simulation.key, reason)
    return outcomes
