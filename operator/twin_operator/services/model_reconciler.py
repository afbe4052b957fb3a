"""Carries out the plan of a TwinModel: publish its training, write its status, look again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from twin_operator.services.models import (
    KIND,
    Failure,
    ModelPlan,
    ModelSnapshot,
    failure_after,
    plan,
    registered_model,
    serves,
    training_run,
)
from twin_operator.services.ports import Changed, Gone, Resources, RunQueue, Versions
from twin_operator.services.tasks import JSON, Run, Stop

logger = logging.getLogger(__name__)
Key = tuple[str, str]
RESYNC_SECONDS = 60.0  # a training task that was lost is noticed within this time


@dataclass
class ModelReconciler:
    """Brings each TwinModel a step further.

    Args:
        queue: queues and runs.
        resources: the API server.
        versions: what the registry holds.
        cluster: uid of the cluster.
        clock: seconds since the epoch.
        retry_seconds: first wait after a failed training.
        changed: called with the body of each TwinModel after its status was written.
        served: whether a WorkerPool with workers serves a queue.
    """

    queue: RunQueue
    resources: Resources
    versions: Versions
    cluster: str
    clock: Callable[[], float]
    retry_seconds: float
    changed: Callable[[JSON], None] = lambda _body: None
    served: Callable[[str], bool] = lambda _queue: True
    _failures: dict[Key, Failure] = field(default_factory=dict)
    _runs: dict[Key, str] = field(default_factory=dict)

    async def reconcile(self, key: Key) -> float | None:
        """Do what is next for the TwinModel `key`; return when to look again, in seconds."""
        try:
            body = await self.resources.read(KIND, *key)
        except Gone:
            await self._forget(key)
            return None
        decision = await self._plan(key, body)
        if decision.task is not None:
            await self.queue.resume(decision.task.run)
            await self.queue.mark_queued({decision.task.run: self.clock()})
            await self.queue.publish([decision.task])
        await self._write(body, decision.status)
        phase = decision.status["phase"]
        if decision.again is not None:
            return max(0.0, decision.again - self.clock())
        return RESYNC_SECONDS if phase == "Training" else None

    async def _plan(self, key: Key, body: JSON) -> ModelPlan:
        run_id = training_run(body)
        await self._stop_older(key, run_id)
        chosen, absent = await self._chosen(body)
        run = (await self.queue.runs([run_id]))[run_id]
        if body["spec"].get("suspend") and run.leased and run.stop is None:
            await self.queue.stop(run_id, Stop.SUSPENDED)
        failure = failure_after(self._failures.get(key), run_id, run)
        if failure is not None:
            self._failures[key] = failure
        published = run_id in await self.queue.waiting([body["spec"].get("queue", "training")])
        times, last = (failure.times, failure.last) if failure else (0, None)
        served = self.served(body["spec"].get("queue", "training"))
        snapshot = ModelSnapshot(body, run, published, served, chosen, absent, failures=times, failed=last)
        decision = plan(snapshot, self.cluster, self.retry_seconds, self.clock())
        if decision.again is not None and decision.again <= self.clock():
            await self.queue.forget([run_id])
            return plan(ModelSnapshot(body, Run(), published, served), self.cluster, self.retry_seconds, self.clock())
        return decision

    async def _chosen(self, body: JSON) -> tuple[JSON | None, str | None]:
        """Return the summary of a version that is to serve in place of today's, or the pin that is not there."""
        status, pin = body.get("status") or {}, body["spec"].get("version")
        settled = status.get("observedGeneration") == body["metadata"].get("generation")
        if pin is None and (settled or not serves(body)):
            return None, None
        name = registered_model(body)
        wanted = pin or await self.versions.champion(name)
        if wanted is None or wanted == (status.get("model") or {}).get("version"):
            return None, None
        try:
            return await self.versions.summary(name, wanted), None
        except LookupError:
            return None, wanted

    async def _write(self, body: JSON, status: JSON) -> None:
        before = body.get("status") or {}
        if all(before.get(key) == value for key, value in status.items() if value is not None):
            self.changed(body)
            return
        try:
            self.changed(await self.resources.write_status(KIND, body, status))
        except (Changed, Gone):
            logger.debug("TwinModel %s changed meanwhile; its event brings it back.", body["metadata"]["name"])

    async def _stop_older(self, key: Key, run_id: str) -> None:
        before = self._runs.get(key)
        self._runs[key] = run_id
        if before is None or before == run_id:
            return
        if (await self.queue.runs([before]))[before].outcome is None:
            await self.queue.stop(before, Stop.CANCELLED)
        else:
            await self.queue.forget([before])  # the same spec later is a training of its own

    async def _forget(self, key: Key) -> None:
        self._failures.pop(key, None)
        run = self._runs.pop(key, None)
        if run is not None:
            await self.queue.stop(run, Stop.DELETED)
