"""The leader's loops: everything that runs next to the watches, started and stopped together."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any

from twin_operator.api.v1alpha1 import RetrainingJob, Simulation, TwinModel, WorkerPool
from twin_operator.api.v1alpha1.conditions import SimulationPhase
from twin_operator.services.archive.archiving import Archiving
from twin_operator.services.outcomes.backfill import Backfill
from twin_operator.services.outcomes.grading import Outcomes
from twin_operator.services.pools.pool_index import PoolIndex
from twin_operator.services.pools.ports import Deployment
from twin_operator.services.pools.reconciler import PoolReconciler
from twin_operator.services.reconciling.metrics import BrokerWatch, Meters, ProcessMeters
from twin_operator.services.reconciling.orphans import stop_orphans, withdraw_forever
from twin_operator.services.reconciling.ports import Resources
from twin_operator.services.reconciling.queue import DirtyKeys, ReconcileQueue
from twin_operator.services.retraining.controller import JobReconciler
from twin_operator.services.retraining.state import task_queues
from twin_operator.services.simulations.controller import Simulations
from twin_operator.services.simulations.expiry import Expiry
from twin_operator.services.simulations.model_changes import ModelChanges
from twin_operator.services.simulations.reception import Reception
from twin_operator.services.simulations.results import ResultsLoop
from twin_operator.services.twin_models.controller import ModelReconciler
from twin_operator.services.twin_models.upkeep_controller import UpkeepController

logger = logging.getLogger(__name__)
Key = tuple[str, str, str]
MODEL, POOL, JOB = "TwinModel", "WorkerPool", "RetrainingJob"
UNGRADED = "spec.observed.experiment!=,status.fidelity.grade=,status.phase=Succeeded"
SWEEP_SECONDS = 1.0  # between two checks for expired Simulations
RESYNC_STEP_SECONDS = 0.5  # between two parts of a resync: thousands of objects at once would delay every other one


@dataclass
class ReconcileRequests:
    """Requests to reconcile objects, and which objects a change of something else concerns.

    Args:
        pools: the WorkerPools, and the queues that they serve.
        meters: shows whether the archive answers.
        outcomes: set when the archive went down or came back, and when other outcomes are missing in it.
    """

    pools: PoolIndex
    meters: Meters
    keys: DirtyKeys[Key] = field(default_factory=DirtyKeys)
    outcomes: asyncio.Event = field(default_factory=asyncio.Event)
    models: dict[Key, str] = field(default_factory=dict)
    """The uid of every TwinModel."""

    def object(self, kind: str, namespace: str, name: str) -> None:
        """Have an object reconciled soon."""
        self.keys.mark((kind, namespace, name))

    def model(self, model: tuple[str, str]) -> None:
        """Have a TwinModel reconciled soon."""
        self.keys.mark((MODEL, *model))

    def model_seen(self, model: TwinModel, *, deleted: bool) -> None:
        """Have a TwinModel that was created, changed or deleted reconciled soon."""
        key = MODEL, *model.key
        if not deleted:
            self.models[key] = model.uid
        elif self.models.get(key) == model.uid:  # else it is a late event of an earlier one of this name
            del self.models[key]
        self.keys.mark(key)

    async def everything(self, seconds: float) -> None:
        """Have every TwinModel and every WorkerPool reconciled, spread evenly over some seconds."""
        keys = [*self.models, *((POOL, *pool) for pool in self.pools.keys)]
        parts = max(1, round(seconds / RESYNC_STEP_SECONDS))
        for part in range(parts):
            for key in keys[part::parts]:
                self.keys.mark(key)
            await asyncio.sleep(seconds / parts)

    def published(self, queues: Collection[str]) -> None:
        """Reconcile pools without a worker now, not at their next poll: tasks went into these queues."""
        for key in self.pools.scaled_to_zero(queues):
            self.keys.mark((POOL, *key))

    def archive_changed(self, *, reachable: bool) -> None:
        """The archive went down or came back."""
        self.meters.archive(reachable=reachable)
        self.outcomes.set()


@dataclass(frozen=True)
class FinishedSimulations:
    """Where a Simulation goes when its final status is written.

    Args:
        expiry: deletes it when its time to live is over.
        archiving: archives it.
        outcomes: grades it, if its outcome is known.
    """

    expiry: Expiry
    archiving: Archiving
    outcomes: Outcomes

    def take(self, simulation: Simulation) -> None:
        """Take a Simulation whose final status was written."""
        self.expiry.finished(simulation)
        self.archiving.finished(simulation)
        if simulation.spec.observed is not None and simulation.status.phase is SimulationPhase.SUCCEEDED:
            self.outcomes.observe(simulation)


@dataclass
class OperatorLoop:
    """What the watches feed and what runs next to them.

    Args:
        requests: which objects are to be reconciled.
        reception: lets Simulations in.
        simulations: the hot path.
        changes: takes TwinModels that changed.
        models: reconciles TwinModels.
        upkeep: maintains active versions.
        jobs: reconciles RetrainingJobs.
        pools: reconciles WorkerPools.
        outcomes: grades.
        archiving: fills the archive.
        backfill: takes in graded outcomes that the archive lost.
        results: reads workers' reports.
        expiry: deletes what expired.
        resources: the API server.
        meters: shows in which phase models are, whether the archive answers, and how many dead letters there are.
        process: shows whether this process leads, and how reconciliations go.
        broker: asks Redis whether it is there.
        dead_letters: counts those.
        resync_seconds: between two resyncs, which find what was lost.
        clock: seconds since the epoch.
    """

    requests: ReconcileRequests
    reception: Reception
    simulations: Simulations
    changes: ModelChanges
    models: ModelReconciler
    upkeep: UpkeepController
    jobs: JobReconciler
    pools: PoolReconciler
    outcomes: Outcomes
    archiving: Archiving
    backfill: Backfill
    results: ResultsLoop
    expiry: Expiry
    resources: Resources
    meters: Meters
    process: ProcessMeters
    broker: BrokerWatch
    dead_letters: Callable[[], Awaitable[int]]
    resync_seconds: float
    clock: Callable[[], float]
    last_resync: float = 0.0

    async def run(self) -> None:
        """Run every loop until cancelled; one that fails ends all, and the process is restarted."""
        self.process.leading(leads=True)
        try:
            await self.simulations.resync()  # what an earlier leader published is not published again
            self.last_resync = self.clock()
            async with asyncio.TaskGroup() as group:
                for work in self._loops():
                    group.create_task(work)
        finally:
            self.process.leading(leads=False)

    async def simulation_seen(self, simulation: Simulation, *, deleted: bool) -> None:
        """A Simulation came, changed or went."""
        await self.reception.observe(simulation, deleted=deleted)

    def model_seen(self, model: TwinModel, *, deleted: bool) -> None:
        """A TwinModel was created, changed or deleted."""
        self.requests.model_seen(model, deleted=deleted)
        self.changes.seen(model, deleted=deleted)
        self._mark_jobs_of(model.key)

    def pool_seen(self, pool: WorkerPool, *, deleted: bool) -> None:
        """A WorkerPool was added, changed or deleted: what waits for workers may go on."""
        before = self.pools.index.served
        for namespace, name in self.pools.index.observe(pool, deleted=deleted):
            self.requests.object(POOL, namespace, name)
        self._served(before)

    def deployment_seen(self, deployment: Deployment, *, deleted: bool) -> None:
        """Take the Deployment of a pool that was added, changed or deleted."""
        before = self.pools.index.served
        if (key := self.pools.index.observe_deployment(deployment, deleted=deleted)) is not None:
            self.requests.object(POOL, *key)
        self._served(before)

    def _served(self, before: frozenset[str]) -> None:
        """Let what waits for workers of a queue continue where that is served now, or is not any more."""
        if changed := before ^ self.pools.index.served:
            self._mark_models_and_jobs(changed)
            self.simulations.review_unpublished(changed)

    def job_seen(self, job: RetrainingJob, *, deleted: bool) -> None:
        """Reconcile a RetrainingJob that was created, changed or deleted, and its model: another job may run now."""
        self.requests.object(JOB, *job.key)
        self.requests.model(self.upkeep.job_seen(job, deleted=deleted))

    def _mark_models_and_jobs(self, queues: Collection[str] | None = None) -> None:
        for key in self.requests.models:
            model = self.changes.twins.known((key[1], key[2]))
            if queues is None or model is None or not task_queues(model).isdisjoint(queues):
                self.requests.keys.mark(key)
                self._mark_jobs_of(key[1:])

    def _mark_jobs_of(self, model: tuple[str, ...]) -> None:
        for namespace, name in self.upkeep.unfinished_jobs((model[0], model[1])):
            self.requests.object(JOB, namespace, name)

    def _loops(self) -> list[Coroutine[Any, Any, None]]:
        return [
            ReconcileQueue(self.requests.keys, self._reconcile, lambda key: key[0], lambda key: key[1]).run(),
            self.reception.run(),
            self.simulations.review_forever(),
            self.results.run(),
            self.archiving.run(),
            self.outcomes.run(),
            self.backfill.run(),
            self.resources.follow(Simulation, UNGRADED, self.outcomes.observe),
            self._follow_missing_outcomes(),
            self._resync_forever(),
            withdraw_forever(self.results.queue),
            self._expire_forever(),
            self.broker.run(),
        ]

    async def _follow_missing_outcomes(self) -> None:
        """Compare the archive when it comes back, and let what waits for outcomes continue as soon as it may."""
        while True:
            await self.requests.outcomes.wait()
            self.requests.outcomes.clear()
            self.backfill.wake()
            self.simulations.review_unpublished()
            self._mark_models_and_jobs()

    async def _reconcile(self, key: Key) -> float | None:
        kind, namespace, name = key
        reconcilers = {MODEL: self.models.reconcile, POOL: self.pools.reconcile, JOB: self.jobs.reconcile}
        begun, failed = asyncio.get_running_loop().time(), True
        try:
            again = await reconcilers[kind]((namespace, name))
            failed = False
        finally:
            self.process.reconciled(kind, asyncio.get_running_loop().time() - begun, failed=failed)
        return again

    async def _resync_forever(self) -> None:
        while True:
            await self.requests.everything(self.resync_seconds)
            try:
                await self.simulations.resync()
                followed = {*self.simulations.answers.followed, *self.requests.models.values()}
                await stop_orphans(self.results.queue, self.resources, followed | self.upkeep.unfinished())
                self.meters.dead_letters(await self.dead_letters())
            except Exception:
                logger.exception("The resync failed; the next one tries again.")
            else:
                self.last_resync = self.clock()

    async def _expire_forever(self) -> None:
        self.expiry.fill(ended := [each async for each in self.resources.finished(Simulation)])
        async with asyncio.TaskGroup() as group:
            group.create_task(self.archiving.catch_up(ended))
            group.create_task(self._sweep_forever())

    async def _sweep_forever(self) -> None:
        while True:
            await self.expiry.sweep()
            await asyncio.sleep(SWEEP_SECONDS)
