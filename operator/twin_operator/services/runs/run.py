"""What travels between operator and workers: tasks, outcomes and the record of a run."""

from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Final

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.tracing import RunTrace

JSON = dict[str, Any]


class TaskKind(StrEnum):
    """The kinds of work that a worker does; the value is the suffix of the Celery task's name."""

    SIMULATE = "simulate"
    TRAIN = "train"
    VALIDATE = "validate"
    RETRAIN = "retrain"
    GATE = "gate"


class Stop(StrEnum):
    """Why a run is to stop; what renewing a lease may answer."""

    CANCELLED = "cancelled"
    DELETED = "deleted"
    SUSPENDED = "suspended"


class Event(StrEnum):
    """What a worker reports on the results stream."""

    RECORDED = "recorded"
    ATTEMPT_FAILED = "attempt-failed"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True)
class Target:
    """The object that a run is for."""

    kind: str
    namespace: str
    name: str
    uid: str


UID_LENGTH: Final = 36


def object_of(run: str) -> str:
    """Return the uid of the object that a run is for: a Simulation's run is its uid, others' begin with theirs."""
    return run[:UID_LENGTH]


@dataclass(frozen=True)
class Task:
    """One run of a task: its message holds everything that the worker needs.

    Attributes:
        run: identity of the run; a Simulation's uid, so that one object is one run.
        attempt_limit: how many attempts may start.
        deadline: end of the run's time, seconds since the epoch; None without one.
        payload: what the kind of task needs, as JSON.
        trace: where the run belongs in its trace; travels in the message's headers, not in its body.
    """

    run: str
    kind: TaskKind
    queue: str
    target: Target
    attempt_limit: int
    payload: JSON
    deadline: float | None = None
    priority: int = 5
    trace: RunTrace | None = None

    def to_json(self) -> JSON:
        """Return the task as plain JSON values, without its trace; the payload is the same object, not a copy."""
        content = {name: getattr(self, name) for name in _TASK_FIELDS}
        return {**content, "target": asdict(self.target)}

    @classmethod
    def from_json(cls, value: JSON) -> "Task":
        """Read what `to_json` wrote."""
        return cls(**{**value, "kind": TaskKind(value["kind"]), "target": Target(**value["target"])})


@dataclass(frozen=True)
class TaskMessage:
    """The message of a task that is not a Simulation's: the namespace of its object, its queue, and its bytes."""

    namespace: str
    queue: str
    size: int


_TASK_FIELDS = tuple(each.name for each in fields(Task) if each.name != "trace")


@dataclass(frozen=True)
class Outcome:
    """How a run ended, as the worker recorded it.

    Attributes:
        reason: `Succeeded` or a stable reason of api.md.
        message: one sentence for the user who reads the condition.
        value: the result, as JSON; empty on failure.
    """

    reason: Reason
    message: str
    value: JSON = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: JSON) -> "Outcome":
        """Read an outcome as a worker wrote it; a reason of a newer version that is not known here is an error."""
        try:
            reason = Reason(value["reason"])
        except ValueError:
            return cls(Reason.INTERNAL_ERROR, f"{value['reason']}: {value['message']}")
        return cls(reason, value["message"], value["value"])

    @property
    def succeeded(self) -> bool:
        """Whether the run did what it was asked to."""
        return self.reason is Reason.SUCCEEDED


@dataclass(frozen=True)
class BoundVersion:
    """The version of a twin that a run was published with.

    Attributes:
        run_id: the MLflow run that made the version; None for one that MLflow does not know.
    """

    registered_model: str
    version: str
    run_id: str | None


@dataclass(frozen=True)
class Run:
    """The record of a run in Redis at one moment. Times are seconds since the epoch."""

    attempts: int = 0
    queued: float | None = None
    started: float | None = None
    finished: float | None = None
    worker: str | None = None
    leased: bool = False
    stop: Stop | None = None
    error: str | None = None
    failed: float | None = None
    bound: BoundVersion | None = None
    outcome: Outcome | None = None

    @property
    def begun(self) -> bool:
        """Whether there is a record. It is written before the message: without one there is nothing to stop."""
        return self != Run()


@dataclass(frozen=True)
class Report:
    """One entry of the results stream."""

    entry: str
    event: Event
    run: str
    kind: TaskKind
    target: Target
