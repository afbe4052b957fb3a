"""The leader's loops: everything that runs beside the watches, started and stopped together."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from twin_operator.services.expiry import Expiry
from twin_operator.services.lifecycle import Simulation
from twin_operator.services.model_reconciler import ModelReconciler
from twin_operator.services.pool_reconciler import PoolReconciler
from twin_operator.services.reconcile import ReconcileQueue
from twin_operator.services.results import ResultsLoop
from twin_operator.services.simulations import Simulations
from twin_operator.services.tasks import JSON
from twin_operator.services.twins import Twins
from twin_operator.services.unsupported import RETRAINING, UnsupportedReconciler

logger = logging.getLogger(__name__)
Key = tuple[str, str, str]
MODEL = "TwinModel"
POOL = "WorkerPool"
SWEEP_SECONDS = 1.0  # between two looks at what expires


@dataclass
class OperatorLoop:
    """What the watches feed and what runs beside them.

    Args:
        simulations: the hot path.
        twins: TwinModels as they are known.
        models: reconciles TwinModels.
        pools: reconciles WorkerPools.
        unsupported: answers kinds that are not built yet.
        results: reads workers' reports.
        expiry: deletes what expired.
        resync_seconds: between two looks for what was lost.
        clock: seconds since the epoch.
    """

    simulations: Simulations
    twins: Twins
    models: ModelReconciler
    pools: PoolReconciler
    unsupported: UnsupportedReconciler
    results: ResultsLoop
    expiry: Expiry
    resync_seconds: float
    clock: Callable[[], float]
    last_resync: float = 0.0
    _queue: ReconcileQueue[Key] = field(init=False)
    _models: set[Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._queue = ReconcileQueue(self._reconcile)
        self.results.mark = lambda kind, namespace, name: self._queue.mark((kind, namespace, name))
        self.models.changed = self.model_written
        self.simulations.on_finish = self.expiry.finished
        self.simulations.served = self.models.served = self.pools.serves

    async def run(self) -> None:
        """Run every loop until cancelled; one that fails ends all, and the process starts anew."""
        await self.simulations.resync()  # what an earlier leader published is not published again
        self.last_resync = self.clock()
        async with asyncio.TaskGroup() as group:
            for work in self._loops():
                group.create_task(work)

    async def simulation_seen(self, body: JSON, *, deleted: bool) -> None:
        """A Simulation came, changed or went."""
        await self.simulations.observe(Simulation(body), deleted=deleted)

    def model_seen(self, body: JSON, *, deleted: bool) -> None:
        """A TwinModel came, changed or went."""
        key = MODEL, body["metadata"]["namespace"], body["metadata"]["name"]
        (self._models.discard if deleted else self._models.add)(key)
        self._queue.mark(key)
        self._note_model(body, deleted=deleted)

    def model_written(self, body: JSON) -> None:
        """The status of a TwinModel was written: Simulations need not wait for the watch."""
        self._note_model(body, deleted=False)

    def pool_seen(self, body: JSON, *, deleted: bool) -> None:
        """A WorkerPool came, changed or went."""
        for namespace, name in self.pools.observe(body, deleted=deleted):
            self._queue.mark((POOL, namespace, name))

    def deployment_seen(self, body: JSON) -> None:
        """The Deployment of a pool changed."""
        self._queue.mark((POOL, body["metadata"]["namespace"], body["metadata"]["name"]))

    def job_seen(self, body: JSON, *, deleted: bool) -> None:
        """A RetrainingJob came or changed."""
        if not deleted:
            self._queue.mark((RETRAINING, body["metadata"]["namespace"], body["metadata"]["name"]))

    def _note_model(self, body: JSON, *, deleted: bool) -> None:
        if self.twins.observe(body, deleted=deleted):
            self.simulations.model_changed((body["metadata"]["namespace"], body["metadata"]["name"]))

    def _loops(self) -> list[Coroutine[Any, Any, None]]:
        return [
            self._queue.run(),
            self.simulations.review_forever(),
            self.results.run(),
            self._resync_forever(),
            self._expire_forever(),
        ]

    async def _reconcile(self, key: Key) -> float | None:
        kind, namespace, name = key
        reconcilers = {MODEL: self.models.reconcile, POOL: self.pools.reconcile, RETRAINING: self.unsupported.reconcile}
        return await reconcilers[kind]((namespace, name))

    async def _resync_forever(self) -> None:
        while True:
            await asyncio.sleep(self.resync_seconds)
            try:
                await self.simulations.resync()
            except Exception:
                logger.exception("The resync failed; the next one tries again.")
                continue
            for key in self._models:
                self._queue.mark(key)
            self.last_resync = self.clock()

    async def _expire_forever(self) -> None:
        await self.expiry.fill()
        while True:
            await self.expiry.sweep()
            await asyncio.sleep(SWEEP_SECONDS)
