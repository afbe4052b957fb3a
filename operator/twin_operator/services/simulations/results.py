"""Reads what workers report and has it acted on, then acknowledges: nothing is acknowledged that is not written."""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from twin_operator.services.reconciling.ports import RunQueue
from twin_operator.services.runs.run import Event, Report, TaskKind
from twin_operator.services.simulations.controller import Simulations

logger = logging.getLogger(__name__)
RETRY_SECONDS = 1.0  # after Redis or the API server did not answer


@dataclass
class ResultsLoop:
    """The one consumer of the results stream.

    Args:
        queue: the stream.
        simulations: takes the answers of Simulations.
        mark: called with kind, namespace and name of other objects whose run has news.
    """

    queue: RunQueue
    simulations: Simulations
    mark: Callable[[str, str, str], None]

    async def run(self) -> None:
        """Read for ever; what an earlier leader left unacknowledged comes first."""
        pending = True
        while True:
            try:
                reports = await self.queue.reports(pending=pending)
                await self.act(reports)
                pending = pending and bool(reports)
            except Exception:
                logger.exception("Results wait; they are read again in %.0f s.", RETRY_SECONDS)
                pending = True
                await asyncio.sleep(RETRY_SECONDS)

    async def act(self, reports: Collection[Report]) -> None:
        """Act on reports and acknowledge them."""
        own = [r for r in reports if r.kind is TaskKind.SIMULATE]
        for report in own:
            await self.simulations.follow_unknown(report.target)
        self.simulations.attempt_ended(r.run for r in own if r.event is not Event.RECORDED)
        await self.simulations.finish_reported({r.run for r in own if r.event is Event.RECORDED})
        for report in reports:
            if report.kind is not TaskKind.SIMULATE:
                self.mark(report.target.kind, report.target.namespace, report.target.name)
        await self.queue.acknowledge([r.entry for r in reports])
