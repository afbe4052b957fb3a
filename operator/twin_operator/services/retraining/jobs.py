"""The RetrainingJobs of a model: what finished ones count for, which one may run, a new one, its Event and archive row.

Pure; the phases of one job belong in `state` and `plan`.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from twin_operator.api.v1alpha1 import (
    API_VERSION,
    ObjectMeta,
    OwnerReference,
    RetrainingJob,
    RetrainingJobSpec,
    RetrainingJobStatus,
    TwinModel,
)
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, RetrainingJobPhase
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.resource import TwinModelRef
from twin_operator.api.v1alpha1.retraining_job import RetrainingTrigger, TrainingPlan
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState
from twin_operator.services.archive.ports import ArchivedRetraining
from twin_operator.services.reconciling.active_version import registered_model
from twin_operator.services.reconciling.ports import Event
from twin_operator.services.retraining.state import started, waits_for_its_turn
from twin_operator.services.retraining.triggers import Wanted
from twin_operator.services.runs.run import JSON

RESETS_FAILED_ATTEMPTS: Final = frozenset({Trigger.MANUAL, Trigger.SPEC_CHANGED})
EPOCH: Final = datetime.fromtimestamp(0, UTC)
URGENCY: Final = {trigger: place for place, trigger in enumerate(Trigger)} | {
    Trigger.MANUAL: -6,  # a user is waiting for it
    Trigger.FIDELITY_DEGRADED: -5,
    Trigger.COVERAGE_DROP: -4,
    Trigger.PREDICTION_ERROR: -3,
    Trigger.SPEC_CHANGED: -2,
    Trigger.NEW_DATA: -1,
}
TTL_SECONDS: Final = 2_592_000  # thirty days after its end: the archive keeps its result for good
MODEL_LABEL: Final = "twinops.dev/model"
LONGEST_LABEL: Final = 63
NOT_ARCHIVED: Final = frozenset({"phase", "conditions", "observed_generation", "trace_id", "not_before"})
"""Fields of a status that have a column of their own in the archive, or no meaning after the end."""


def count_finished_jobs(state: RetrainingState, jobs: Iterable[RetrainingJob]) -> RetrainingState:
    """Return `status.retraining` with every job counted that ended since; each is counted once.

    A cancelled job neither counts as an attempt nor starts a cool-down.
    """
    for job in sorted((job for job in jobs if _counts(job)), key=_end):
        if _end(job) > (state.last_finished_time or EPOCH, state.last_job or ""):
            state = _after(state, job)
    return state


def _counts(job: RetrainingJob) -> bool:
    return job.status.phase.counts_as_attempt and job.status.completion_time is not None


def _end(job: RetrainingJob) -> tuple[datetime, str]:
    return job.status.completion_time or EPOCH, job.name


def _after(state: RetrainingState, job: RetrainingJob) -> RetrainingState:
    before = 0 if job.spec.trigger.type in RESETS_FAILED_ATTEMPTS else state.failed_attempts or 0
    after = state.replace(
        last_job=job.name,
        last_finished_time=job.status.completion_time,
        failed_attempts=0 if promoted(job) else before + 1,
    )
    if job.status.phase is not RetrainingJobPhase.COMPLETED:
        return after  # what failed or was rejected may be tried again with the same rows
    tried = job.status.plan or TrainingPlan()
    return after.replace(
        tried_spec_digest=tried.spec_digest or state.tried_spec_digest,
        tried_data_digest=tried.data_digest or state.tried_data_digest,
    )


def promoted(job: RetrainingJob) -> bool:
    """Whether a job's candidate was promoted."""
    condition = job.status.condition(ConditionType.PROMOTED)
    return condition is not None and condition.status is ConditionStatus.TRUE


def next_turn(jobs: Sequence[RetrainingJob], holder: str | None, gone: Collection[str], *, cooled: bool) -> str | None:
    """Return the job that may work on the model now.

    Args:
        jobs: those of the model.
        holder: the one whose turn it was.
        gone: names that are known not to exist any more; a holder that is merely unseen keeps its turn.
        cooled: whether the model's cool-down is over, with every finished job counted. A job that does not know yet
            that it has to cool down must not get the turn: it would keep others from it all the while.
    """
    current = next((job for job in jobs if job.name == holder), None)
    if holder and holder not in gone and (current is None or _keeps_its_turn(current)):
        return holder
    waiting = [job for job in jobs if waits_for_its_turn(job) and (cooled or _needs_no_cool_down(job))]
    chosen = min(waiting, key=_place, default=None)
    return None if chosen is None else chosen.name


def _keeps_its_turn(job: RetrainingJob) -> bool:
    """Whether a job that has the turn keeps it: not while it cools down, since another job ended before it began."""
    phase = job.status.phase
    return not phase.finished and phase is not RetrainingJobPhase.COOLING_DOWN


def _needs_no_cool_down(job: RetrainingJob) -> bool:
    return started(job) or job.spec.override_cooldown


def _place(job: RetrainingJob) -> tuple[bool, int, datetime, str]:
    created = job.metadata.creation_timestamp or EPOCH
    return not job.status.phase.running, URGENCY[job.spec.trigger.type], created, job.name


class JobEvent(StrEnum):
    """The reasons of Events about RetrainingJobs."""

    AWAITING_APPROVAL = "AwaitingApproval"
    STARTED = "RetrainingStarted"
    REJECTED = "Rejected"
    CANCELLED = "Cancelled"
    FAILED = "RetrainingFailed"
    PROMOTED = "Promoted"
    NOT_BETTER = "NotBetter"


EVENTS: Final = {
    RetrainingJobPhase.AWAITING_APPROVAL: JobEvent.AWAITING_APPROVAL,
    RetrainingJobPhase.TRAINING: JobEvent.STARTED,
    RetrainingJobPhase.REJECTED: JobEvent.REJECTED,
    RetrainingJobPhase.CANCELLED: JobEvent.CANCELLED,
    RetrainingJobPhase.FAILED: JobEvent.FAILED,
}


def new_job(model: TwinModel, wanted: Wanted) -> RetrainingJob:
    """Return a job that is deleted together with its TwinModel."""
    owner = OwnerReference(
        api_version=API_VERSION,
        kind=model.definition.kind,
        name=model.name,
        uid=model.uid,
        controller=True,
        block_owner_deletion=False,
    )
    return RetrainingJob(
        metadata=ObjectMeta(
            name=wanted.name,
            namespace=model.namespace,
            labels={MODEL_LABEL: model.name} if len(model.name) <= LONGEST_LABEL else {},
            owner_references=(owner,),
        ),
        spec=RetrainingJobSpec(
            model_ref=TwinModelRef(name=model.name),
            trigger=RetrainingTrigger(type=wanted.trigger, message=wanted.message),
            ttl_seconds_after_finished=TTL_SECONDS,
        ),
    )


def event_of(job: RetrainingJob, status: RetrainingJobStatus) -> Event | None:
    """Return the Event of the change from a job's phase to that of `status`, if there is one."""
    phase = status.phase
    if phase is job.status.phase:
        return None
    if phase is RetrainingJobPhase.COMPLETED:
        return Event(job, _comparison(status), _message(status, ConditionType.PROMOTED), occasion="end")
    if phase not in EVENTS:
        return None
    warning = phase is RetrainingJobPhase.FAILED
    return Event(job, EVENTS[phase], _message(status, ConditionType.READY), warning=warning, occasion=str(phase))


def result_of(status: RetrainingJobStatus) -> str:
    """Return how a job ended, as metrics count it: Promoted, NotBetter, Failed, Rejected or Cancelled."""
    return str(_comparison(status) if status.phase is RetrainingJobPhase.COMPLETED else status.phase)


def _comparison(status: RetrainingJobStatus) -> JobEvent:
    passed = status.gate is not None and status.gate.passed
    return JobEvent.PROMOTED if passed else JobEvent.NOT_BETTER


def _message(status: RetrainingJobStatus, condition_type: ConditionType) -> str:
    condition = status.condition(condition_type)
    return "" if condition is None else condition.message


def archived(job: RetrainingJob, model: TwinModel | None, cluster: str) -> ArchivedRetraining:
    """Return the record of a job that ended.

    Args:
        job: the job.
        model: its TwinModel, if that still exists.
        cluster: uid of the cluster.
    """
    name, status = job.spec.model_ref.name, job.status
    ready, ended = status.condition(ConditionType.READY), status.completion_time
    return ArchivedRetraining(
        uid=job.uid,
        namespace=job.namespace,
        name=job.name,
        model=name,
        registered_model=f"{job.namespace}.{name}" if model is None else registered_model(model),
        trigger=str(job.spec.trigger.type),
        phase=str(status.phase),
        reason="" if ready is None else ready.reason,
        message="" if ready is None else ready.message,
        promoted=promoted(job),
        completed=0.0 if ended is None else ended.timestamp(),
        status=_archived_status(job),
        cluster=cluster,
    )


def _archived_status(job: RetrainingJob) -> JSON:
    """Return the JSON of the fields that the API server has, of the status and, as `spec`, of the spec."""
    status = job.status.model_dump(mode="json", exclude=set(NOT_ARCHIVED), exclude_unset=True, exclude_none=True)
    return status | {"spec": job.spec.model_dump(mode="json", exclude_unset=True, exclude_none=True)}
