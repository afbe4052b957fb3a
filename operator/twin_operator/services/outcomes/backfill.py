"""Graded outcomes that the archive lost, taken in again from the Simulations that have them.

How an outcome is graded, and read from a status, is in `grading`.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.domain.fidelity.ledger import RecordedOutcome, TwinKey
from twin_operator.services.archive.archiving import ArchiveAccess
from twin_operator.services.archive.ports import Archive, ArchiveUnreachable, GradedSimulation
from twin_operator.services.outcomes.grading import Ungradable, graded_outcome, model_of
from twin_operator.services.outcomes.ledger import Ledger
from twin_operator.services.reconciling.ports import GradedObject, Resources
from twin_operator.services.runs.times import seconds

logger = logging.getLogger(__name__)
Key = tuple[str, str]
T = TypeVar("T")
PAGE = 500  # Simulations in memory, and outcomes a transaction
RETRY_SECONDS = 2.0  # after the archive or the API server did not answer


@dataclass
class Backfill:
    """Compares the archive with the graded Simulations, and records the outcomes that it lacks.

    The grade in the Simulation's status stands. Every step may be repeated: an outcome that is recorded stays.

    Args:
        archive: where outcomes are recorded.
        access: calls it.
        ledger: reads the outcomes of TwinModels that were incomplete again.
        resources: the API server.
        cluster: its uid.
        resync_seconds: between two counts of the archive's outcomes.
        changed: called when the numbers of missing outcomes are others.
    """

    archive: Archive
    access: ArchiveAccess
    ledger: Ledger
    resources: Resources
    cluster: str
    resync_seconds: float
    changed: Callable[[], None]
    _missing: Counter[Key] | None = None
    _recorded: int = 0

    def missing(self, model: Key) -> int | None:
        """Return how many graded outcomes of a TwinModel the archive lacks; None before the first comparison."""
        return None if self._missing is None else self._missing[model]

    async def run(self) -> None:
        """Take in what is missing at start, and whenever the archive has fewer outcomes than before."""
        while True:
            try:
                if await self._is_due():
                    await self.take_in()
                pause = self.resync_seconds
            except ArchiveUnreachable:
                pause = RETRY_SECONDS
            except Exception:
                logger.exception("Comparing outcomes with the archive failed; retrying in %.0f s.", RETRY_SECONDS)
                pause = RETRY_SECONDS
            await asyncio.sleep(pause)

    async def _is_due(self) -> bool:
        """Whether the archive was not compared yet, lacks outcomes, or has fewer than it had."""
        count = await self._count()
        if self._missing is None or self._missing.total() or count < self._recorded:
            return True
        self._recorded = count
        return False

    async def _count(self) -> int:
        return await self.access.call(self.archive.outcome_count, self.cluster)

    async def take_in(self) -> None:
        """Record every graded outcome that the archive lacks.

        Raises:
            ArchiveUnreachable: the pages so far are recorded; the next call records the others.
        """
        missing = await self._compare()
        if missing:
            logger.warning("The archive lacks %d graded outcomes; they are taken in again.", missing.total())
            self._show(missing)
            async for page in pages(self.resources.graded_simulations()):
                await self._take(page)
            logger.info("The archive has every graded outcome of the cluster again.")
        self._recorded = await self._count()
        self._show(Counter())

    async def _compare(self) -> Counter[Key]:
        """Return how many graded outcomes the archive lacks, by TwinModel."""
        missing: Counter[Key] = Counter()
        async for page in pages(self.resources.graded()):
            found = [_graded(each, self.cluster) for each in page]
            lacking = await self.access.call(self.archive.unrecorded, found)
            missing.update(_model(each.twin) for each in found if each.uid in lacking)
        return missing

    async def _take(self, page: Sequence[Simulation]) -> None:
        """Record the outcomes of a page that the archive lacks."""
        found = [_identity(simulation, self.cluster) for simulation in page]
        lacking = await self.access.call(self.archive.unrecorded, found)
        taken = await _readable([simulation for simulation in page if simulation.uid in lacking], self.cluster)
        if not taken:
            return
        await self.access.call(self.archive.record, taken)
        for outcome in taken:
            self.ledger.recorded(_model(outcome.twin))
        self._show((self._missing or Counter()) - Counter(_model(each.twin) for each in taken))

    def _show(self, missing: Counter[Key]) -> None:
        """Have the TwinModels say how many outcomes are missing."""
        changed = missing != self._missing
        self._missing = missing
        if changed:
            self.changed()


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
    return GradedSimulation(found.uid, found.name, twin, seconds(found.completed or None) or 0.0)


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
        except (Ungradable, ValueError) as reason:
            logger.warning("The outcome of %s/%s cannot be taken in again: %s", *simulation.key, reason)
    return outcomes
