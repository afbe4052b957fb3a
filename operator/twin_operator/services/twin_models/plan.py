"""TwinModels: what is next for each (train, wait, serve), and its status: a snapshot and a clock in, a plan out."""

from collections.abc import Mapping
from dataclasses import dataclass

from twin_operator.api.v1alpha1 import ObjectMeta
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason, TwinModelPhase
from twin_operator.services.reconciling.objects import needs_training, registered_model, serves
from twin_operator.services.reconciling.status import (
    Fact,
    merge_conditions,
    presentable,
    ready,
    reconciling,
    stalled,
    wire,
)
from twin_operator.services.runs.run import JSON, Outcome, Run, Target, Task, TaskKind
from twin_operator.services.runs.times import timestamp
from twin_operator.services.runs.tracing import trace_of
from twin_operator.services.runs.twin_spec import columns_digest, spec_digest
from twin_operator.services.twin_models.upkeep import Upkeep

KIND = "TwinModel"
ATTEMPTS = 4  # of one training task, before its cause is shown and the data is tried again later
RETRY_CAP_SECONDS = 3600.0  # longest wait before data errors are tried again
MODEL_FIELDS = (
    "specDigest",
    "version",
    "runID",
    "dataDigest",
    "trainedTime",
    "samples",
    "arms",
    "experiments",
    "algorithm",
    "metrics",
)
NOT_GRADED = "No outcome of this version's predictions is known yet: record observed on its Simulations."
MOST_EFFECTS = 32
MOST_EXPERIMENTS = 1000
MOST_METRICS = 64


@dataclass(frozen=True)
class Failure:
    """How often a training failed in a row, and when last (seconds since the epoch)."""

    run: str
    times: int
    last: float


@dataclass(frozen=True)
class ModelSnapshot:
    """A TwinModel and the record of its training run.

    Attributes:
        body: the object.
        run: the record of the run `training_run(body)`.
        published: whether its message is on its way.
        served: whether a WorkerPool with workers serves its queue.
        chosen: what the registry says of a version that is to serve in place of the one that does.
        absent: the pinned version, when the registry has none of that number.
        failures: how often its training failed in a row.
        failed: when it failed last, seconds since the epoch.
        upkeep: what a model that serves needs.
    """

    body: JSON
    run: Run
    published: bool
    served: bool = True
    chosen: JSON | None = None
    absent: str | None = None
    failures: int = 0
    failed: float | None = None
    upkeep: Upkeep | None = None


@dataclass(frozen=True)
class ModelPlan:
    """What to do: a status to write, a task to publish, a moment to look again.

    Attributes:
        status: to be written.
        task: to be published.
        again: when to plan again, seconds since the epoch.
        retry: whether a failed training is due again: its record is dropped, and then it is planned like a new one.
    """

    status: JSON
    task: Task | None = None
    again: float | None = None
    retry: bool = False


def training_run(body: JSON) -> str:
    """Return the identity of the training that a TwinModel's columns ask for.

    Changed data or learner of a model that serves is a retraining, not another first training.
    """
    digest = columns_digest(body["spec"]) if serves(body) else spec_digest(body["spec"])
    return f"{body['metadata']['uid']}-{digest}"


def plan(  # noqa: PLR0911 - a table of cases, first match first
    snapshot: ModelSnapshot, cluster: str, retry_seconds: float, now: float
) -> ModelPlan:
    """Decide what is next for a TwinModel.

    Args:
        snapshot: the object and what is known of its training.
        cluster: uid of this cluster, for the owner tag.
        retry_seconds: first wait before a failed training is tried again; doubles.
        now: seconds since the epoch.
    """
    body, outcome = snapshot.body, snapshot.run.outcome
    if snapshot.absent is not None:
        message = f"{registered_model(body)} has no version {snapshot.absent}; pin another one or remove spec.version."
        return ModelPlan(_without_version(body, "Failed", stalled(Reason.MODEL_NOT_FOUND, message), now))
    if snapshot.chosen is not None:
        return ModelPlan(_serving(body, snapshot.chosen, now))
    if serves(body) and not needs_training(body):
        again = None if snapshot.upkeep is None else snapshot.upkeep.again
        return ModelPlan(_serving(body, None, now, upkeep=snapshot.upkeep), again=again)
    if outcome is not None and outcome.succeeded:
        return ModelPlan(_serving(body, outcome.value, now))
    if body["spec"].get("suspend"):
        message = "Suspended; set spec.suspend to false to train."
        return ModelPlan(
            _without_version(
                body, "Suspended", [Fact(ConditionType.READY, ConditionStatus.FALSE, Reason.SUSPENDED, message)], now
            )
        )
    if outcome is not None:
        return _failed(snapshot, outcome, retry_seconds, now)
    if snapshot.run.leased:
        return ModelPlan(
            _training(body, Reason.TRAINING, f"Attempt {snapshot.run.attempts} on {snapshot.run.worker}.", now)
        )
    if exhausted(snapshot.run):
        cause = snapshot.run.error or "the worker was lost"
        outcome = Outcome(Reason.INTERNAL_ERROR, f"Training failed {ATTEMPTS} times; the last: {cause}.")
        return _failed(snapshot, outcome, retry_seconds, now)
    queue = body["spec"].get("queue", "training")
    if snapshot.served:
        status = _training(body, Reason.WAITING_FOR_WORKER, f"Waits in queue {queue} for a worker.", now)
    else:
        status = _training(
            body, Reason.NO_WORKERS, f"No WorkerPool has workers for queue {queue}; it waits for one.", now
        )
    return ModelPlan(status, None if snapshot.published else training_task(body, cluster))


def exhausted(run: Run) -> bool:
    """Whether every attempt of a training was started and none brought an outcome."""
    return run.outcome is None and not run.leased and run.attempts >= ATTEMPTS


def failure_after(before: Failure | None, run_id: str, run: Run) -> Failure | None:
    """Count a failed training once; `before` is what was known."""
    refused = run.outcome is not None and not run.outcome.succeeded
    last = run.finished or run.failed or run.started
    if last is None or not (refused or exhausted(run)):
        return before
    if before is None or before.run != run_id:
        return Failure(run_id, 1, last)
    return before if before.last == last else Failure(run_id, before.times + 1, last)


def training_task(body: JSON, cluster: str) -> Task:
    """Return the task that trains a TwinModel."""
    meta = body["metadata"]
    run = training_run(body)
    return Task(
        run=run,
        kind=TaskKind.TRAIN,
        queue=body["spec"].get("queue", "training"),
        target=Target(KIND, meta["namespace"], meta["name"], meta["uid"]),
        attempt_limit=ATTEMPTS,
        payload={
            "spec": body["spec"],
            "registeredModel": registered_model(body),
            "owner": f"{cluster}/{meta['namespace']}/{meta['name']}/{meta['uid']}",
            "run": run,
        },
        trace=trace_of(ObjectMeta.model_validate(body["metadata"]), run),
    )


def _failed(snapshot: ModelSnapshot, outcome: Outcome, retry_seconds: float, now: float) -> ModelPlan:
    wait = min(RETRY_CAP_SECONDS, retry_seconds * 2 ** max(0, snapshot.failures - 1))
    again = (snapshot.failed or now) + wait
    message = f"{outcome.message} It is tried again at {timestamp(again)}."
    status = _without_version(snapshot.body, "Failed", stalled(outcome.reason, message), now)
    if now >= again:
        return ModelPlan(status, retry=True)
    return ModelPlan(status, again=again)


def _training(body: JSON, reason: Reason, message: str, now: float) -> JSON:
    if serves(body):
        return _serving(body, None, now, phase="Training")
    return _without_version(body, "Training", reconciling(reason, message), now)


def _without_version(body: JSON, phase: str, facts: list[Fact], now: float) -> JSON:
    if serves(body):
        obstacle = next(fact for fact in facts if fact.type == "Ready")
        retrainable = Fact(ConditionType.RETRAINABLE, ConditionStatus.FALSE, obstacle.reason, obstacle.message)
        return {**_serving(body, None, now, extra=[retrainable])}
    return {**_head(body), "phase": phase, "conditions": merge_conditions(body, facts, now)}


def _serving(
    body: JSON,
    summary: JSON | None,
    now: float,
    *,
    phase: str = "Ready",
    extra: list[Fact] | None = None,
    upkeep: Upkeep | None = None,
) -> JSON:
    """Return the status of a model that answers; `summary` of a version that is new, else what stands stays."""
    before = body.get("status") or {}
    model = before.get("model") if summary is None else _model(summary, now)
    version = (model or {}).get("version")
    facts = ready(Reason.MODEL_SERVING, f"Version {version} of {registered_model(body)} answers Simulations.")
    facts += _care(before, summary, upkeep)
    facts += _warnings(before if summary is None else {}, summary)
    facts += extra or _not_built(body["spec"])
    return {
        **_head(body),
        "phase": _phase(body, phase, upkeep),
        "model": model,
        "effects": before.get("effects") if summary is None else _effects(summary),
        **(_afresh(before, version) if summary is not None else {}),
        **({} if upkeep is None else upkeep.status),
        "conditions": merge_conditions(body, _first_of_each(facts), now),
    }


def _phase(body: JSON, phase: str, upkeep: Upkeep | None) -> str:
    if phase != TwinModelPhase.READY:
        return phase
    if body["spec"].get("suspend"):
        return "Suspended"
    return "Degraded" if upkeep is not None and upkeep.degraded else phase


def _care(before: JSON, summary: JSON | None, upkeep: Upkeep | None) -> list[Fact]:
    """Return what is known of a version's fidelity and retraining; of a new one, nothing yet."""
    if upkeep is not None and upkeep.facts:
        return upkeep.facts
    kept = [c for c in before.get("conditions") or () if c["type"] == ConditionType.FAITHFUL and summary is None]
    facts = [Fact(c["type"], c["status"], c["reason"], c["message"]) for c in kept]
    return facts or [Fact(ConditionType.FAITHFUL, ConditionStatus.UNKNOWN, Reason.NOT_VALIDATED, NOT_GRADED)]


def _afresh(before: JSON, version: str | None) -> JSON:
    """Return what a new version's status forgets of the one before, and that it was before."""
    former = (before.get("model") or {}).get("version")
    if former in {None, version}:
        return {}
    return {"fidelity": None, "data": None, "retraining": {"previousVersion": former}}


def _first_of_each(facts: list[Fact]) -> list[Fact]:
    """Return one fact a type; a later one of the same type is of less weight."""
    return list({fact.type: fact for fact in reversed(facts)}.values())[::-1]


def _head(body: JSON) -> JSON:
    return {
        "observedGeneration": body["metadata"].get("generation", 1),
        "registeredModel": registered_model(body),
        "traceID": trace_of(ObjectMeta.model_validate(body["metadata"])).trace_id,
    }


def _model(summary: JSON, now: float) -> JSON:
    known = {key: summary.get(key) for key in MODEL_FIELDS}
    known["experiments"] = [name for name in summary["experiments"] if name][:MOST_EXPERIMENTS]  # no name: no column
    known["metrics"] = dict(list(summary["metrics"].items())[:MOST_METRICS])
    known["trainedTime"] = summary.get("trainedTime") or timestamp(now)
    return dict(presentable(known))


def _effects(summary: Mapping[str, list[JSON]]) -> list[JSON]:
    return [dict(presentable(wire(effect))) for effect in summary["effects"][:MOST_EFFECTS]]


def _warnings(before: JSON, summary: JSON | None) -> list[Fact]:
    if summary is None:
        kept = [c for c in before.get("conditions") or () if c["type"] in {"AssignmentNotRandom", "DataWarning"}]
        return [Fact(c["type"], c["status"], c["reason"], c["message"]) for c in kept]
    facts = []
    if summary.get("assignmentNotRandom"):
        facts.append(
            Fact(
                ConditionType.ASSIGNMENT_NOT_RANDOM,
                ConditionStatus.TRUE,
                Reason.ASSIGNMENT_NOT_RANDOM,
                summary["assignmentNotRandom"],
            )
        )
    if summary.get("warnings"):
        facts.append(
            Fact(
                ConditionType.DATA_WARNING,
                ConditionStatus.TRUE,
                Reason.DATA_WARNING,
                " ".join(summary["warnings"])[:1000],
            )
        )
    return facts


def _not_built(spec: JSON) -> list[Fact]:
    """Return a condition for each field of the spec that is not supported yet."""
    if spec.get("deletionPolicy") != "Delete":
        return []
    message = "spec.deletionPolicy Delete is not supported yet; the registered model is kept."
    return [Fact(ConditionType.RETRAINABLE, ConditionStatus.FALSE, Reason.NOT_SUPPORTED, message)]
