"""Reconciles a TwinModel: train, roll back, maintain the active version, write the status."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from twin_operator.api.v1alpha1 import TwinModel, TwinModelStatus
from twin_operator.api.v1alpha1.conditions import Reason, TwinModelPhase
from twin_operator.services.reconciling.active_version import (
    active_version,
    names_other_namespace,
    needs_training,
    registered_model,
    serves,
)
from twin_operator.services.reconciling.metrics import Meters
from twin_operator.services.reconciling.ports import Changed, Event, Gone, Refused, Resources, RunQueue, Versions
from twin_operator.services.reconciling.refusals import is_refused, write_first_accepted
from twin_operator.services.reconciling.task_publication import TaskPublication
from twin_operator.services.registered_models import RegisteredModels
from twin_operator.services.runs.run import Run, Stop
from twin_operator.services.twin_models.plan import (
    Failure,
    ModelPlan,
    ModelSnapshot,
    failure_after,
    plan,
    training_run,
)
from twin_operator.services.twin_models.refusals import smaller_statuses
from twin_operator.services.twin_models.registry_upkeep import (
    RegistryFinding,
    RegistryUpkeep,
    deleted_event,
    moved_event,
    without_deleted_version,
    without_version,
)
from twin_operator.services.twin_models.rollback import roll_back, wanted_roll_back
from twin_operator.services.twin_models.status import taken, without_registered_model
from twin_operator.services.twin_models.upkeep_controller import UpkeepController

logger = logging.getLogger(__name__)
Key = tuple[str, str]
RESYNC_SECONDS = 60.0  # a lost training task, and a champion that a user moved, are noticed within this time


@dataclass
class ModelReconciler:
    """Reconciles TwinModels.

    Args:
        queue: queues and runs.
        tasks: publishes tasks, and knows what is in queues.
        resources: the API server.
        versions: the registry.
        upkeep: maintains active versions.
        registry: reads changes of versions in the registry.
        registered: knows the owners of registered models.
        meters: counts trainings that ended.
        cluster: uid of the cluster.
        clock: seconds since the epoch.
        retry_seconds: first wait after a failed training.
        changed: called with each TwinModel after its status was written.
        mark: requests to reconcile a TwinModel soon.
        on_trace: called with a TwinModel whose training ended, the training's run and its record.
        served: whether a WorkerPool with workers serves a queue.
    """

    queue: RunQueue
    tasks: TaskPublication
    resources: Resources
    versions: Versions
    upkeep: UpkeepController
    registry: RegistryUpkeep
    registered: RegisteredModels
    meters: Meters
    cluster: str
    clock: Callable[[], float]
    retry_seconds: float
    changed: Callable[[TwinModel], None]
    mark: Callable[[Key], None]
    on_trace: Callable[[TwinModel, str, Run], None]
    served: Callable[[str], bool]
    _failures: dict[Key, Failure] = field(default_factory=dict)
    _runs: dict[Key, str] = field(default_factory=dict)

    async def reconcile(self, key: Key) -> float | None:
        """Do what is next for the TwinModel `key`; return after how many seconds to reconcile it again."""
        try:
            model = await self.resources.read(TwinModel, *key)
        except Gone:
            await self._forget(key)
            return None
        if names_other_namespace(model):
            await self._refuse(model, without_registered_model(model, self.clock()))
            return None
        refusal = await self.registered.check(model, now=wanted_roll_back(model) is not None)
        if refusal is not None:
            await self._refuse(model, taken(self._of_present_name(model), refusal, self.clock()))
            return RESYNC_SECONDS
        return await self._reconcile(model)

    async def _reconcile(self, model: TwinModel) -> float | None:
        """Do what is next for a TwinModel that may use its registered model."""
        present = self._of_present_name(model)
        if present is model:
            model = present = await self._rolled_back(model)
        found = await self.registry.find(present)
        usable = without_deleted_version(present) if found.deleted else present
        decision = await self._plan(usable, found)
        await self._report(model, found)
        if decision.task is not None:
            await self.tasks.publish(decision.task)
        if await self._write(model, decision.status):
            return RESYNC_SECONDS
        if decision.again is not None:
            return max(0.0, decision.again - self.clock())
        return RESYNC_SECONDS if decision.status.phase is TwinModelPhase.TRAINING else None

    def champion_moved(self, key: Key) -> None:
        """Read soon from the registry which version is the champion."""
        self.registry.read_soon(key)
        self.mark(key)

    def _of_present_name(self, model: TwinModel) -> TwinModel:
        """Return a TwinModel without the version that it had under another `spec.registeredModel`."""
        if model.status.registered_model in {None, registered_model(model)}:
            return model
        self.registry.forget(model.key)
        return without_version(model)

    async def _report(self, model: TwinModel, found: RegistryFinding) -> None:
        """Emit an Event about what a user did in the registry."""
        active = active_version(model)
        if found.deleted and active is not None:
            await self.resources.emit(deleted_event(model, active))
        if found.chosen is not None and found.moved:
            await self.resources.emit(moved_event(model, found.chosen.version))

    async def _refuse(self, model: TwinModel, status: TwinModelStatus) -> None:
        """Stop the training of a model that may not use its registered model, and read nothing under that name.

        A version that was trained under the name before counts no more, so that the next name is trained for.
        """
        run_id = training_run(model)
        await self._stop_older(model.key, run_id)
        run = (await self.queue.runs([run_id]))[run_id]
        if run.outcome is not None:
            await self.queue.forget([run_id])
        elif run.begun and run.stop is None:
            await self.queue.stop(run_id, Stop.CANCELLED)
        self.tasks.release(run_id)
        await self._write(model, status)

    async def _plan(self, model: TwinModel, found: RegistryFinding) -> ModelPlan:
        run_id = training_run(model)
        await self._stop_older(model.key, run_id)
        run = (await self.queue.runs([run_id]))[run_id]
        await self._suspend_or_resume(model, run_id, run)
        failure = self._counted(model.key, run_id, run)
        snapshot = ModelSnapshot(
            model,
            run,
            published=await self.tasks.has(model.spec.queue, run_id),
            served=self.served(model.spec.queue),
            chosen=found.chosen,
            absent=found.absent,
            conflict=found.conflict,
            failures=failure.times if failure else 0,
            failed=failure.last if failure else None,
        )
        if serves(model) and not needs_training(model) and found.chosen is None and found.absent is None:
            snapshot = replace(snapshot, upkeep=await self.upkeep.maintain(model.key, model))
        return await self._decided(snapshot, run_id)

    async def _suspend_or_resume(self, model: TwinModel, run_id: str, run: Run) -> None:
        """Have the training of a suspended model refused or ended wherever it is, and processed again afterwards."""
        if not model.spec.suspend and run.stop is Stop.SUSPENDED:
            await self.queue.resume(run_id)
        elif model.spec.suspend and run.stop is None and run.outcome is None and run.queued is not None:
            await self.queue.stop(run_id, Stop.SUSPENDED)

    def _counted(self, key: Key, run_id: str, run: Run) -> Failure | None:
        """Count a training that failed, also in the metrics, and return the count."""
        before = self._failures.get(key)
        failure = failure_after(before, run_id, run)
        if failure is not None and failure != before:
            self.meters.trained(key, run.outcome.reason if run.outcome else Reason.INTERNAL_ERROR)
            self._failures[key] = failure
        return failure

    async def _decided(self, snapshot: ModelSnapshot, run_id: str) -> ModelPlan:
        decision = self._planned(snapshot)
        if decision.retry:
            await self.queue.forget([run_id])
            snapshot = ModelSnapshot(snapshot.model, Run(), snapshot.published, snapshot.served)
            decision = self._planned(snapshot)
        if decision.task is None:
            if not snapshot.on_its_way:
                self.tasks.release(run_id)
            return decision
        return decision if self.tasks.may_publish(decision.task) else self._planned(replace(snapshot, turn=False))

    def _planned(self, snapshot: ModelSnapshot) -> ModelPlan:
        return plan(snapshot, self.cluster, self.retry_seconds, self.clock())

    async def _rolled_back(self, model: TwinModel) -> TwinModel:
        """Move the champion back where a user requests it, and return the TwinModel as it is then."""
        request = wanted_roll_back(model)
        if request is None:
            return model
        written = await roll_back(request, model, self.versions, self.resources)
        self.registry.read_soon(model.key)
        return written

    async def _write(self, model: TwinModel, status: TwinModelStatus) -> bool:
        """Write a status; return whether the API server refused it."""
        if status == model.status:
            self.changed(model)
            return False
        changed = model.replace(status=status)
        if serves(changed) and not serves(model):
            await self.resources.emit(_trained(changed))
        try:
            written = await self._written(model, changed)
        except (Changed, Gone):
            logger.debug("TwinModel %s changed meanwhile; its event brings it back.", model.name)
            return False
        self.changed(written)
        if _newly_trained(model, written):
            self.meters.trained(model.key, Reason.SUCCEEDED)
        if _training_ended(model, written):
            run_id = training_run(model)
            self.on_trace(written, run_id, (await self.queue.runs([run_id]))[run_id])
        return is_refused(written)

    async def _written(self, model: TwinModel, changed: TwinModel) -> TwinModel:
        """Write a status; where the API server refuses it, the largest that it accepts. Return the TwinModel then."""
        try:
            return await self.resources.update_status(model, changed)
        except Refused as refused:
            smaller = smaller_statuses(model, changed, refused, self.clock())
            return await write_first_accepted(self.resources, model, refused, smaller)

    async def _stop_older(self, key: Key, run_id: str) -> None:
        before = self._runs.get(key)
        self._runs[key] = run_id
        if before is None or before == run_id:
            return
        self.tasks.release(before)
        run = (await self.queue.runs([before]))[before]
        if run.outcome is not None:
            await self.queue.forget([before])  # the same spec later is a training of its own
        elif run.begun:
            await self.queue.stop(before, Stop.CANCELLED)

    async def _forget(self, key: Key) -> None:
        self._failures.pop(key, None)
        self.registry.forget(key)
        self.registered.forget(key)
        await self.upkeep.forget(key)
        run = self._runs.pop(key, None)
        if run is not None:
            self.tasks.release(run)
            if (await self.queue.runs([run]))[run].begun:
                await self.queue.stop(run, Stop.DELETED)


def _trained(model: TwinModel) -> Event:
    version = active_version(model) or ""
    message = f"Version {version} of {registered_model(model)} was trained and serves."
    return Event(model, "Trained", message, occasion=version)


def _newly_trained(before: TwinModel, after: TwinModel) -> bool:
    """Whether the version of a first training, or of one for changed columns, became active."""
    asked = not before.spec.version and (not serves(before) or needs_training(before))
    return asked and active_version(after) not in {None, active_version(before)}


def _training_ended(before: TwinModel, after: TwinModel) -> bool:
    ended = {TwinModelPhase.READY, TwinModelPhase.FAILED}
    return before.status.phase is TwinModelPhase.TRAINING and after.status.phase in ended
