"""Reconciles a RetrainingJob: stop, promote, publish, write; when it has ended, archive and delete it."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from twin_operator.api.v1alpha1 import RetrainingJob, RetrainingJobStatus, TwinModel
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.services.archive.archiving import ArchiveAccess
from twin_operator.services.archive.ports import Archive, ArchiveUnreachable
from twin_operator.services.outcomes.health import Health
from twin_operator.services.reconciling.active_version import names_other_namespace, registered_model
from twin_operator.services.reconciling.errors import OutcomesIncomplete
from twin_operator.services.reconciling.metrics import Meters
from twin_operator.services.reconciling.ports import Changed, Gone, Refused, Resources, RunQueue, Versions
from twin_operator.services.reconciling.refusals import is_refused, write_first_accepted
from twin_operator.services.reconciling.task_publication import TaskPublication
from twin_operator.services.registered_models import RegisteredModels
from twin_operator.services.retraining.jobs import archived, event_of, result_of
from twin_operator.services.retraining.plan import plan
from twin_operator.services.retraining.state import (
    JobPlan,
    JobSnapshot,
    Step,
    Work,
    begun_runs,
    is_job_of,
    model_of,
    promotes,
    smaller_statuses,
    task_queue,
    training_run,
    validation_run,
)
from twin_operator.services.retraining.tasks import training_plan, training_task, validation_task
from twin_operator.services.runs.run import Run, Stop, Task
from twin_operator.services.runs.training_messages import TrainedVersion

logger = logging.getLogger(__name__)
Key = tuple[str, str]
RESYNC_SECONDS: Final = 30.0  # a task or a message that was lost is noticed within this time
RETRY_SECONDS: Final = 2.0  # when the archive does not answer, or another writer was first


class TwinHealth(Protocol):
    """What is known of models that serve."""

    def incomplete(self, model: TwinModel) -> OutcomesIncomplete | None:
        """Return why the outcomes of a TwinModel may not be used now."""
        ...

    async def outcomes(self, model: TwinModel) -> Sequence[RecordedOutcome]:
        """Return the recorded outcomes of a TwinModel; raise `OutcomesIncomplete`."""
        ...

    async def health(self, model: TwinModel) -> Health | None:
        """Judge the version that serves; None while that cannot be known."""
        ...


@dataclass
class JobReconciler:
    """Reconciles RetrainingJobs.

    Args:
        queue: queues and runs.
        tasks: publishes tasks, and knows what is in queues.
        resources: the API server.
        versions: the registry.
        registered: knows the owners of registered models.
        serving: knows outcomes and health of the models that serve.
        archive: where jobs that ended are kept.
        access: calls the archive.
        meters: counts jobs that ended.
        cluster: uid of the cluster.
        clock: seconds since the epoch.
        promoted: called with namespace and name of a TwinModel whose champion has changed.
        on_trace: called with a job whose final status was written.
        served: whether a WorkerPool with workers serves a queue.
    """

    queue: RunQueue
    tasks: TaskPublication
    resources: Resources
    versions: Versions
    registered: RegisteredModels
    serving: TwinHealth
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
        """Do what is next for the job `key`; return after how many seconds to reconcile it again, or None."""
        try:
            job = await self.resources.read(RetrainingJob, *key)
        except Gone:
            self.meters.forget_job(key)
            await self._stop(self._runs.pop(key, set()), Stop.DELETED)
            return None
        if job.status.phase.finished:
            return await self._after_the_end(job)
        snapshot = await self._snapshot(job)
        decision, task = await self._placed(snapshot, plan(snapshot, self.clock()))
        return await self._carry_out(snapshot, decision, task)

    async def _placed(self, snapshot: JobSnapshot, decision: JobPlan) -> tuple[JobPlan, Task | None]:
        """Return the task to publish, or the plan of a job whose task has no place in its queue now."""
        if decision.publish is None:
            if not (snapshot.training.on_its_way or snapshot.validation.on_its_way):
                self._release(self._runs.get(snapshot.job.key, set()))
            return decision, None
        task = await self._task(snapshot, decision.publish)
        if self.tasks.may_publish(task):
            return decision, task
        return plan(snapshot.without_turn(decision.publish), self.clock()), None

    def _release(self, runs: Collection[str]) -> None:
        for run_id in runs:
            self.tasks.release(run_id)

    async def _snapshot(self, job: RetrainingJob) -> JobSnapshot:
        model = await self._model(job)
        await self._stop_others(job)
        self._runs[job.key] = begun_runs(job)
        if model is None:
            return JobSnapshot(job, None)
        refusal = await self._refusal(job, model)
        if refusal is not None:
            return JobSnapshot(job, model, refusal=refusal)
        training = await self._run(training_run(job))
        champion = await self._champion(job, model, training)
        comparison = validation_run(job, champion) if champion else None
        validation = await self._run(comparison) if comparison else Run()
        self._runs[job.key] |= {comparison} if comparison else set()
        works = (
            await self._work(model, "train", training_run(job), training),
            await self._work(model, "validate", comparison, validation),
        )
        return JobSnapshot(job, model, *works, champion=champion, incomplete=self.serving.incomplete(model))

    async def _refusal(self, job: RetrainingJob, model: TwinModel) -> str | None:
        """Return why no version may be trained or promoted; before a promotion the registry is asked now."""
        if promotes(job) and not names_other_namespace(model):
            await self.registered.check(model, now=True)
        conflict = model.status.condition(ConditionType.REGISTRY_CONFLICT)
        if conflict is not None and conflict.status is ConditionStatus.TRUE:
            return conflict.message
        return self.registered.refusal(model)

    async def _run(self, run_id: str) -> Run:
        return (await self.queue.runs([run_id]))[run_id]

    async def _model(self, job: RetrainingJob) -> TwinModel | None:
        try:
            model = await self.resources.read(TwinModel, job.namespace, job.spec.model_ref.name)
        except Gone:
            return None
        return model if is_job_of(job, model) else None

    async def _champion(self, job: RetrainingJob, model: TwinModel, training: Run) -> str | None:
        """Return the version to compare with: the one that the status names, so that a repetition compares the same."""
        if training.outcome is None or not training.outcome.succeeded:
            return None
        if job.status.champion is not None and job.status.champion.version is not None:
            return job.status.champion.version
        serving = None if model.status.model is None else model.status.model.version
        return await self.versions.champion(registered_model(model)) or serving

    async def _work(self, model: TwinModel, step: Step, run_id: str | None, run: Run) -> Work:
        queue = task_queue(model, step)
        waits = run.outcome is None and not run.leased
        if run_id is not None and run.outcome is not None:
            self.tasks.release(run_id)
        published = run_id is not None and waits and await self.tasks.has(queue, run_id)
        return Work(run, published=published, served=self.served(queue))

    async def _stop_others(self, job: RetrainingJob) -> None:
        """Stop the tasks of an earlier job of this name."""
        known = self._runs.get(job.key, set())
        await self._stop({run for run in known if not run.startswith(job.uid)}, Stop.DELETED)

    async def _stop(self, runs: set[str], why: Stop) -> None:
        for run_id, run in (await self.queue.runs(runs)).items():
            if run.begun and run.outcome is None and run.stop in {None, Stop.SUSPENDED} - {why}:
                await self.queue.stop(run_id, why)
        self._release(runs)

    async def _forget_ended(self, runs: set[str]) -> None:
        """Drop the results of runs; what was stopped or exhausted goes on to refuse its message as it is."""
        ended = [run_id for run_id, run in (await self.queue.runs(runs)).items() if run.outcome is not None]
        await self.queue.forget(ended)
        self._release(runs)

    async def _carry_out(self, snapshot: JobSnapshot, decision: JobPlan, task: Task | None) -> float | None:
        job = snapshot.job
        if decision.stop is not None:
            await self._stop(self._runs.get(job.key, set()), decision.stop)
        elif decision.publish is None:
            await self._resume(snapshot)
        if decision.promote is not None:
            await self._promote(snapshot, decision.promote)
        if task is not None:
            await self.tasks.publish(task)
        obstructed = await self._write(job, decision.status)
        if decision.promote is not None and obstructed != RETRY_SECONDS:
            self.promoted((job.namespace, job.spec.model_ref.name))
        if obstructed is not None:
            return obstructed
        if decision.again is not None:
            return min(RESYNC_SECONDS, max(0.0, decision.again - self.clock()))
        return RESYNC_SECONDS

    async def _resume(self, snapshot: JobSnapshot) -> None:
        """Let the messages of a job that was suspended be processed: they may not have left their queue."""
        if snapshot.training.run.stop is Stop.SUSPENDED:
            await self.queue.resume(training_run(snapshot.job))
        if snapshot.validation.run.stop is Stop.SUSPENDED:
            await self.queue.resume(validation_run(snapshot.job, str(snapshot.champion)))

    async def _promote(self, snapshot: JobSnapshot, version: str) -> None:
        job, model = snapshot.job, model_of(snapshot)
        tags = {"twinops.promotedBy": f"{job.namespace}/{job.name}"}
        await self.versions.promote(registered_model(model), version, tags)

    async def _task(self, snapshot: JobSnapshot, step: Step) -> Task:
        model = model_of(snapshot)
        if step == "train":
            health = await self.serving.health(model)
            wanted = training_plan(snapshot.job, model, health, self.clock())
            return training_task(snapshot.job, model, self.cluster, wanted)
        trained = snapshot.training.run.outcome
        if trained is None:
            raise LookupError("only a candidate that was trained is compared")
        candidate = TrainedVersion.model_validate(trained.value)
        champion = await self.versions.summary(registered_model(model), str(snapshot.champion))
        outcomes = await self.serving.outcomes(model)
        return validation_task(snapshot.job, model, (candidate, champion), outcomes)

    async def _write(self, job: RetrainingJob, status: RetrainingJobStatus) -> float | None:
        """Write a status, after the Event of its phase; return when to try again where another one is there then."""
        event = event_of(job, status)
        if event is not None:
            await self.resources.emit(event)
        try:
            written = await self._written(job, status)
        except Gone:
            return None
        except Changed:
            logger.debug("RetrainingJob %s has changed since it was read; reconciling it again.", job.name)
            return RETRY_SECONDS
        if written.status.phase.finished:
            model = job.namespace, job.spec.model_ref.name
            self.meters.job_ended(model, job.spec.trigger.type, result_of(status))
            self.on_trace(written)
        return RESYNC_SECONDS if is_refused(written) else None

    async def _written(self, job: RetrainingJob, status: RetrainingJobStatus) -> RetrainingJob:
        """Write a status, or the largest that the API server accepts; return the job as it is then."""
        try:
            return await self.resources.update_status(job, job.replace(status=status))
        except Refused as refused:
            smaller = smaller_statuses(job, status, refused, self.clock())
            return await write_first_accepted(self.resources, job, refused, smaller)

    async def _after_the_end(self, job: RetrainingJob) -> float | None:
        """Archive a job that ended, then forget its runs, and delete it when its time to live is over."""
        if job.uid not in self._archived:
            model = await self._model(job)
            try:
                await self.access.call(self.archive.store_retraining, archived(job, model, self.cluster))
            except ArchiveUnreachable:
                return RETRY_SECONDS
            self._archived.add(job.uid)
            await self._forget_ended(self._runs.pop(job.key, set()))
        return await self._expire(job)

    async def _expire(self, job: RetrainingJob) -> float | None:
        """Delete a job that ended when its time to live is over; return how many seconds are left of it."""
        ttl, ended = job.spec.ttl_seconds_after_finished, job.status.completion_time
        if ttl is None:
            return None
        left = (0.0 if ended is None else ended.timestamp()) + ttl - self.clock()
        if left > 0:
            return left
        await self.resources.delete(RetrainingJob, job.namespace, job.name, job.uid)
        return None
