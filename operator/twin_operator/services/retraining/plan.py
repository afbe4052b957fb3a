"""RetrainingJobs: what is next for each, from cool-down to promotion. A snapshot and a clock in, a plan out."""

from twin_operator.api.v1alpha1.conditions import Reason, RetrainingJobPhase
from twin_operator.services.retraining.policy import RetrainingPolicy
from twin_operator.services.retraining.state import (
    JobPlan,
    JobSnapshot,
    approver,
    deadline_of,
    end,
    model_of,
    not_before,
    started,
    status_of,
    wait,
)
from twin_operator.services.retraining.work import at_work
from twin_operator.services.runs.run import Stop
from twin_operator.services.runs.times import timestamp


def plan(snapshot: JobSnapshot, now: float) -> JobPlan:
    """Decide what is next for an unfinished RetrainingJob; `now` in seconds since the epoch."""
    for rule in (_ended_by_people, _without_model, _late, _held, _cooling_down, _unapproved, _queued):
        decision = rule(snapshot, now)
        if decision is not None:
            return decision
    return at_work(snapshot, now)


def _ended_by_people(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    spec = snapshot.body["spec"]
    if spec.get("cancel"):
        return end(
            snapshot,
            RetrainingJobPhase.CANCELLED,
            Reason.CANCELLED,
            "spec.cancel ended the job.",
            now,
            stop=Stop.CANCELLED,
        )
    approval = spec.get("approval")
    if approval and not approval["approved"]:
        why = f": {approval['message']}" if approval.get("message") else "."
        message = f"{approval['by']} rejected it{why}"
        return end(snapshot, RetrainingJobPhase.REJECTED, Reason.REJECTED, message, now, stop=Stop.CANCELLED)
    return None


def _without_model(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    name = snapshot.body["spec"]["modelRef"]["name"]
    if snapshot.model is None and started(snapshot.body):
        message = f"TwinModel {name} was deleted while the job was at work."
        return end(snapshot, RetrainingJobPhase.FAILED, Reason.MODEL_NOT_FOUND, message, now, stop=Stop.CANCELLED)
    if snapshot.model is None:
        return wait(
            snapshot,
            RetrainingJobPhase.PENDING,
            Reason.MODEL_NOT_FOUND,
            f"There is no TwinModel {name} in this namespace yet.",
            now,
        )
    if not ((snapshot.model.get("status") or {}).get("model") or {}).get("version"):
        return wait(
            snapshot,
            RetrainingJobPhase.PENDING,
            Reason.MODEL_NOT_READY,
            f"TwinModel {name} has no trained version yet.",
            now,
        )
    return None


def _late(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    limit, over = snapshot.body["spec"].get("activeDeadlineSeconds"), deadline_of(snapshot)
    if over is None or now < over:
        return None
    message = f"Not done within {limit} seconds of the start of Training."
    return end(snapshot, RetrainingJobPhase.FAILED, Reason.DEADLINE_EXCEEDED, message, now, stop=Stop.CANCELLED)


def _held(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    spec = model_of(snapshot)["spec"]
    field_name = "spec.suspend" if spec.get("suspend") else "spec.retraining.suspend"
    holds = spec.get("suspend") or (RetrainingPolicy.of(spec).suspend and not started(snapshot.body))
    if not holds:
        return None
    phase = RetrainingJobPhase(status_of(snapshot)["phase"]) if started(snapshot.body) else RetrainingJobPhase.PENDING
    message = f"{field_name} of TwinModel {model_of(snapshot)['metadata']['name']} holds retraining."
    return wait(snapshot, phase, Reason.MODEL_SUSPENDED, message, now, stop=Stop.SUSPENDED)


def _cooling_down(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    over = not_before(snapshot)
    if started(snapshot.body) or over is None or now >= over:
        return None
    last = (model_of(snapshot).get("status") or {}).get("retraining", {}).get("lastJob", "the last job")
    message = f"{last} ended less than spec.retraining.cooldown ago; this job may start at {timestamp(over)}."
    return wait(snapshot, RetrainingJobPhase.COOLING_DOWN, Reason.COOLING_DOWN, message, now, again=over)


def _unapproved(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    if approver(snapshot) is not None:
        return None
    message = (
        "Somebody with the RBAC verb approve has to decide: kubectl twin approve "
        f"{snapshot.body['metadata']['name']} -n {snapshot.body['metadata']['namespace']}, or set spec.approval."
    )
    return wait(snapshot, RetrainingJobPhase.AWAITING_APPROVAL, Reason.AWAITING_APPROVAL, message, now)


def _queued(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    """Wait for the model's lock, which the model's own reconciler gives to one job at a time."""
    holder = ((model_of(snapshot).get("status") or {}).get("retraining") or {}).get("activeJob")
    mine = snapshot.body["metadata"]["name"]
    if started(snapshot.body) or holder == mine:
        return None
    if holder:
        return wait(
            snapshot,
            RetrainingJobPhase.APPROVED,
            Reason.MODEL_BUSY,
            f"{holder} works on the model; this job waits for its turn.",
            now,
        )
    return wait(snapshot, RetrainingJobPhase.APPROVED, Reason.APPROVED, "It is about to start.", now)
