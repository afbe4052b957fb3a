"""RetrainingJobs as objects: a new one, the Event of its phase, its result, its row in the archive. Pure."""

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
from twin_operator.api.v1alpha1.conditions import ConditionType, RetrainingJobPhase
from twin_operator.api.v1alpha1.references import TwinModelRef
from twin_operator.api.v1alpha1.retraining_job import RetrainingTrigger
from twin_operator.services.archive.ports import ArchivedRetraining
from twin_operator.services.reconciling.ports import Event
from twin_operator.services.retraining.history import promoted
from twin_operator.services.retraining.triggers import Wanted
from twin_operator.services.runs.run import JSON
from twin_operator.services.versions.active import registered_model

TTL_SECONDS: Final = 2_592_000  # thirty days after its end: the archive keeps its result for good
MODEL_LABEL: Final = "twinops.dev/model"
LONGEST_LABEL: Final = 63
NOT_ARCHIVED: Final = frozenset({"phase", "conditions", "observed_generation", "trace_id", "not_before"})
"""Fields of a status that have a column of their own in the archive, or no meaning after the end."""


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


def archived(job: RetrainingJob, model: TwinModel | None) -> ArchivedRetraining:
    """Return the record of a job that ended; `model` is its TwinModel, if that still exists."""
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
    )


def _archived_status(job: RetrainingJob) -> JSON:
    """Return the JSON of the fields that the API server has, of the status and, as `spec`, of the spec."""
    status = job.status.model_dump(mode="json", exclude=set(NOT_ARCHIVED), exclude_unset=True, exclude_none=True)
    return status | {"spec": job.spec.model_dump(mode="json", exclude_unset=True, exclude_none=True)}
