"""Carries out the plan of a RetrainingJob: stop, promote, write, publish; then archive what ended, and expire it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from twin_operator.api.v1alpha1 import RetrainingJob, TwinModel
from twin_operator.api.v1alpha1.conditions import RetrainingJobPhase
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.services.archive.access import ArchiveAccess
from twin_operator.services.archive.ports import Archive, ArchiveUnreachable
from twin_operator.services.outcomes.health import Health
from twin_operator.services.reconciling.metrics import Meters
from twin_operator.services.reconciling.ports import Changed, Gone, JSONResources, RunQueue, Versions
from twin_operator.services.reconciling.status import changes
from twin_operator.services.retraining.objects import archived, event_of
from twin_operator.services.retraining.plan import plan
from twin_operator.services.retraining.state import (
    FINISHED,
    KIND,
    JobPlan,
    JobSnapshot,
    Work,
    finished,
    task_queue,
    training_run,
    validation_run,
)
from twin_operator.services.retraining.tasks import training_plan, training_task, validation_task
from twin_operator.services.runs.messages import TrainedVersion
from twin_operator.services.runs.run import JSON, Run, Stop, Task
from twin_operator.services.runs.times import seconds
from twin_operator.services.versions.active import registered_model

logger = logging.getLogger(__name__)
Key = tuple[str, str]
MODEL = "TwinModel"
RESYNC_SECONDS = 30.0  # a task or a message that was lost is noticed within this time
SOON_SECONDS = 2.0  # when the archive does not answer, or another writer was first


class ServingModels(Protocol):
    """What is known of models that serve."""

    async def outcomes(self, model: JSON) -> Sequence[RecordedOutcome]:
        """Return the recorded outcomes of a TwinModel."""
        ...

    async def health(self, body: JSON) -> Health | None:
        """Judge the version that serves; None while that cannot be known."""
        ...


@dataclass
class JobReconciler:
    """Brings each RetrainingJob a step further.

    Args:
        queue: queues and runs.
        resources: the API server.
        versions: the registry.
        serving: knows outcomes and health of the models that serve.
        archive: where jobs that ended are kept.
        access: calls the archive.
        meters: counts jobs that ended.
        cluster: uid of the cluster.
        clock: seconds since the epoch.
        promoted: called with namespace and name of a TwinModel whose champion is another now.
        on_trace: called with the final body of a job.
        served: whether a WorkerPool with workers serves a queue.
    """

    queue: RunQueue
    resources: JSONResources
    versions: Versions
    serving: ServingModels
    archive: Archive
    access: ArchiveAccess
    meters: Meters
    cluster: str
    clock: Callable[[], float]
    promoted: Callable[[Key], None]
    on_trace: Callable[[RetrainingJob], None]
    served: Callable[[str], bool]
    _runs: dict[Key, set[str]] = field(default_factory=dict)
    _archived: set[str] = field(default_factory=set)

    async def reconcile(self, key: Key) -> float | None:
        """Do what is next for the job `key`; return when to look again, in seconds."""
        try:
            body = await self.resources.read(KIND, *key)
        except Gone:
            self.meters.forget_job(key)
            await self._stop(self._runs.pop(key, set()), Stop.DELETED)
            return None
        if finished(body):
            return await self._after_the_end(key, body)
        snapshot = await self._snapshot(key, body)
        decision = plan(snapshot, self.clock())
        return await self._carry_out(key, snapshot, decision)

    async def _snapshot(self, key: Key, body: JSON) -> JobSnapshot:
        model = await self._model(body)
        await self._stop_others(key, body)
        if model is None:
            return JobSnapshot(body, None)
        runs = await self.queue.runs([training_run(body)])
        training = runs[training_run(body)]
        champion = await self._champion(body, model, training)
        against = validation_run(body, champion) if champion else None
        validation = (await self.queue.runs([against]))[against] if against else Run()
        self._runs[key] = {training_run(body), *([against] if against else [])}
        works = (
            await self._work(model, "train", training_run(body), training),
            await self._work(model, "validate", against, validation),
        )
        return JobSnapshot(body, model, *works, champion=champion)

    async def _model(self, body: JSON) -> JSON | None:
        try:
            return await self.resources.read(MODEL, body["metadata"]["namespace"], body["spec"]["modelRef"]["name"])
        except Gone:
            return None

    async def _champion(self, body: JSON, model: JSON, training: Run) -> str | None:
        """Return the version to compare with: the one that the status names, so that a repetition compares the same."""
        if training.outcome is None or not training.outcome.succeeded:
            return None
        named = ((body.get("status") or {}).get("champion") or {}).get("version")
        if named is not None:
            return str(named)
        name = registered_model(TwinModel.model_validate(model))
        return await self.versions.champion(name) or str(model["status"]["model"]["version"])

    async def _work(self, model: JSON, name: str, run_id: str | None, run: Run) -> Work:
        queue = task_queue(model, name)
        waits = run_id is not None and run.outcome is None and not run.leased
        published = waits and run_id in await self.queue.waiting([queue])
        return Work(run, published=published, served=self.served(queue))

    async def _stop_others(self, key: Key, body: JSON) -> None:
        """Stop the tasks of an earlier job of this name."""
        mine = {run for run in self._runs.get(key, set()) if run.startswith(body["metadata"]["uid"])}
        await self._stop(self._runs.get(key, set()) - mine, Stop.DELETED)

    async def _stop(self, runs: set[str], why: Stop) -> None:
        for run_id, run in (await self.queue.runs(runs)).items():
            if run.outcome is None and run.stop is None:
                await self.queue.stop(run_id, why)

    async def _forget_ended(self, runs: set[str]) -> None:
        """Drop records of runs that have a result; what was stopped or exhausted has to refuse its message."""
        ended = [run_id for run_id, run in (await self.queue.runs(runs)).items() if run.outcome is not None]
        await self.queue.forget(ended)

    async def _carry_out(self, key: Key, snapshot: JobSnapshot, decision: JobPlan) -> float | None:
        if decision.stop is not None:
            await self._stop(self._runs.get(key, set()), decision.stop)
        if decision.promote is not None:
            await self._promote(snapshot, decision)
        if decision.publish is not None:
            await self._publish(snapshot, decision.publish)
        if not await self._write(snapshot.body, decision.status):
            return SOON_SECONDS
        if decision.promote is not None:
            self.promoted((key[0], snapshot.body["spec"]["modelRef"]["name"]))
        if decision.again is not None:
            return min(RESYNC_SECONDS, max(0.0, decision.again - self.clock()))
        return RESYNC_SECONDS

    async def _promote(self, snapshot: JobSnapshot, decision: JobPlan) -> None:
        if snapshot.model is None or decision.promote is None:
            return
        meta = snapshot.body["metadata"]
        tags = {"twinops.promotedBy": f"{meta['namespace']}/{meta['name']}"}
        model = TwinModel.model_validate(snapshot.model)
        await self.versions.promote(registered_model(model), decision.promote, tags)

    async def _publish(self, snapshot: JobSnapshot, work: str) -> None:
        task = await self._task(snapshot, work)
        await self.queue.resume(task.run)
        await self.queue.mark_queued({task.run: self.clock()})
        await self.queue.publish([task])

    async def _task(self, snapshot: JobSnapshot, work: str) -> Task:
        if snapshot.model is None:
            raise LookupError("only jobs whose model is there have tasks")
        job, model = RetrainingJob.model_validate(snapshot.body), TwinModel.model_validate(snapshot.model)
        if work == "train":
            health = await self.serving.health(snapshot.model)
            return training_task(job, model, self.cluster, training_plan(job, model, health, self.clock()))
        trained = snapshot.training.run.outcome
        if trained is None:
            raise LookupError("only a candidate that was trained is compared")
        candidate, champion = TrainedVersion.model_validate(trained.value).version, str(snapshot.champion)
        champion_plan = (await self.versions.summary(registered_model(model), champion)).plan
        outcomes = await self.serving.outcomes(snapshot.model)
        return validation_task(job, model, (candidate, champion), champion_plan, outcomes)

    async def _write(self, body: JSON, status: JSON) -> bool:
        before: Mapping[str, object] = body.get("status") or {}
        if not changes(dict(before), status):
            return True
        event = event_of(body, status)
        if event is not None:
            await self.resources.emit(event)
        try:
            written = await self.resources.write_status(KIND, body, status)
        except Gone:
            return True
        except Changed:
            logger.debug("RetrainingJob %s changed meanwhile; it is looked at again.", body["metadata"]["name"])
            return False
        if status["phase"] in FINISHED:
            self._count(body, status)
            self.on_trace(RetrainingJob.model_validate(written))
        return True

    def _count(self, body: JSON, status: JSON) -> None:
        passed = (status.get("gate") or {}).get("passed")
        result = (
            ("Promoted" if passed else "NotBetter")
            if status["phase"] == RetrainingJobPhase.COMPLETED
            else status["phase"]
        )
        key = body["metadata"]["namespace"], body["spec"]["modelRef"]["name"]
        self.meters.job_ended(key, body["spec"]["trigger"]["type"], result)

    async def _after_the_end(self, key: Key, body: JSON) -> float | None:
        """Archive a job that ended, then forget its runs, and delete it when its time is over."""
        meta = body["metadata"]
        if meta["uid"] not in self._archived:
            model = await self._model(body)
            try:
                await self.access.call(self.archive.store_retraining, archived(body, model))
            except ArchiveUnreachable:
                return SOON_SECONDS
            self._archived.add(meta["uid"])
            await self._forget_ended(self._runs.pop(key, set()))
        ttl = body["spec"].get("ttlSecondsAfterFinished")
        if ttl is None:
            return None
        left = (seconds(body["status"]["completionTime"]) or 0.0) + float(ttl) - self.clock()
        if left > 0:
            return left
        await self.resources.delete(KIND, meta["namespace"], meta["name"], meta["uid"])
        return None
