"""What is to be done with a Simulation: one pure function of the object, its run's record, its model and the clock."""

from dataclasses import dataclass

from twin_operator.api.v1alpha1 import Simulation, SimulationSpec
from twin_operator.api.v1alpha1.conditions import Reason, SimulationPhase
from twin_operator.api.v1alpha1.not_built import NOT_BUILT, not_built
from twin_operator.domain.errors import DomainError
from twin_operator.domain.table.columns import Uncertainty
from twin_operator.domain.twin import TauWeights
from twin_operator.services.reconciling.queue import exponential_backoff
from twin_operator.services.reconciling.status import queued_message
from twin_operator.services.reconciling.window import Candidate
from twin_operator.services.runs.run import Outcome, Run, Target, Task, TaskKind
from twin_operator.services.runs.simulation_messages import SimulationPayload, TauWeightsOnTheWire
from twin_operator.services.runs.tracing import trace_of
from twin_operator.services.versions import Refusal, Version, Waiting

RETRY_BASE_SECONDS = 1.0  # wait before the second attempt; doubles
RETRY_CAP_SECONDS = 60.0  # longest wait between attempts
MESSAGE_BYTES = 2048  # of a message without the values that select its population: envelope, signature, tau weights
SEPARATOR_BYTES = 3  # of a value in JSON: quotes and a comma


@dataclass(frozen=True)
class Enqueue:
    """Its task is to be published, not before `at` (seconds since the epoch)."""

    version: Version
    at: float


@dataclass(frozen=True)
class Finish:
    """It is over."""

    outcome: Outcome


@dataclass(frozen=True)
class Running:
    """Its task is on its way."""

    phase: SimulationPhase
    reason: Reason
    message: str


Decision = Waiting | Enqueue | Finish | Running


def decide(  # noqa: PLR0911 - a table of cases, first match first
    simulation: Simulation, run: Run, model: "Version | Waiting | Refusal", *, published: bool, served: bool, now: float
) -> Decision:
    """Decide what is next for an unfinished Simulation.

    Args:
        simulation: the object.
        run: the record of its run.
        model: the version that answers, why there is none yet, or why there never will be.
        published: whether its message is known to be on its way.
        served: whether a WorkerPool with workers serves its queue.
        now: seconds since the epoch.
    """
    if run.outcome is not None:
        return Finish(run.outcome)
    unbuilt = next(not_built(simulation), None)
    if unbuilt is not None:
        purpose = NOT_BUILT[simulation.kind][unbuilt]
        return Finish(Outcome(Reason.NOT_SUPPORTED, f"{unbuilt} ({purpose}) is not supported yet; remove it."))
    if simulation.spec.suspend:
        return Waiting(SimulationPhase.SUSPENDED, Reason.SUSPENDED, "Suspended; set spec.suspend to false to resume.")
    if expired(simulation, run, now):
        limit = simulation.spec.active_deadline_seconds
        return Finish(Outcome(Reason.DEADLINE_EXCEEDED, f"Not done within {limit} seconds of being queued."))
    if run.leased:
        return Running(SimulationPhase.RUNNING, Reason.RUNNING, f"Attempt {run.attempts} runs on {run.worker}.")
    if run.attempts >= attempt_limit(simulation.spec):
        cause = run.error or "the worker was lost"
        return Finish(
            Outcome(Reason.BACKOFF_LIMIT_EXCEEDED, f"All {run.attempts} attempts failed; the last one: {cause}.")
        )
    if isinstance(model, Refusal):
        return Finish(model.outcome)
    if isinstance(model, Waiting):
        return model
    if published:
        return queued(simulation.spec.task_queue, served=served)
    return _enqueue(simulation, run, model, served=served, now=now)


def expired(simulation: Simulation, run: Run, now: float) -> bool:
    """Whether the deadline, counted from queuedTime, is over."""
    deadline = deadline_of(simulation, run)
    return deadline is not None and now >= deadline


def deadline_of(simulation: Simulation, run: Run) -> float | None:
    """Return when the deadline is, seconds since the epoch."""
    seconds = simulation.spec.active_deadline_seconds
    return None if seconds is None or run.queued is None else run.queued + seconds


def attempt_limit(spec: SimulationSpec) -> int:
    """Return how many attempts may start."""
    return spec.backoff_limit + 1


def queued(queue: str, *, served: bool) -> Running:
    """Return the decision about a Simulation that waits for a worker of its queue, or for workers of it."""
    reason = Reason.QUEUED if served else Reason.NO_WORKERS
    return Running(SimulationPhase.QUEUED, reason, queued_message(queue, served=served))


def _enqueue(
    simulation: Simulation, run: Run, version: Version, *, served: bool, now: float
) -> Enqueue | Finish | Running:
    try:
        version.contrast(simulation.spec.intervention.arm, simulation.spec.intervention.against)
    except Refusal as refusal:
        return Finish(refusal.outcome)
    except DomainError as error:
        return Finish(Outcome(Reason(error.reason), str(error)))
    if not served:
        return queued(simulation.spec.task_queue, served=False)
    if run.failed is None:
        return Enqueue(version, now)
    return Enqueue(version, run.failed + exponential_backoff(run.attempts, RETRY_BASE_SECONDS, RETRY_CAP_SECONDS))


def is_version_gone(run: Run) -> bool:
    """Whether a worker did not find the version that a run was bound to."""
    return run.outcome is not None and run.outcome.reason is Reason.MODEL_NOT_FOUND


def model_of(simulation: Simulation) -> tuple[str, str]:
    """Return namespace and name of the TwinModel that a Simulation asks."""
    return simulation.namespace, simulation.spec.model_ref.name


def candidate_of(simulation: Simulation) -> Candidate:
    """Return the candidate for a place in its queue that a Simulation is."""
    spec = simulation.spec
    return Candidate(simulation.uid, simulation.namespace, spec.task_queue, spec.priority, message_size(simulation))


def message_size(simulation: Simulation) -> int:
    """Return about how many bytes the message of a Simulation has."""
    clauses = simulation.spec.population.where
    return MESSAGE_BYTES + sum(len(value) + SEPARATOR_BYTES for clause in clauses for value in clause.values)


def simulation_payload(
    simulation: Simulation, version: Version, uncertainty: Uncertainty, weights: TauWeights
) -> SimulationPayload:
    """Return what a worker needs to answer a Simulation."""
    return SimulationPayload(
        spec=simulation.spec,
        registered_model=version.registered_model,
        version=version.version,
        run_id=version.run_id,
        uncertainty=uncertainty,
        weights=TauWeightsOnTheWire.of(weights),
    )


def simulation_task(simulation: Simulation, payload: SimulationPayload, deadline: float | None) -> Task:
    """Return the task that answers a Simulation; `deadline` in seconds since the epoch."""
    return Task(
        run=simulation.uid,
        kind=TaskKind.SIMULATE,
        queue=simulation.spec.task_queue,
        target=Target(simulation.kind, simulation.namespace, simulation.name, simulation.uid),
        attempt_limit=attempt_limit(simulation.spec),
        deadline=deadline,
        priority=simulation.spec.priority,
        trace=trace_of(simulation.metadata),
        payload=payload.wire(),
    )
