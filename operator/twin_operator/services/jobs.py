"""RetrainingJobs: what is next for each, from cool-down to promotion. A snapshot and a clock in, a plan out."""

from dataclasses import dataclass, field
from datetime import datetime

from twin_operator.api.v1alpha1.conditions import RetrainingJobPhase
from twin_operator.services.conditions import Fact, merge_conditions, ready, reconciling, stalled, timestamp
from twin_operator.services.retraining_policy import RetrainingPolicy
from twin_operator.services.serving import registered_model, serves
from twin_operator.services.tasks import JSON, Run, Stop

KIND = "RetrainingJob"
FINISHED = frozenset(phase.value for phase in RetrainingJobPhase if phase.finished)
AT_WORK = frozenset({"Training", "Validating"})
RETRY_BASE_SECONDS = 10.0  # wait before the second attempt; doubles
RETRY_CAP_SECONDS = 600.0
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


def seconds(moment: str | None) -> float | None:
    """Return RFC 3339 as seconds since the epoch."""
    return None if moment is None else datetime.fromisoformat(moment).timestamp()


def finished(body: JSON) -> bool:
    """Whether a job has ended."""
    return (body.get("status") or {}).get("phase") in FINISHED


def started(body: JSON) -> bool:
    """Whether a job's training was begun."""
    return bool((body.get("status") or {}).get("startTime"))


def waits_for_its_turn(body: JSON) -> bool:
    """Whether nothing but another job keeps a job from starting, or it is at work already."""
    return (body.get("status") or {}).get("phase") in {"Approved", *AT_WORK}


def plan(snapshot: JobSnapshot, now: float) -> JobPlan:
    """Decide what is next for an unfinished RetrainingJob; `now` in seconds since the epoch."""
    for rule in (_ended_by_people, _without_model, _late, _held, _cooling_down, _unapproved, _queued):
        decision = rule(snapshot, now)
        if decision is not None:
            return decision
    return _work(snapshot, now)


def _ended_by_people(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    spec = snapshot.body["spec"]
    if spec.get("cancel"):
        return _end(snapshot, "Cancelled", "Cancelled", "spec.cancel ended the job.", now, stop=Stop.CANCELLED)
    approval = spec.get("approval")
    if approval and not approval["approved"]:
        why = f": {approval['message']}" if approval.get("message") else "."
        message = f"{approval['by']} rejected it{why}"
        return _end(snapshot, "Rejected", "Rejected", message, now, stop=Stop.CANCELLED)
    return None


def _without_model(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    name = snapshot.body["spec"]["modelRef"]["name"]
    if snapshot.model is None and started(snapshot.body):
        message = f"TwinModel {name} was deleted while the job was at work."
        return _end(snapshot, "Failed", "ModelNotFound", message, now, stop=Stop.CANCELLED)
    if snapshot.model is None:
        return _wait(snapshot, "Pending", "ModelNotFound", f"There is no TwinModel {name} in this namespace yet.", now)
    if not serves(snapshot.model):
        return _wait(snapshot, "Pending", "ModelNotReady", f"TwinModel {name} has no trained version yet.", now)
    return None


def _late(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    limit, begun = snapshot.body["spec"].get("activeDeadlineSeconds"), seconds(_status(snapshot).get("startTime"))
    if limit is None or begun is None or now < begun + limit:
        return None
    message = f"Not done within {limit} seconds of the start of Training."
    return _end(snapshot, "Failed", "DeadlineExceeded", message, now, stop=Stop.CANCELLED)


def _held(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    spec = _model(snapshot)["spec"]
    field_name = "spec.suspend" if spec.get("suspend") else "spec.retraining.suspend"
    holds = spec.get("suspend") or (RetrainingPolicy.of(spec).suspend and not started(snapshot.body))
    if not holds:
        return None
    phase = _status(snapshot)["phase"] if started(snapshot.body) else "Pending"
    message = f"{field_name} of TwinModel {_model(snapshot)['metadata']['name']} holds retraining."
    return _wait(snapshot, phase, "ModelSuspended", message, now, stop=Stop.SUSPENDED)


def _cooling_down(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    over = not_before(snapshot)
    if started(snapshot.body) or over is None or now >= over:
        return None
    last = (_model(snapshot).get("status") or {}).get("retraining", {}).get("lastJob", "the last job")
    message = f"{last} ended less than spec.retraining.cooldown ago; this job may start at {timestamp(over)}."
    return _wait(snapshot, "CoolingDown", "CoolingDown", message, now, again=over)


def not_before(snapshot: JobSnapshot) -> float | None:
    """Return when the model's cool-down is over for this job, seconds since the epoch."""
    model = _model(snapshot)
    last = seconds(((model.get("status") or {}).get("retraining") or {}).get("lastFinishedTime"))
    if last is None or snapshot.body["spec"].get("overrideCooldown"):
        return None
    return last + RetrainingPolicy.of(model["spec"]).cooldown


def approver(snapshot: JobSnapshot) -> str | None:
    """Return who lets the job start: a person, or `policy`; the job's own words about fidelity count for nothing."""
    known = _status(snapshot).get("approvedBy")
    if known:
        return str(known)
    approval = snapshot.body["spec"].get("approval")
    if approval:
        return str(approval["by"])
    model = _model(snapshot)
    policy = RetrainingPolicy.of(model["spec"])
    score = ((model.get("status") or {}).get("fidelity") or {}).get("score")
    urgent = score is not None and score < policy.auto_approve_below
    return POLICY if policy.automatic or urgent else None


def _unapproved(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    if approver(snapshot) is not None:
        return None
    message = (
        "Somebody with the RBAC verb approve has to decide: kubectl twin approve "
        f"{snapshot.body['metadata']['name']} -n {snapshot.body['metadata']['namespace']}, or set spec.approval."
    )
    return _wait(snapshot, "AwaitingApproval", "AwaitingApproval", message, now)


def _queued(snapshot: JobSnapshot, now: float) -> JobPlan | None:
    """Wait for the model's lock, which the model's own reconciler gives to one job at a time."""
    holder = ((_model(snapshot).get("status") or {}).get("retraining") or {}).get("activeJob")
    mine = snapshot.body["metadata"]["name"]
    if started(snapshot.body) or holder == mine:
        return None
    if holder:
        return _wait(
            snapshot, "Approved", "ModelBusy", f"{holder} works on the model; this job waits for its turn.", now
        )
    return _wait(snapshot, "Approved", "Approved", "It is about to start.", now)


def _work(snapshot: JobSnapshot, now: float) -> JobPlan:
    if not started(snapshot.body):
        facts = reconciling("Training", "The training is put on its queue.")
        status = {**_keep(snapshot, now), "phase": "Training", "startTime": timestamp(now)}
        return JobPlan({**status, "conditions": merge_conditions(snapshot.body, facts, now)}, again=now)
    outcome = snapshot.training.run.outcome
    if outcome is None:
        return _on_its_way(snapshot, snapshot.training, "Training", "train", now)
    if not outcome.succeeded:
        return _end(snapshot, "Failed", "TrainingFailed", f"{outcome.reason}: {outcome.message}", now)
    return _compare(snapshot, outcome.value, now)


def _compare(snapshot: JobSnapshot, candidate: JSON, now: float) -> JobPlan:
    """Have the candidate compared with the champion, and act on the comparison."""
    outcome = snapshot.validation.run.outcome
    versions = {
        "candidate": {"version": candidate["version"]},
        "champion": {"version": _status(snapshot).get("champion", {}).get("version") or snapshot.champion},
        "plan": candidate.get("plan"),
    }
    if outcome is None:
        decision = _on_its_way(snapshot, snapshot.validation, "Validating", "validate", now)
        return JobPlan({**decision.status, **versions}, decision.publish, decision.stop, again=decision.again)
    if not outcome.succeeded:
        decision = _end(snapshot, "Failed", "TrainingFailed", f"{outcome.reason}: {outcome.message}", now)
        return JobPlan({**decision.status, **versions})
    return _judged(snapshot, {**versions, **outcome.value}, now)


def _judged(snapshot: JobSnapshot, result: JSON, now: float) -> JobPlan:
    passed, message = result["gate"]["passed"], result["gate"]["message"]
    version = result["candidate"]["version"]
    if passed:
        promoted = Fact("Promoted", "True", "GatePassed", f"Version {version} serves. {message}")
        facts = [*ready("Succeeded", f"Version {version} was trained and serves."), promoted]
    else:
        promoted = Fact("Promoted", "False", "NotBetter", f"Version {version} does not serve. {message}")
        facts = [*ready("Succeeded", f"Version {version} was trained; the champion goes on to serve."), promoted]
    status = {**_keep(snapshot, now), **result, "phase": "Completed", "completionTime": timestamp(now)}
    status["conditions"] = merge_conditions(snapshot.body, facts, now)
    return JobPlan(status, promote=version if passed else None)


def _on_its_way(snapshot: JobSnapshot, work: Work, phase: str, publish: str, now: float) -> JobPlan:
    """Say where a task is; publish it, again after a failed attempt and its wait."""
    run, limit = work.run, int(snapshot.body["spec"].get("backoffLimit", 2)) + 1
    if run.leased:
        return _wait(snapshot, phase, phase, f"Attempt {run.attempts} on {run.worker}.", now, again=_deadline(snapshot))
    if run.attempts >= limit:
        cause = run.error or "the worker was lost"
        message = f"All {run.attempts} attempts failed; the last one: {cause}."
        return _end(snapshot, "Failed", "BackoffLimitExceeded", message, now)
    queue = task_queue(_model(snapshot), publish)
    if work.served:
        decision = _wait(snapshot, phase, phase, f"Waits in queue {queue} for a worker.", now)
    else:
        message = f"No WorkerPool has workers for queue {queue}; it waits for one."
        decision = _wait(snapshot, phase, "NoWorkers", message, now)
    if work.published:
        return JobPlan(decision.status, again=_deadline(snapshot))
    at = _retry_at(run)
    if at > now:
        return JobPlan(decision.status, again=at)
    return JobPlan(decision.status, publish=publish, again=_deadline(snapshot))


def _retry_at(run: Run) -> float:
    """Return when a task may be published, seconds since the epoch."""
    if run.failed is None:
        return 0.0
    doublings = max(0, run.attempts - 1)
    return run.failed + min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2.0**doublings)


def task_queue(model: JSON, work: str) -> str:
    """Return the queue of one of a job's tasks."""
    return str(model["spec"].get("queue", "training")) if work == "train" else "validation"


def _deadline(snapshot: JobSnapshot) -> float | None:
    limit, begun = snapshot.body["spec"].get("activeDeadlineSeconds"), seconds(_status(snapshot).get("startTime"))
    return None if limit is None or begun is None else begun + limit


def _end(
    snapshot: JobSnapshot, phase: str, reason: str, message: str, now: float, *, stop: Stop | None = None
) -> JobPlan:
    facts = stalled(reason, message)
    if started(snapshot.body):
        facts.append(Fact("Promoted", "False", reason, "The version that served goes on to serve."))
    status = {**_keep(snapshot, now), "phase": phase, "completionTime": timestamp(now)}
    return JobPlan({**status, "conditions": merge_conditions(snapshot.body, facts, now)}, stop=stop)


def _wait(
    snapshot: JobSnapshot,
    phase: str,
    reason: str,
    message: str,
    now: float,
    *,
    again: float | None = None,
    stop: Stop | None = None,
) -> JobPlan:
    conditions = merge_conditions(snapshot.body, reconciling(reason, message), now)
    return JobPlan({**_keep(snapshot, now), "phase": phase, "conditions": conditions}, again=again, stop=stop)


def _keep(snapshot: JobSnapshot, now: float) -> JSON:
    """Return what every status says: who approved and when, until when it cools down, and how often it was begun."""
    before = _status(snapshot)
    kept: JSON = {"observedGeneration": snapshot.body["metadata"].get("generation", 1)}
    kept["attempts"] = max(before.get("attempts") or 0, snapshot.training.run.attempts)
    if snapshot.model is None:
        return kept
    if not started(snapshot.body):
        kept["notBefore"] = timestamp(not_before(snapshot))
    return kept | _approved(snapshot, now)


def _approved(snapshot: JobSnapshot, now: float) -> JSON:
    """Return who approved it and when; the policy approves no sooner than the job could start."""
    before, who = _status(snapshot), approver(snapshot)
    approval = snapshot.body["spec"].get("approval") or {"approved": True}
    over = not_before(snapshot)
    early = who == POLICY and not started(snapshot.body) and over is not None and now < over
    if who is None or early or not approval["approved"]:
        return {}
    return {"approvedBy": who, "approvedTime": before.get("approvedTime") or timestamp(now)}


def _status(snapshot: JobSnapshot) -> JSON:
    status: JSON = snapshot.body.get("status") or {}
    return status


def _model(snapshot: JobSnapshot) -> JSON:
    if snapshot.model is None:
        raise LookupError("rules after _without_model are asked about jobs whose model is there")
    return snapshot.model


def training_run(body: JSON) -> str:
    """Return the identity of a job's training."""
    return f"{body['metadata']['uid']}-train"


def validation_run(body: JSON, champion: str) -> str:
    """Return the identity of a job's comparison with a champion."""
    return f"{body['metadata']['uid']}-against-{champion}"


def target_name(model: JSON) -> str:
    """Return the registered model that a job's candidate goes to."""
    return registered_model(model)
