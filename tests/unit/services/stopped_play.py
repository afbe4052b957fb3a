"""A run that is stopped at a moment, on the in-memory adapters, next to a registered model of others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tests.fakes.data_source import InMemoryData
from tests.fakes.installation import Installation
from tests.fakes.ready_twin import TWIN
from tests.unit.domain.tables import trial
from tests.unit.services.paused_worker import Moment, PausedWorker
from twin_operator.services.runs.run import TaskKind

REGISTERED: Final = f"default.{TWIN}"
FOREIGN: Final = "churn.scores"
DEADLINE_SECONDS: Final = 60
Stopping = Callable[[Installation], Awaitable[None]]


def paused_worker(site: Installation) -> PausedWorker:
    return PausedWorker(site, InMemoryData({"file:///data/trial.csv": trial(rows=200)}))


async def pass_deadline(site: Installation) -> None:
    await site.advance(DEADLINE_SECONDS + 1)


class Play:
    """A run that is stopped at one moment of the first task of a kind.

    Args:
        site: the installation.
        kind: of the task.
        at: the moment.
        stop: what a user does, or the clock.
    """

    def __init__(self, site: Installation, kind: TaskKind, at: Moment, stop: Stopping) -> None:
        self.site, self.kind, self.at, self.stop = site, kind, at, stop
        self.worker = paused_worker(site)
        self.queue = {TaskKind.GATE: "validation", TaskKind.SIMULATE: "simulations"}.get(kind, "training")
        self.stopped = False
        site.registry.create_foreign(FOREIGN)
        self.foreign = site.registry.content(FOREIGN)

    async def until_stopped(self) -> None:
        """Carry out the task up to the moment, stop it there, and let operator and worker react."""
        await self.site.until(self.is_queued)
        await self._reached(Moment.QUEUED)
        await self.worker.carry_out(self.queue, self._reached)
        if self.at is Moment.RECORDED:
            await self._reached(Moment.RECORDED, settle=False)
        assert self.stopped
        await self.site.advance(1)

    async def to_the_end(self, rounds: int = 5) -> None:
        """Carry out whatever else there is, until longer than an installation repeats anything.

        What others have in the registry does not change.
        """
        for _ in range(rounds):
            for queue in ("training", "validation", "simulations"):
                while await self.worker.carry_out(queue):
                    await self.site.advance(1)
            await self.site.advance(31)
        assert self.site.registry.content(FOREIGN) == self.foreign

    def is_queued(self) -> bool:
        """Whether a message stands in the queue of the task."""
        return any(messages for messages in self.site.queue.server.lists_of(self.queue))

    async def _reached(self, moment: Moment, *, settle: bool = True) -> None:
        if moment is self.at and not self.stopped:
            self.stopped = True
            await self.stop(self.site)
            await self.site.advance(1 if settle else 0)

    @property
    def versions(self) -> list[str]:
        return self.site.registry.versions(REGISTERED)

    @property
    def champion(self) -> str | None:
        return self.site.registry.champion_version(REGISTERED)

    @property
    def archived(self) -> tuple[int, int]:
        """How many Simulations and RetrainingJobs the archive has."""
        return len(self.site.archive.simulations), len(self.site.archive.retrainings)
