"""What a model's jobs leave in its status: failed attempts, the start of the cool-down, and which job may run."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from twin_operator.api.v1alpha1 import RetrainingJob
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, RetrainingJobPhase
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.retraining_job import TrainingPlan
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState
from twin_operator.services.retraining.state import started, waits_for_its_turn

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
    if holder and holder not in gone and (current is None or not current.status.phase.finished):
        return holder
    waiting = [job for job in jobs if waits_for_its_turn(job) and (cooled or _needs_no_cool_down(job))]
    chosen = min(waiting, key=_place, default=None)
    return None if chosen is None else chosen.name


def _needs_no_cool_down(job: RetrainingJob) -> bool:
    return started(job) or job.spec.override_cooldown


def _place(job: RetrainingJob) -> tuple[bool, int, datetime, str]:
    created = job.metadata.creation_timestamp or EPOCH
    return not job.status.phase.running, URGENCY[job.spec.trigger.type], created, job.name
