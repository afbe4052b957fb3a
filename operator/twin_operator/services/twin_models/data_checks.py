"""Checks of the data of models that serve: does it have rows that the serving version was not trained on?

Each check is a task of a worker; here it is published, and its result becomes `status.data`. Whether new rows start a
retraining is decided in `services.retraining.triggers`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.api.v1alpha1.twin_model_status import DataState, ServingModel
from twin_operator.services.reconciling.active_version import registered_model
from twin_operator.services.reconciling.ports import RunQueue
from twin_operator.services.reconciling.task_publication import TaskPublication
from twin_operator.services.retraining.triggers import DataSeen, Obstacle
from twin_operator.services.runs.run import Outcome, Stop, Target, Task, TaskKind
from twin_operator.services.runs.training_messages import DataCheckPayload, DataUnchanged, KnownData, data_check_result
from twin_operator.services.runs.twin_spec import spec_digest

Key = tuple[str, str]
QUEUE: Final = "validation"
ATTEMPTS: Final = 2  # of one check; the next one comes soon
NOT_CHECKED: Final = Obstacle(
    Reason.DATA_NOT_CHECKED, "The data has not been checked since the spec or the version changed."
)


@dataclass(frozen=True)
class Subject:
    """What a check is about: a result for another spec or another version says nothing."""

    spec_digest: str
    version: str
    run_id: str | None = None

    @classmethod
    def of(cls, model: TwinModel) -> "Subject":
        """Return the present spec and the serving version of a model."""
        serving = serving_model(model)
        return cls(spec_digest(model.spec), serving.version, serving.run_id)

    def is_of(self, data: DataState | None) -> bool:
        """Whether a state was found by this spec and for this version; one for an earlier run is not kept in status."""
        return data is not None and (data.spec_digest, data.model_version) == (self.spec_digest, self.version)


@dataclass
class DataCheck:
    """One check: its run, its subject, when it began, and the newest outcome of this or an earlier check."""

    run: str
    subject: Subject
    begun: float
    finished: bool = False
    outcome: Outcome | None = None


@dataclass
class DataChecks:
    """The checks of all models.

    Args:
        queue: queues and runs.
        tasks: publishes tasks, and knows what is in queues.
        served: whether a WorkerPool with workers serves a queue.
        interval: seconds between two checks of a model's data.
        clock: seconds since the epoch.
    """

    queue: RunQueue
    tasks: TaskPublication
    served: Callable[[str], bool]
    interval: float
    clock: Callable[[], float]
    _checks: dict[Key, DataCheck] = field(default_factory=dict)
    _waiting: dict[Key, DataCheck] = field(default_factory=dict)
    """Checks that are due and wait for a place in their queue."""

    async def observe(self, key: Key, model: TwinModel) -> DataState | None:
        """Begin a check when one is due and workers serve its queue; return `status.data` by the checks so far."""
        subject, check = Subject.of(model), self._checks.get(key)
        if check is not None and not check.finished:
            await self._read(check)
        due = check is None or check.subject != subject or self.clock() >= check.begun + self.interval
        if due and self.served(QUEUE):
            check = await self._begin(key, model, subject)
        return model.status.data if check is None else _state(model, check)

    def seen(self, key: Key, data: DataState | None, model: TwinModel) -> DataSeen | Obstacle:
        """Return what is known of the data by the present spec and version, or why nothing is."""
        check = self._checks.get(key)
        if check is not None and check.outcome is not None and not check.outcome.succeeded:
            return Obstacle(check.outcome.reason, check.outcome.message)
        if data is None or data.digest is None or data.rows is None or not Subject.of(model).is_of(data):
            return NOT_CHECKED
        newest = None if data.newest_row_time is None else data.newest_row_time.timestamp()
        return DataSeen(data.digest, data.rows, data.new_rows or 0, newest)

    def due(self, key: Key) -> float | None:
        """Return when the next check is due, seconds since the epoch; None while it waits for workers or its turn."""
        check = self._checks.get(key)
        waits = check is None or key in self._waiting or not self.served(QUEUE)
        return None if check is None or waits else check.begun + self.interval

    async def forget(self, key: Key) -> None:
        """Drop what is known of a model that was deleted, and stop its check."""
        if (waiting := self._waiting.pop(key, None)) is not None:
            self.tasks.release(waiting.run)
        check = self._checks.pop(key, None)
        if check is not None and not check.finished:
            await self._end(check, Stop.DELETED)

    async def _read(self, check: DataCheck) -> None:
        outcome = (await self.queue.runs([check.run]))[check.run].outcome
        if outcome is not None:
            check.finished, check.outcome = True, outcome
            await self.queue.forget([check.run])
            self.tasks.release(check.run)

    async def _end(self, check: DataCheck, why: Stop) -> None:
        check.finished = True
        await self.queue.stop(check.run, why)
        self.tasks.release(check.run)

    async def _begin(self, key: Key, model: TwinModel, subject: Subject) -> DataCheck | None:
        """Begin a check that is due, or have it wait for its turn; return the latest that was begun."""
        before, check = self._checks.get(key), self._next(key, model, subject)
        published = await self.tasks.has(QUEUE, check.run if before is None else before.run)
        if before is not None and not before.finished:
            if before.subject == subject and published:
                self._checks[key] = replace(before, begun=self.clock())
                return self._checks[key]  # no worker has taken it yet: one message is enough
            await self._end(before, Stop.CANCELLED)
        if before is not None and before.subject == subject:
            check.outcome = before.outcome  # stands until the new check has its own
        task = _task(model, check)
        if not self.tasks.may_publish(task):
            self._waiting[key] = check
            return before
        self._waiting.pop(key, None)
        self._checks[key] = check
        await self.tasks.publish(task)
        return check

    def _next(self, key: Key, model: TwinModel, subject: Subject) -> DataCheck:
        """Return the check that waits for its turn, or a new one."""
        now, waiting = self.clock(), self._waiting.pop(key, None)
        if waiting is not None and waiting.subject == subject:
            return replace(waiting, begun=now)
        if waiting is not None:
            self.tasks.release(waiting.run)
        return DataCheck(f"{model.uid}-look-{subject.version}-{now:.3f}", subject, now)


def serving_model(model: TwinModel) -> ServingModel:
    """Return the version that serves; raise `LookupError` where none does."""
    if model.status.model is None:
        raise LookupError(f"no version of TwinModel {model.namespace}/{model.name} serves")
    return model.status.model


def _state(model: TwinModel, check: DataCheck) -> DataState | None:
    known = model.status.data
    if check.outcome is None or not check.outcome.succeeded:
        return known
    found = data_check_result(check.outcome.value)
    if isinstance(found, DataUnchanged):
        return None if known is None else known.replace(stamp=found.stamp)
    return DataState(
        spec_digest=check.subject.spec_digest,
        model_version=check.subject.version,
        stamp=found.stamp,
        digest=found.digest,
        rows=found.rows,
        new_rows=found.new_rows,
        newest_row_time=found.newest_row_time,
    )


def _task(model: TwinModel, check: DataCheck) -> Task:
    known = model.status.data if check.subject.is_of(model.status.data) else None
    payload = DataCheckPayload(
        spec=model.spec,
        known=None if known is None else KnownData(stamp=known.stamp, digest=known.digest),
        registered_model=registered_model(model),
        version=serving_model(model).version,
        run_id=serving_model(model).run_id,
    )
    return Task(
        run=check.run,
        kind=TaskKind.VALIDATE,
        queue=QUEUE,
        target=Target(model.definition.kind, model.namespace, model.name, model.uid),
        attempt_limit=ATTEMPTS,
        priority=0,
        payload=payload.wire(),
    )
