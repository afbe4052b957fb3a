"""Maintains active versions: reads outcomes, data and jobs of a model, decides on them, and creates RetrainingJobs."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from twin_operator.api.v1alpha1 import RetrainingJob, TwinModel
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType
from twin_operator.api.v1alpha1.twin_model_status import DataState, RetrainingState
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.services.archive.archiving import ArchiveAccess
from twin_operator.services.outcomes.health import Health, health_of
from twin_operator.services.outcomes.ledger import Ledger
from twin_operator.services.reconciling.active_version import registered_model
from twin_operator.services.reconciling.errors import OutcomesIncomplete
from twin_operator.services.reconciling.metrics import Meters
from twin_operator.services.reconciling.ports import Changed, Event, Gone, Resources
from twin_operator.services.reconciling.status import Fact
from twin_operator.services.retraining.jobs import count_finished_jobs, new_job, next_turn
from twin_operator.services.retraining.state import awaits_approval_since
from twin_operator.services.retraining.triggers import Obstacle
from twin_operator.services.runs.times import timestamp
from twin_operator.services.twin_models.data_checks import DataChecks, serving_model
from twin_operator.services.twin_models.upkeep import Upkeep, UpkeepSnapshot, upkeep
from twin_operator.services.versions import Twins, Version

logger = logging.getLogger(__name__)
Key = tuple[str, str]
SKIPPED: Final = "RetrainingSkipped"


@dataclass
class UpkeepController:
    """Decides whether active versions are faithful and retrained, and creates RetrainingJobs.

    Args:
        resources: the API server.
        twins: reads versions.
        ledger: the recorded outcomes, and how many of them the archive lacks.
        access: knows whether the archive answers.
        data_checks: the checks of the models' data.
        meters: shows metrics.
        clock: seconds since the epoch.
    """

    resources: Resources
    twins: Twins
    ledger: Ledger
    access: ArchiveAccess
    data_checks: DataChecks
    meters: Meters
    clock: Callable[[], float]
    _jobs: dict[Key, dict[str, RetrainingJob]] = field(default_factory=dict)
    _deleted: dict[Key, set[str]] = field(default_factory=dict)

    def job_seen(self, job: RetrainingJob, *, deleted: bool) -> Key:
        """Take note of a RetrainingJob; return the key of its model."""
        key = job.namespace, job.spec.model_ref.name
        jobs = self._jobs.setdefault(key, {})
        if deleted:
            self._deleted.setdefault(key, set()).add(job.name)
            if job.name in jobs and jobs[job.name].uid == job.uid:  # else a later one of this name was seen first
                del jobs[job.name]
                self.meters.forget_job(job.key)
        else:
            jobs[job.name] = job
            self.meters.job(job.key, key[1], job.status.phase, awaits_approval_since(job))
        return key

    def unfinished_jobs(self, key: Key) -> list[Key]:
        """Return namespaces and names of the jobs of a model that have not ended."""
        return [job.key for job in self._jobs_of(key) if not job.status.phase.finished]

    def unfinished(self) -> set[str]:
        """Return the uids of all jobs that have not ended."""
        every = (job for jobs in self._jobs.values() for job in jobs.values())
        return {job.uid for job in every if not job.status.phase.finished}

    def _jobs_of(self, key: Key) -> list[RetrainingJob]:
        return list(self._jobs.get(key, {}).values())

    def incomplete(self, model: TwinModel) -> OutcomesIncomplete | None:
        """Return why the outcomes of a model may not be used now."""
        return self.ledger.incomplete(model.key)

    async def outcomes(self, model: TwinModel) -> Sequence[RecordedOutcome]:
        """Return the recorded outcomes of a model; raise `OutcomesIncomplete`."""
        return await self.ledger.outcomes(model.key) or ()

    async def health(self, model: TwinModel) -> Health | None:
        """Judge the version that serves; None while that cannot be known."""
        try:
            outcomes = await self.ledger.outcomes(model.key)
        except OutcomesIncomplete:
            return None
        version = await self.twins.version(registered_model(model), serving_model(model).version)
        if outcomes is None or not isinstance(version, Version):
            return None
        return health_of(model, outcomes, version.contrasts)

    async def maintain(self, key: Key, model: TwinModel) -> Upkeep:
        """Decide what a serving model needs, create the job that is wanted, and return what its status is to say."""
        snapshot = await self._snapshot(key, model)
        decision = upkeep(snapshot, self.clock())
        if decision.wanted is not None:
            decision = await self._create_job(key, snapshot)
        active = await self._active_job(key, snapshot, decision.retraining)
        decision = replace(decision, retraining=decision.retraining.replace(active_job=active))
        await self._emit_events(model, decision)
        self._show(key, snapshot, decision)
        times = (decision.again, self.data_checks.due(key))
        return replace(decision, again=min((time for time in times if time is not None), default=None))

    async def forget(self, key: Key) -> None:
        """Drop what is known of a model that was deleted, and stop its data check."""
        await self.data_checks.forget(key)
        self.meters.forget_model(key)

    async def _snapshot(self, key: Key, model: TwinModel) -> UpkeepSnapshot:
        data = await self._data(key, model)
        jobs = self._jobs_of(key)
        return UpkeepSnapshot(
            model=model,
            health=await self.health(model),
            trouble=self.access.trouble,
            missing=self.ledger.missing(key),
            retraining=count_finished_jobs(model.status.retraining or RetrainingState(), jobs),
            jobs=jobs,
            data=data,
            seen=self.data_checks.seen(key, data, model),
        )

    async def _data(self, key: Key, model: TwinModel) -> DataState | None:
        """Return `status.data`; no check is begun where no data could start a job."""
        spec = model.spec
        if spec.suspend or spec.version is not None or spec.retraining.suspend:
            return model.status.data
        return await self.data_checks.observe(key, model)

    async def _create_job(self, key: Key, snapshot: UpkeepSnapshot) -> Upkeep:
        """Create the job that is wanted, unless the API server has one that no watch event has brought yet."""
        known = await self.resources.of_model(RetrainingJob, *key)
        snapshot = replace(snapshot, jobs=known, retraining=count_finished_jobs(snapshot.retraining, known))
        for job in known:
            self.job_seen(job, deleted=False)
        decision = upkeep(snapshot, self.clock())
        if decision.wanted is not None:
            await self._create(new_job(snapshot.model, decision.wanted), decision.wanted.message)
        return decision

    async def _create(self, job: RetrainingJob, message: str) -> None:
        try:
            self.job_seen(await self.resources.create(job), deleted=False)
            logger.info("RetrainingJob %s/%s: %s", job.namespace, job.name, message)
        except Changed:
            logger.debug("RetrainingJob %s exists already.", job.name)

    async def _active_job(self, key: Key, snapshot: UpkeepSnapshot, retraining: RetrainingState) -> str | None:
        """Return the job that may run; one whose watch event has not come yet is read before another takes its turn.

        A job that was deleted loses its turn, also where another of its name was created at once.
        """
        before, allowed = snapshot.model.status.retraining, retraining.next_allowed_time
        holder = None if before is None else before.active_job
        cooled = allowed is None or self.clock() >= allowed.timestamp()
        gone = self._deleted.pop(key, set())
        unseen = holder is not None and holder not in self._jobs.get(key, {}) and holder not in gone
        if holder is not None and unseen and not await self._exists(key, holder):
            gone.add(holder)
        return next_turn(self._jobs_of(key), holder, gone, cooled=cooled)

    async def _exists(self, key: Key, name: str) -> bool:
        """Whether the API server has a job of this name for this model; the watch may be behind."""
        try:
            job = await self.resources.read(RetrainingJob, key[0], name)
        except Gone:
            return False
        return self.job_seen(job, deleted=False) == key

    async def _emit_events(self, model: TwinModel, decision: Upkeep) -> None:
        """Emit an Event when the model becomes unfaithful, and when its schedule passes without a retraining."""
        now = next((fact for fact in decision.facts if fact.type is ConditionType.FAITHFUL), None)
        before = model.status.condition(ConditionType.FAITHFUL)
        known = before is not None and before.status is ConditionStatus.FALSE
        if now is not None and now.status is ConditionStatus.FALSE and not known:
            await self.resources.emit(_degraded(model, now))
        if decision.skipped is not None:
            await self.resources.emit(_skipped(model, decision.skipped, decision.retraining))

    def _show(self, key: Key, snapshot: UpkeepSnapshot, decision: Upkeep) -> None:
        fidelity = None if snapshot.health is None else decision.fidelity
        self.meters.model(key, fidelity, decision.retraining, faithful=not decision.degraded)
        self.meters.serving(key, serving_model(snapshot.model).version)


def _degraded(model: TwinModel, fact: Fact) -> Event:
    occasion = f"version {serving_model(model).version}"
    return Event(model, fact.reason, fact.message, warning=True, occasion=occasion)


def _skipped(model: TwinModel, obstacle: Obstacle, retraining: RetrainingState) -> Event:
    message = f"The schedule passes without a retraining: {obstacle.message}"
    upcoming = retraining.next_scheduled_time
    occasion = f"before {None if upcoming is None else timestamp(upcoming.timestamp())}"
    return Event(model, SKIPPED, message, occasion=occasion)
