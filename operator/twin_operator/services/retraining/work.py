"""A RetrainingJob whose turn it is: train a candidate, have it compared, promote it or not."""

from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason, RetrainingJobPhase
from twin_operator.services.reconciling.status import Fact, merge_conditions, queued_message, ready, reconciling
from twin_operator.services.retraining.state import (
    JobPlan,
    JobSnapshot,
    Work,
    common,
    deadline_of,
    end,
    model_of,
    started,
    status_of,
    task_queue,
    wait,
)
from twin_operator.services.runs.run import JSON, Run
from twin_operator.services.runs.times import timestamp

RETRY_BASE_SECONDS = 10.0  # wait before the second attempt; doubles
RETRY_CAP_SECONDS = 600.0


def at_work(snapshot: JobSnapshot, now: float) -> JobPlan:
    """Decide what is next for a job whose turn it is."""
    if not started(snapshot.body):
        facts = reconciling(Reason.TRAINING, "The training is put on its queue.")
        status = {**common(snapshot, now), "phase": RetrainingJobPhase.TRAINING, "startTime": timestamp(now)}
        return JobPlan({**status, "conditions": merge_conditions(snapshot.body, facts, now)}, again=now)
    outcome = snapshot.training.run.outcome
    if outcome is None:
        return _on_its_way(snapshot, snapshot.training, RetrainingJobPhase.TRAINING, "train", now)
    if not outcome.succeeded:
        return end(
            snapshot, RetrainingJobPhase.FAILED, Reason.TRAINING_FAILED, f"{outcome.reason}: {outcome.message}", now
        )
    return _compare(snapshot, outcome.value, now)


def _compare(snapshot: JobSnapshot, candidate: JSON, now: float) -> JobPlan:
    """Have the candidate compared with the champion, and act on the comparison."""
    outcome = snapshot.validation.run.outcome
    versions = {
        "candidate": {"version": candidate["version"]},
        "champion": {"version": status_of(snapshot).get("champion", {}).get("version") or snapshot.champion},
        "plan": _plan(candidate),
    }
    if outcome is None:
        decision = _on_its_way(snapshot, snapshot.validation, RetrainingJobPhase.VALIDATING, "validate", now)
        return JobPlan({**decision.status, **versions}, decision.publish, decision.stop, again=decision.again)
    if not outcome.succeeded:
        decision = end(
            snapshot, RetrainingJobPhase.FAILED, Reason.TRAINING_FAILED, f"{outcome.reason}: {outcome.message}", now
        )
        return JobPlan({**decision.status, **versions})
    return _judged(snapshot, {**versions, **outcome.value}, now)


def _plan(candidate: JSON) -> JSON:
    """Return what was really trained with, on which bytes and by which spec."""
    digests = {"specDigest": candidate.get("specDigest"), "dataDigest": candidate.get("dataDigest")}
    return {**(candidate.get("plan") or {}), **digests}


def _judged(snapshot: JobSnapshot, result: JSON, now: float) -> JobPlan:
    passed, message = result["gate"]["passed"], result["gate"]["message"]
    version = result["candidate"]["version"]
    if passed:
        promoted = Fact(
            ConditionType.PROMOTED, ConditionStatus.TRUE, Reason.GATE_PASSED, f"Version {version} serves. {message}"
        )
        facts = [*ready(Reason.SUCCEEDED, f"Version {version} was trained and serves."), promoted]
    else:
        promoted = Fact(
            ConditionType.PROMOTED,
            ConditionStatus.FALSE,
            Reason.NOT_BETTER,
            f"Version {version} does not serve. {message}",
        )
        facts = [*ready(Reason.SUCCEEDED, f"Version {version} was trained; the champion goes on to serve."), promoted]
    status = {
        **common(snapshot, now),
        **result,
        "phase": RetrainingJobPhase.COMPLETED,
        "completionTime": timestamp(now),
    }
    status["conditions"] = merge_conditions(snapshot.body, facts, now)
    return JobPlan(status, promote=version if passed else None)


def _on_its_way(snapshot: JobSnapshot, work: Work, phase: RetrainingJobPhase, publish: str, now: float) -> JobPlan:
    """Say where a task is; publish it, again after a failed attempt and its wait."""
    run, limit = work.run, int(snapshot.body["spec"].get("backoffLimit", 2)) + 1
    if run.leased:
        return wait(
            snapshot, phase, Reason(phase), f"Attempt {run.attempts} on {run.worker}.", now, again=deadline_of(snapshot)
        )
    if run.attempts >= limit:
        cause = run.error or "the worker was lost"
        message = f"All {run.attempts} attempts failed; the last one: {cause}."
        return end(snapshot, RetrainingJobPhase.FAILED, Reason.BACKOFF_LIMIT_EXCEEDED, message, now)
    queue = task_queue(model_of(snapshot), publish)
    reason = Reason(phase) if work.served else Reason.NO_WORKERS
    decision = wait(snapshot, phase, reason, queued_message(queue, served=work.served), now)
    if work.published:
        return JobPlan(decision.status, again=deadline_of(snapshot))
    at = _retry_at(run)
    if at > now:
        return JobPlan(decision.status, again=at)
    return JobPlan(decision.status, publish=publish, again=deadline_of(snapshot))


def _retry_at(run: Run) -> float:
    """Return when a task may be published, seconds since the epoch."""
    if run.failed is None:
        return 0.0
    doublings = max(0, run.attempts - 1)
    return run.failed + min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2.0**doublings)
