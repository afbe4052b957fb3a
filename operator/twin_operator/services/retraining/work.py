"""The tasks of a RetrainingJob that may run: train a candidate, compare it with the champion, promote it or not."""

from dataclasses import replace
from typing import Final

from twin_operator.api.v1alpha1 import RetrainingJobStatus
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason, RetrainingJobPhase
from twin_operator.api.v1alpha1.fields import Identifier, ModelVersion
from twin_operator.api.v1alpha1.retraining_job import Contender, GateResult, TrainingPlan
from twin_operator.api.v1alpha1.schema import ApiModel
from twin_operator.services.reconciling.queue import exponential_backoff
from twin_operator.services.reconciling.status import (
    WAITS_FOR_TURN,
    Fact,
    conditions_of,
    queued_message,
    ready,
    reconciling,
)
from twin_operator.services.retraining.state import (
    JobPlan,
    JobSnapshot,
    Step,
    Work,
    base_status,
    deadline_of,
    end,
    model_of,
    started,
    task_queue,
    wait,
)
from twin_operator.services.runs.run import Outcome, Run
from twin_operator.services.runs.times import moment
from twin_operator.services.runs.training_messages import Comparison

RETRY_BASE_SECONDS: Final = 10.0  # wait before the second attempt; doubles
RETRY_CAP_SECONDS: Final = 600.0


class TrainedCandidate(ApiModel):
    """What a worker returns for a training: the candidate, how it was trained, on which bytes and by which spec."""

    version: ModelVersion
    plan: TrainingPlan | None = None
    spec_digest: Identifier | None = None
    data_digest: Identifier | None = None


def plan_tasks(snapshot: JobSnapshot, now: float) -> JobPlan:
    """Decide what is next for a job that may run."""
    if not started(snapshot.job):
        return _start(snapshot, now)
    outcome = snapshot.training.run.outcome
    if outcome is None:
        return _unfinished(snapshot, snapshot.training, RetrainingJobPhase.TRAINING, "train", now)
    if not outcome.succeeded:
        return _failed(snapshot, outcome, now)
    return _compare(snapshot, TrainedCandidate.model_validate(outcome.value), now)


def _start(snapshot: JobSnapshot, now: float) -> JobPlan:
    facts = reconciling(Reason.TRAINING, "The training is put on its queue.")
    status = base_status(snapshot, now).replace(
        phase=RetrainingJobPhase.TRAINING,
        start_time=moment(now),
        conditions=conditions_of(snapshot.job, facts, now),
    )
    return JobPlan(status, again=now)


def _failed(snapshot: JobSnapshot, outcome: Outcome, now: float) -> JobPlan:
    message = f"{outcome.reason}: {outcome.message}"
    return end(snapshot, RetrainingJobPhase.FAILED, Reason.TRAINING_FAILED, message, now)


def _compare(snapshot: JobSnapshot, candidate: TrainedCandidate, now: float) -> JobPlan:
    """Compare the candidate with the champion, and decide by the comparison."""
    outcome = snapshot.validation.run.outcome
    if outcome is None:
        decision = _unfinished(snapshot, snapshot.validation, RetrainingJobPhase.VALIDATING, "validate", now)
    elif not outcome.succeeded:
        decision = _failed(snapshot, outcome, now)
    else:
        return _decided(snapshot, candidate, Comparison.model_validate(outcome.value), now)
    return replace(decision, status=_with_versions(decision.status, snapshot, candidate))


def _with_versions(
    status: RetrainingJobStatus, snapshot: JobSnapshot, candidate: TrainedCandidate
) -> RetrainingJobStatus:
    """Return a status that says which versions are compared, and what the candidate was really trained with."""
    seen = snapshot.job.status.champion
    champion = (seen and seen.version) or snapshot.champion
    plan = (candidate.plan or TrainingPlan()).replace(
        spec_digest=candidate.spec_digest, data_digest=candidate.data_digest
    )
    return status.replace(
        candidate=Contender(version=candidate.version), champion=Contender(version=champion), plan=plan
    )


def _decided(snapshot: JobSnapshot, candidate: TrainedCandidate, result: Comparison, now: float) -> JobPlan:
    """Write the result of the comparison; a candidate that passed is promoted when that is written."""
    status = _with_versions(base_status(snapshot, now), snapshot, candidate)
    status = status.replace(candidate=result.candidate, champion=result.champion or status.champion, gate=result.gate)
    if not result.gate.passed:
        return _completed(snapshot, status, now)
    facts = reconciling(Reason.VALIDATING, f"Version {result.candidate.version} passed the comparison; it is promoted.")
    conditions = conditions_of(snapshot.job, facts, now)
    return JobPlan(status.replace(phase=RetrainingJobPhase.VALIDATING, conditions=conditions), again=now)


def complete(snapshot: JobSnapshot, now: float) -> JobPlan:
    """Promote the candidate of a job whose status says that it passed."""
    status = base_status(snapshot, now)
    return replace(_completed(snapshot, status, now), promote=_candidate_of(status))


def _completed(snapshot: JobSnapshot, status: RetrainingJobStatus, now: float) -> JobPlan:
    facts = _facts(_candidate_of(status), status.gate or GateResult())
    conditions = conditions_of(snapshot.job, facts, now)
    phase = RetrainingJobPhase.COMPLETED
    return JobPlan(status.replace(phase=phase, completion_time=moment(now), conditions=conditions))


def _candidate_of(status: RetrainingJobStatus) -> str | None:
    return None if status.candidate is None else status.candidate.version


def _facts(version: str | None, gate: GateResult) -> list[Fact]:
    if gate.passed:
        summary = f"Version {version} was trained and serves."
        message = f"Version {version} serves. {gate.message}"
        promoted = Fact(ConditionType.PROMOTED, ConditionStatus.TRUE, Reason.GATE_PASSED, message)
    else:
        summary = f"Version {version} was trained; the champion does not change."
        message = f"Version {version} does not serve. {gate.message}"
        promoted = Fact(ConditionType.PROMOTED, ConditionStatus.FALSE, Reason.NOT_BETTER, message)
    return [*ready(Reason.SUCCEEDED, summary), promoted]


def _unfinished(snapshot: JobSnapshot, work: Work, phase: RetrainingJobPhase, step: Step, now: float) -> JobPlan:
    """Report the progress of a task; publish it, again after a failed attempt and its wait."""
    run = work.run
    if run.leased:
        message = f"Attempt {run.attempts} on {run.worker}."
        return wait(snapshot, phase, Reason(phase), message, now, again=deadline_of(snapshot))
    if run.attempts > snapshot.job.spec.backoff_limit:
        cause = run.error or "the worker was lost"
        message = f"All {run.attempts} attempts failed; the last one: {cause}."
        return end(snapshot, RetrainingJobPhase.FAILED, Reason.BACKOFF_LIMIT_EXCEEDED, message, now)
    if not work.published and snapshot.incomplete is not None:
        reason, message = snapshot.incomplete.reason, snapshot.incomplete.message
        return wait(snapshot, phase, reason, message, now, again=deadline_of(snapshot))
    decision = _queued(snapshot, work, phase, step, now)
    at = _retry_at(run)
    if not work.published and at > now:
        return replace(decision, again=at)
    publish = step if work.served and work.turn and not work.published else None
    return replace(decision, publish=publish, again=deadline_of(snapshot))


def _queued(snapshot: JobSnapshot, work: Work, phase: RetrainingJobPhase, step: Step, now: float) -> JobPlan:
    queue = task_queue(model_of(snapshot), step)
    if not work.turn:
        message = WAITS_FOR_TURN.format(queue=queue, namespace=snapshot.job.namespace)
        return wait(snapshot, phase, Reason.WAITING_FOR_TURN, message, now)
    reason = Reason(phase) if work.served else Reason.NO_WORKERS
    message = queued_message(queue, served=work.served)
    return wait(snapshot, phase, reason, message, now)


def _retry_at(run: Run) -> float:
    """Return when a task may be published, seconds since the epoch."""
    if run.failed is None:
        return 0.0
    return run.failed + exponential_backoff(run.attempts, RETRY_BASE_SECONDS, RETRY_CAP_SECONDS)
