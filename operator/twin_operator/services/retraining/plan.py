"""RetrainingJobs: what is next for each, from cool-down to promotion. A snapshot and a clock in, a plan out."""

from twin_operator.api.v1alpha1.conditions import Reason, RetrainingJobPhase
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState
from twin_operator.services.retraining.state import (
    JobPlan,
    JobSnapshot,
    approver,
    deadline_of,
    end,
    model_of,
    not_before,
    promotes,
    started,
    wait,
)
from twin_operator.services.retraining.work import complete, plan_tasks
from twin_operator.services.runs.run import Stop
from twin_operator.services.runs.times import timestamp


def plan(snapshot: JobSnapshot, now: float) -> JobPlan:
    """Decide what is next for an unfinished RetrainingJob; `now` in seconds since the epoch."""
    for rule in _PROMOTING if promotes(snapshot.job) else _RULES:
        decision = rule(snapshot, now)
        if decision is not None:
            return decision
    return plan_tasks(snapshot, now)


def _cancelled(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    if not snapshot.job.spec.cancel:
        return None
    phase, message = RetrainingJobPhase.CANCELLED, "spec.cancel ended the job."
    return end(snapshot, phase, Reason.CANCELLED, message, now, stop=Stop.CANCELLED)


def _rejected(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    approval = snapshot.job.spec.approval
    if approval is None or approval.approved:
        return None
    why = f": {approval.message}" if approval.message else "."
    phase, message = RetrainingJobPhase.REJECTED, f"{approval.by} rejected it{why}"
    return end(snapshot, phase, Reason.REJECTED, message, now, stop=Stop.CANCELLED)


def _without_model(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    return _without_object(snapshot, now) or _refused(snapshot, now) or _without_version(snapshot, now)


def _without_object(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    name, pending = snapshot.job.spec.model_ref.name, RetrainingJobPhase.PENDING
    if snapshot.model is None and started(snapshot.job):
        message = f"TwinModel {name} was deleted while the job was running."
        return end(snapshot, RetrainingJobPhase.FAILED, Reason.MODEL_NOT_FOUND, message, now, stop=Stop.CANCELLED)
    if snapshot.model is None:
        message = f"There is no TwinModel {name} in this namespace yet."
        return wait(snapshot, pending, Reason.MODEL_NOT_FOUND, message, now)
    return None


def _refused(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    """Wait while the model may not use its registered model; the job's tasks are held."""
    if snapshot.model is None or snapshot.refusal is None:
        return None
    message = f"TwinModel {snapshot.model.name}: {snapshot.refusal}"
    pending = RetrainingJobPhase.PENDING
    return wait(snapshot, pending, Reason.MODEL_NOT_READY, message, now, stop=Stop.SUSPENDED)


def _without_version(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    if model_of(snapshot).status.model is not None:
        return None
    name = model_of(snapshot).name
    if started(snapshot.job):
        message = f"The version of TwinModel {name} that the job began with is gone, or of another registered model."
        return end(snapshot, RetrainingJobPhase.FAILED, Reason.MODEL_NOT_FOUND, message, now, stop=Stop.CANCELLED)
    message = f"TwinModel {name} has no trained version yet."
    return wait(snapshot, RetrainingJobPhase.PENDING, Reason.MODEL_NOT_READY, message, now)


def _late(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    over = deadline_of(snapshot)
    if over is None or now < over:
        return None
    message = f"Not done within {snapshot.job.spec.active_deadline_seconds} seconds of the start of Training."
    return end(snapshot, RetrainingJobPhase.FAILED, Reason.DEADLINE_EXCEEDED, message, now, stop=Stop.CANCELLED)


def _suspended(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    job, model = snapshot.job, model_of(snapshot)
    if not model.spec.suspend and (started(job) or not model.spec.retraining.suspend):
        return None
    phase = job.status.phase if started(job) else RetrainingJobPhase.PENDING
    field = "spec.suspend" if model.spec.suspend else "spec.retraining.suspend"
    message = f"{field} of TwinModel {model.name} holds retraining."
    return wait(snapshot, phase, Reason.MODEL_SUSPENDED, message, now, stop=Stop.SUSPENDED)


def _cooling_down(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    over = not_before(snapshot)
    if started(snapshot.job) or over is None or now >= over:
        return None
    last = _retraining(snapshot).last_job or "the last job"
    message = f"{last} ended less than spec.retraining.cooldown ago; this job may start at {timestamp(over)}."
    return wait(snapshot, RetrainingJobPhase.COOLING_DOWN, Reason.COOLING_DOWN, message, now, again=over)


def _unapproved(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    if approver(snapshot) is not None:
        return None
    job = snapshot.job
    message = (
        "Waiting for the approval of someone with the RBAC verb approve: run "
        f"kubectl twin approve {job.name} -n {job.namespace}, or set spec.approval."
    )
    return wait(snapshot, RetrainingJobPhase.AWAITING_APPROVAL, Reason.AWAITING_APPROVAL, message, now)


def _queued(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    """Wait until the reconciler of the model, which lets one job run at a time, names this one in its status."""
    active, approved = _retraining(snapshot).active_job, RetrainingJobPhase.APPROVED
    if started(snapshot.job) or active == snapshot.job.name:
        return None
    if active is None:
        return wait(snapshot, approved, Reason.APPROVED, "It is about to start.", now)
    message = f"{active} works on the model; this job waits for its turn."
    return wait(snapshot, approved, Reason.MODEL_BUSY, message, now)


def _retraining(snapshot: JobSnapshot) -> RetrainingState:
    return model_of(snapshot).status.retraining or RetrainingState()


_RULES = (_cancelled, _rejected, _without_model, _late, _suspended, _cooling_down, _unapproved, _queued)
_PROMOTING = (_without_model, complete)
