"""The state of a RetrainingJob: what its status says whatever it waits for, who approved it, and when it may start."""

from dataclasses import dataclass, field

from twin_operator.api.v1alpha1 import ObjectMeta
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason, RetrainingJobPhase
from twin_operator.services.reconciling.status import Fact, merge_conditions, reconciling, stalled
from twin_operator.services.retraining.policy import RetrainingPolicy
from twin_operator.services.runs.run import JSON, Run, Stop
from twin_operator.services.runs.times import seconds, timestamp
from twin_operator.services.runs.tracing import trace_of

KIND = "RetrainingJob"
FINISHED = frozenset(phase.value for phase in RetrainingJobPhase if phase.finished)
AT_WORK = frozenset({"Training", "Validating"})
POLICY = "policy"  # approves in nobody's name


@dataclass(frozen=True)
class Work:
    """The record of one of a job's two tasks, and what is known of its message."""

    run: Run = field(default_factory=Run)
    published: bool = False
    served: bool = True


@dataclass(frozen=True)
class JobSnapshot:
    """A job, its model and its tasks.

    Attributes:
        body: the RetrainingJob.
        model: the TwinModel, None where there is none.
        training, validation: its tasks.
        champion: version with the registry's alias, where it is needed.
    """

    body: JSON
    model: JSON | None
    training: Work = field(default_factory=Work)
    validation: Work = field(default_factory=Work)
    champion: str | None = None


@dataclass(frozen=True)
class JobPlan:
    """What to do, in this order: stop tasks, promote, write the status, publish a task, look again.

    Attributes:
        status: to be written.
        publish: `train` or `validate`.
        stop: why tasks in hand are to end.
        promote: the version that becomes champion.
        again: when to look again, seconds since the epoch.
    """

    status: JSON
    publish: str | None = None
    stop: Stop | None = None
    promote: str | None = None
    again: float | None = None


def finished(body: JSON) -> bool:
    """Whether a job has ended."""
    return (body.get("status") or {}).get("phase") in FINISHED


def started(body: JSON) -> bool:
    """Whether a job's training was begun."""
    return bool((body.get("status") or {}).get("startTime"))


def waits_for_a_person_since(body: JSON) -> float | None:
    """Return since when a job lacks nothing but a person's approval, seconds since the epoch."""
    status = body.get("status") or {}
    if status.get("phase") != RetrainingJobPhase.AWAITING_APPROVAL:
        return None
    times = (body["metadata"].get("creationTimestamp"), status.get("notBefore"))
    return max((seconds(moment) or 0.0 for moment in times), default=None)


def waits_for_its_turn(body: JSON) -> bool:
    """Whether nothing but another job keeps a job from starting, or it is at work already."""
    return (body.get("status") or {}).get("phase") in {RetrainingJobPhase.APPROVED, *AT_WORK}


def not_before(snapshot: JobSnapshot) -> float | None:
    """Return when the model's cool-down is over for this job, seconds since the epoch."""
    model = model_of(snapshot)
    last = seconds(((model.get("status") or {}).get("retraining") or {}).get("lastFinishedTime"))
    if last is None or snapshot.body["spec"].get("overrideCooldown"):
        return None
    return last + RetrainingPolicy.of(model["spec"]).cooldown


def approver(snapshot: JobSnapshot) -> str | None:
    """Return who lets the job start: a person, or `policy`; the job's own words about fidelity count for nothing."""
    known = status_of(snapshot).get("approvedBy")
    if known:
        return str(known)
    approval = snapshot.body["spec"].get("approval")
    if approval:
        return str(approval["by"])
    model = model_of(snapshot)
    policy = RetrainingPolicy.of(model["spec"])
    score = ((model.get("status") or {}).get("fidelity") or {}).get("score")
    urgent = score is not None and score < policy.auto_approve_below
    return POLICY if policy.automatic or urgent else None


def deadline_of(snapshot: JobSnapshot) -> float | None:
    """Return when a job's time is over, seconds since the epoch."""
    limit, begun = snapshot.body["spec"].get("activeDeadlineSeconds"), seconds(status_of(snapshot).get("startTime"))
    return None if limit is None or begun is None else begun + limit


def task_queue(model: JSON, work: str) -> str:
    """Return the queue of one of a job's tasks."""
    return str(model["spec"].get("queue", "training")) if work == "train" else "validation"


def end(
    snapshot: JobSnapshot,
    phase: RetrainingJobPhase,
    reason: Reason,
    message: str,
    now: float,
    *,
    stop: Stop | None = None,
) -> JobPlan:
    """End a job: what only a person's change can mend, or what people ended."""
    facts = stalled(reason, message)
    if started(snapshot.body):
        facts.append(
            Fact(ConditionType.PROMOTED, ConditionStatus.FALSE, reason, "The version that served goes on to serve.")
        )
    status = {**common(snapshot, now), "phase": phase, "completionTime": timestamp(now)}
    return JobPlan({**status, "conditions": merge_conditions(snapshot.body, facts, now)}, stop=stop)


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
    """Have a job wait, or say where it is."""
    conditions = merge_conditions(snapshot.body, reconciling(reason, message), now)
    return JobPlan({**common(snapshot, now), "phase": phase, "conditions": conditions}, again=again, stop=stop)


def common(snapshot: JobSnapshot, now: float) -> JSON:
    """Return what every status says: who approved and when, until when it cools down, and how often it was begun."""
    before = status_of(snapshot)
    told: JSON = {"observedGeneration": snapshot.body["metadata"].get("generation", 1)}
    told["traceID"] = trace_of(ObjectMeta.model_validate(snapshot.body["metadata"])).trace_id
    told["attempts"] = max(before.get("attempts") or 0, snapshot.training.run.attempts)
    if snapshot.model is None:
        return told
    if not started(snapshot.body):
        told["notBefore"] = timestamp(not_before(snapshot))
    return told | approval_of(snapshot, now)


def approval_of(snapshot: JobSnapshot, now: float) -> JSON:
    """Return who approved it and when; the policy approves no sooner than the job could start."""
    before, who = status_of(snapshot), approver(snapshot)
    approval = snapshot.body["spec"].get("approval") or {"approved": True}
    over = not_before(snapshot)
    early = who == POLICY and not started(snapshot.body) and over is not None and now < over
    if who is None or early or not approval["approved"]:
        return {}
    return {"approvedBy": who, "approvedTime": before.get("approvedTime") or timestamp(now)}


def status_of(snapshot: JobSnapshot) -> JSON:
    """Return what was written last."""
    status: JSON = snapshot.body.get("status") or {}
    return status


def model_of(snapshot: JobSnapshot) -> JSON:
    """Return the model of a job that has one."""
    if snapshot.model is None:
        raise LookupError("rules after _without_model are asked about jobs whose model is there")
    return snapshot.model


def training_run(body: JSON) -> str:
    """Return the identity of a job's training."""
    return f"{body['metadata']['uid']}-train"


def validation_run(body: JSON, champion: str) -> str:
    """Return the identity of a job's comparison with a champion."""
    return f"{body['metadata']['uid']}-against-{champion}"
