"""Carries out the plan of a TwinModel: publish its training, look after the version that serves, write its status."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.conditions import TwinModelPhase
from twin_operator.services.reconciling.metrics import Meters
from twin_operator.services.reconciling.objects import needs_training, registered_model, serves
from twin_operator.services.reconciling.ports import Changed, Event, Gone, JSONResources, RunQueue, Versions
from twin_operator.services.reconciling.status import changes
from twin_operator.services.runs.run import JSON, Run, Stop
from twin_operator.services.twin_models.keeper import ModelKeeper
from twin_operator.services.twin_models.plan import (
    KIND,
    Failure,
    ModelPlan,
    ModelSnapshot,
    failure_after,
    plan,
    training_run,
)
from twin_operator.services.twin_models.rollback import carry_out, wanted_roll_back

logger = logging.getLogger(__name__)
Key = tuple[str, str]
RESYNC_SECONDS = 60.0  # a lost training task, and a champion that was moved by hand, are noticed within this time


@dataclass
class ModelReconciler:
    """Brings each TwinModel a step further.

    Args:
        queue: queues and runs.
        resources: the API server.
        versions: what the registry holds.
        keeper: looks after versions that serve.
        meters: counts trainings that ended.
        cluster: uid of the cluster.
        clock: seconds since the epoch.
        retry_seconds: first wait after a failed training.
        changed: called with the body of each TwinModel after its status was written.
        mark: has a TwinModel reconciled soon.
        on_trace: called with the body of a TwinModel whose training ended, the training's run and its record.
        served: whether a WorkerPool with workers serves a queue.
    """

    queue: RunQueue
    resources: JSONResources
    versions: Versions
    keeper: ModelKeeper
    meters: Meters
    cluster: str
    clock: Callable[[], float]
    retry_seconds: float
    changed: Callable[[JSON], None]
    mark: Callable[[Key], None]
    on_trace: Callable[[TwinModel, str, Run], None]
    served: Callable[[str], bool]
    _failures: dict[Key, Failure] = field(default_factory=dict)
    _runs: dict[Key, str] = field(default_factory=dict)
    _looked: dict[Key, float] = field(default_factory=dict)

    async def reconcile(self, key: Key) -> float | None:
        """Do what is next for the TwinModel `key`; return when to look again, in seconds."""
        try:
            body = await self.resources.read(KIND, *key)
        except Gone:
            await self._forget(key)
            return None
        body = await self._rolled_back(key, body)
        decision = await self._plan(key, body)
        if decision.task is not None:
            await self.queue.resume(decision.task.run)
            await self.queue.mark_queued({decision.task.run: self.clock()})
            await self.queue.publish([decision.task])
        await self._write(body, decision.status)
        if decision.again is not None:
            return max(0.0, decision.again - self.clock())
        return RESYNC_SECONDS if decision.status["phase"] == TwinModelPhase.TRAINING else None

    def champion_moved(self, key: Key) -> None:
        """Have the registry asked again, soon, which version serves."""
        self._looked.pop(key, None)
        self.mark(key)

    async def _plan(self, key: Key, body: JSON) -> ModelPlan:
        run_id = training_run(body)
        await self._stop_older(key, run_id)
        chosen, absent = await self._chosen(key, body)
        run = (await self.queue.runs([run_id]))[run_id]
        if body["spec"].get("suspend") and run.leased and run.stop is None:
            await self.queue.stop(run_id, Stop.SUSPENDED)
        failure = failure_after(self._failures.get(key), run_id, run)
        if failure is not None:
            if failure != self._failures.get(key):
                self.meters.trained(key, run.outcome.reason if run.outcome else "InternalError")
            self._failures[key] = failure
        queue = body["spec"].get("queue", "training")
        snapshot = ModelSnapshot(
            body,
            run,
            published=run_id in await self.queue.waiting([queue]),
            served=self.served(queue),
            chosen=chosen,
            absent=absent,
            failures=failure.times if failure else 0,
            failed=failure.last if failure else None,
        )
        if serves(body) and not needs_training(body) and chosen is None and absent is None:
            snapshot = replace(snapshot, upkeep=await self.keeper.keep(key, TwinModel.model_validate(body)))
        return await self._decided(snapshot, run_id)

    async def _decided(self, snapshot: ModelSnapshot, run_id: str) -> ModelPlan:
        decision = plan(snapshot, self.cluster, self.retry_seconds, self.clock())
        if not decision.retry:
            return decision
        await self.queue.forget([run_id])
        afresh = ModelSnapshot(snapshot.body, Run(), snapshot.published, snapshot.served)
        return plan(afresh, self.cluster, self.retry_seconds, self.clock())

    async def _chosen(self, key: Key, body: JSON) -> tuple[JSON | None, str | None]:
        """Return the summary of a version that is to serve in place of today's, or the pin that is not there."""
        status, pin = body.get("status") or {}, body["spec"].get("version")
        settled = status.get("observedGeneration") == body["metadata"].get("generation")
        recent = self.clock() < self._looked.get(key, 0.0) + RESYNC_SECONDS
        if pin is None and (not serves(body) or (settled and recent)):
            return None, None
        name = registered_model(body)
        try:
            wanted = pin or await self.versions.champion(name)
            self._looked[key] = self.clock()
            if wanted is None or wanted == (status.get("model") or {}).get("version"):
                return None, None
            return await self.versions.summary(name, wanted), None
        except LookupError:
            return None, pin
        except ConnectionError as error:
            logger.warning("The registry does not say which version of %s serves: %s", name, error)
            return None, None

    async def _rolled_back(self, key: Key, body: JSON) -> JSON:
        """Move the champion back where a person asks for it, and return the TwinModel as it is then."""
        wish = wanted_roll_back(body)
        if wish is None:
            return body
        written = await carry_out(wish, body, self.versions, self.resources)
        self._looked.pop(key, None)
        return written

    async def _write(self, body: JSON, status: JSON) -> None:
        before = body.get("status") or {}
        if not changes(before, status):
            self.changed(body)
            return
        version = (status.get("model") or {}).get("version")
        if version is not None and not serves(body):
            message = f"Version {version} of {registered_model(body)} was trained and serves."
            await self.resources.emit(Event(TwinModel.model_validate(body), "Trained", message, occasion=version))
        try:
            written = await self.resources.write_status(KIND, body, status)
        except (Changed, Gone):
            logger.debug("TwinModel %s changed meanwhile; its event brings it back.", body["metadata"]["name"])
            return
        self.changed(written)
        if _newly_trained(body, status):
            self.meters.trained((body["metadata"]["namespace"], body["metadata"]["name"]), "Succeeded")
        if before.get("phase") == TwinModelPhase.TRAINING and status["phase"] in {
            TwinModelPhase.READY,
            TwinModelPhase.FAILED,
        }:
            run_id = training_run(body)
            self.on_trace(TwinModel.model_validate(written), run_id, (await self.queue.runs([run_id]))[run_id])

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
        self._looked.pop(key, None)
        self.keeper.forget(key)
        run = self._runs.pop(key, None)
        if run is not None:
            await self.queue.stop(run, Stop.DELETED)


def _newly_trained(body: JSON, status: JSON) -> bool:
    """Whether a status says of a first training, or of one for changed columns, that its version serves."""
    before, now = (body.get("status") or {}).get("model") or {}, status.get("model") or {}
    asked = not body["spec"].get("version") and (not serves(body) or needs_training(body))
    return asked and now.get("version") not in {None, before.get("version")}
