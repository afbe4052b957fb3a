"""The state of a RetrainingJob: what its status says whatever it waits for, who approved it, and when it may start."""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

from twin_operator.api.v1alpha1 import RetrainingJob, RetrainingJobStatus, TwinModel
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason, RetrainingJobPhase
from twin_operator.api.v1alpha1.enums import ApprovalPolicy
from twin_operator.services.reconciling.errors import OutcomesIncomplete
from twin_operator.services.reconciling.ports import Refused
from twin_operator.services.reconciling.refusals import stalled_by
from twin_operator.services.reconciling.status import Fact, conditions_of, reconciling, stalled
from twin_operator.services.runs.run import Run, Stop
from twin_operator.services.runs.times import moment
from twin_operator.services.runs.tracing import trace_of

KIND: Final = RetrainingJob.definition.kind
POLICY: Final = "policy"  # in status.approvedBy, where the job needed no approval by a user
VALIDATION_QUEUE: Final = "validation"
Step = Literal["train", "validate"]


@dataclass(frozen=True)
class Work:
    """The record of one of a job's two tasks.

    Attributes:
        run: the record.
        published: whether its message is in a queue.
        served: whether workers serve that queue.
        turn: whether it may be published now: no limit of the queue keeps it waiting.
    """

    run: Run = field(default_factory=Run)
    published: bool = False
    served: bool = True
    turn: bool = True

    @property
    def on_its_way(self) -> bool:
        """Whether a worker has the task, or will have it."""
        return self.run.leased or (self.published and self.run.outcome is None and self.run.stop is None)


@dataclass(frozen=True)
class JobSnapshot:
    """A job, its model and its tasks.

    Attributes:
        job: the RetrainingJob.
        model: the TwinModel, None where there is none.
        training, validation: its tasks.
        champion: version with the registry's alias, where it is needed.
        refusal: why no version of the model may be trained or promoted now.
        incomplete: why the outcomes of the model, on which its tasks rest, may not be used now.
    """

    job: RetrainingJob
    model: TwinModel | None
    training: Work = field(default_factory=Work)
    validation: Work = field(default_factory=Work)
    champion: str | None = None
    refusal: str | None = None
    incomplete: OutcomesIncomplete | None = None

    def without_turn(self, step: Step) -> "JobSnapshot":
        """Return the snapshot of a job whose task may not be published yet."""
        if step == "train":
            return replace(self, training=replace(self.training, turn=False))
        return replace(self, validation=replace(self.validation, turn=False))


@dataclass(frozen=True)
class JobPlan:
    """What to do, in this order: stop tasks, promote, publish a task, write the status, reconcile again.

    Attributes:
        status: the complete status to be written.
        publish: the task to be published.
        stop: why the job's tasks are to end.
        promote: the version that becomes champion.
        again: when to reconcile again, seconds since the epoch.
    """

    status: RetrainingJobStatus
    publish: Step | None = None
    stop: Stop | None = None
    promote: str | None = None
    again: float | None = None


def is_job_of(job: RetrainingJob, model: TwinModel) -> bool:
    """Return whether a job is about this TwinModel: one that an earlier TwinModel of the name owns is not."""
    owners = {owner.uid for owner in job.metadata.owner_references if owner.kind == model.definition.kind}
    return not owners or model.uid in owners


def started(job: RetrainingJob) -> bool:
    """Whether a job's training was begun."""
    return job.status.start_time is not None


def promotes(job: RetrainingJob) -> bool:
    """Whether the status says that the candidate passed the comparison: from then on it is promoted.

    The status is written before the promotion, and only if the job has not changed since it was read. So a job that is
    cancelled, late or deleted before is not promoted, and one that is promoted is Completed.
    """
    gate = job.status.gate
    return gate is not None and bool(gate.passed) and not job.status.phase.finished


def awaits_approval_since(job: RetrainingJob) -> float | None:
    """Return since when a job lacks nothing but approval by a user, seconds since the epoch; None where it does not."""
    if job.status.phase is not RetrainingJobPhase.AWAITING_APPROVAL:
        return None
    times = (job.metadata.creation_timestamp, job.status.not_before)
    return max((time.timestamp() for time in times if time is not None), default=None)


def waits_for_its_turn(job: RetrainingJob) -> bool:
    """Whether nothing but another job keeps a job from starting, or it is running already."""
    return job.status.phase is RetrainingJobPhase.APPROVED or job.status.phase.running


def not_before(snapshot: JobSnapshot) -> float | None:
    """Return when the model's cool-down is over for this job, seconds since the epoch."""
    model = model_of(snapshot)
    last = None if model.status.retraining is None else model.status.retraining.last_finished_time
    if last is None or snapshot.job.spec.override_cooldown:
        return None
    return (last + model.spec.retraining.cooldown).timestamp()


def approver(snapshot: JobSnapshot) -> str | None:
    """Return who lets the job start, a user or `policy`; fidelity is the model's own, not what the job's spec says."""
    job, model = snapshot.job, model_of(snapshot)
    if job.status.approved_by is not None:
        return job.status.approved_by
    if job.spec.approval is not None:
        return job.spec.approval.by
    return POLICY if _needs_no_approval(model) else None


def _needs_no_approval(model: TwinModel) -> bool:
    policy, fidelity = model.spec.retraining, model.status.fidelity
    score = None if fidelity is None else fidelity.score
    urgent = score is not None and score < policy.auto_approve_below
    return urgent or policy.approval is ApprovalPolicy.AUTOMATIC


def deadline_of(snapshot: JobSnapshot) -> float | None:
    """Return when a job's time is over, seconds since the epoch."""
    limit, begun = snapshot.job.spec.active_deadline_seconds, snapshot.job.status.start_time
    return None if limit is None or begun is None else begun.timestamp() + limit


def task_queues(model: TwinModel) -> frozenset[str]:
    """Return the queues that the tasks of a TwinModel and of its jobs go to."""
    return frozenset({model.spec.queue, VALIDATION_QUEUE})


def task_queue(model: TwinModel, step: Step) -> str:
    """Return the queue of one of a job's tasks."""
    return model.spec.queue if step == "train" else VALIDATION_QUEUE


def end(
    snapshot: JobSnapshot,
    phase: RetrainingJobPhase,
    reason: Reason,
    message: str,
    now: float,
    *,
    stop: Stop | None = None,
) -> JobPlan:
    """End a job without a new champion: it failed, was rejected or cancelled."""
    facts = stalled(reason, message)
    if started(snapshot.job):
        facts.append(Fact(ConditionType.PROMOTED, ConditionStatus.FALSE, reason, "The active version does not change."))
    conditions = conditions_of(snapshot.job, facts, now)
    status = base_status(snapshot, now).replace(phase=phase, completion_time=moment(now), conditions=conditions)
    return JobPlan(status, stop=stop)


def wait(
    snapshot: JobSnapshot,
    phase: RetrainingJobPhase,
    reason: Reason,
    message: str,
    now: float,
    *,
    again: float | None = None,
    stop: Stop | None = None,
) -> JobPlan:
    """Leave a job waiting or running, in a phase."""
    conditions = conditions_of(snapshot.job, reconciling(reason, message), now)
    return JobPlan(base_status(snapshot, now).replace(phase=phase, conditions=conditions), again=again, stop=stop)


def base_status(snapshot: JobSnapshot, now: float) -> RetrainingJobStatus:
    """Return the status with what holds in every phase: who approved it and when, its cool-down, and its attempts."""
    job = snapshot.job
    status = job.status.replace(
        observed_generation=job.metadata.generation,
        trace_id=trace_of(job.metadata).trace_id,
        attempts=max(job.status.attempts or 0, snapshot.training.run.attempts),
    )
    if snapshot.model is None:
        return status
    if not started(job):
        over = not_before(snapshot)
        status = status.replace(not_before=None if over is None else moment(over))
    who = _approver_by_now(snapshot, now)
    if who is None:
        return status
    return status.replace(approved_by=who, approved_time=job.status.approved_time or moment(now))


def _approver_by_now(snapshot: JobSnapshot, now: float) -> str | None:
    """Return who has approved the job; the policy approves no sooner than the job could start."""
    who, approval, over = approver(snapshot), snapshot.job.spec.approval, not_before(snapshot)
    early = who == POLICY and not started(snapshot.job) and over is not None and now < over
    rejected = approval is not None and not approval.approved
    return None if early or rejected else who


def smaller_statuses(
    seen: RetrainingJob, wanted: RetrainingJobStatus, refused: Refused, now: float
) -> list[RetrainingJob]:
    """Return what to write instead of a status that the API server refused, the largest first: a job's end is kept.

    Args:
        seen: the job with the status that it has.
        wanted: the status that was refused.
        refused: why.
        now: seconds since the epoch.
    """
    stuck = stalled_by(seen, refused, now)
    if not wanted.phase.finished:
        return [stuck]
    ended = stuck.status.replace(phase=wanted.phase, completion_time=wanted.completion_time)
    return [stuck.replace(status=ended), stuck]


def model_of(snapshot: JobSnapshot) -> TwinModel:
    """Return the model of a job that has one."""
    if snapshot.model is None:
        raise LookupError("rules after _without_model are asked about jobs whose model is there")
    return snapshot.model


def begun_runs(job: RetrainingJob) -> set[str]:
    """Return the identities of the runs that a job may have started, as its status shows."""
    champion = job.status.champion and job.status.champion.version
    return {training_run(job), *([validation_run(job, champion)] if champion else [])}


def training_run(job: RetrainingJob) -> str:
    """Return the identity of a job's training."""
    return f"{job.uid}-train"


def validation_run(job: RetrainingJob, champion: str) -> str:
    """Return the identity of a job's comparison with a champion."""
    return f"{job.uid}-against-{champion}"
