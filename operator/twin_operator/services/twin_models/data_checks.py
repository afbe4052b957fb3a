"""Looks at a model's data from time to time, by a task: are there rows that the serving version was not trained on?"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from twin_operator.api.v1alpha1 import TwinModel, TwinModelSpec
from twin_operator.services.reconciling.ports import RunQueue
from twin_operator.services.retraining.triggers import NOT_CHECKED, DataSeen, Obstacle
from twin_operator.services.runs.messages import DataCheckPayload, KnownData
from twin_operator.services.runs.run import JSON, Outcome, Stop, Target, Task, TaskKind
from twin_operator.services.runs.times import seconds
from twin_operator.services.runs.twin_spec import spec_digest
from twin_operator.services.versions.active import registered_model

Key = tuple[str, str]
QUEUE = "validation"
ATTEMPTS = 2  # of one look; the next one comes soon
FIELDS = ("specDigest", "modelVersion", "stamp", "digest", "rows", "newRows", "newestRowTime")
FIRST_LOOK = Obstacle(NOT_CHECKED, "The data has not been looked at since the spec or the version changed.")


@dataclass
class Look:
    """One look: its run, what it is about, when it began, and the newest outcome of this or an earlier look."""

    run: str
    about: tuple[str, str]
    begun: float
    answered: bool = False
    outcome: Outcome | None = None


@dataclass
class DataWatch:
    """The looks of all models.

    Args:
        queue: queues and runs.
        interval: seconds between two looks.
        clock: seconds since the epoch.
    """

    queue: RunQueue
    interval: float
    clock: Callable[[], float]
    _looks: dict[Key, Look] = field(default_factory=dict)

    async def observe(self, key: Key, body: JSON) -> JSON | None:
        """Begin a look when one is due; return `status.data` as the looks so far have it."""
        about = _about(body)
        look = self._looks.get(key)
        if look is not None and not look.answered:
            await self._read(look)
        if look is None or look.about != about or self.clock() >= look.begun + self.interval:
            look = self._looks[key] = await self._begin(body, about, look)
        return _state(body, look)

    def seen(self, key: Key, state: JSON | None, body: JSON) -> DataSeen | Obstacle:
        """Return what is known of the data by today's spec and version, or why nothing is."""
        look = self._looks.get(key)
        if look is not None and look.outcome is not None and not look.outcome.succeeded:
            return Obstacle(look.outcome.reason, look.outcome.message)
        if state is None or (state.get("specDigest"), state.get("modelVersion")) != _about(body):
            return FIRST_LOOK
        return DataSeen(state["digest"], state["rows"], state.get("newRows") or 0, seconds(state.get("newestRowTime")))

    def due(self, key: Key) -> float | None:
        """Return when the next look is due, seconds since the epoch."""
        look = self._looks.get(key)
        return None if look is None else look.begun + self.interval

    def forget(self, key: Key) -> None:
        """Drop what is known of a model that is gone."""
        self._looks.pop(key, None)

    async def _read(self, look: Look) -> None:
        outcome = (await self.queue.runs([look.run]))[look.run].outcome
        if outcome is not None:
            look.answered, look.outcome = True, outcome
            await self.queue.forget([look.run])

    async def _begin(self, body: JSON, about: tuple[str, str], before: Look | None) -> Look:
        now = self.clock()
        same = before is not None and before.about == about
        if before is not None and not before.answered:
            if same and before.run in await self.queue.waiting([QUEUE]):
                return replace(before, begun=now)  # no worker has taken it yet: one message is enough
            await self.queue.stop(before.run, Stop.CANCELLED)
        look = Look(f"{body['metadata']['uid']}-look-{about[1]}-{now:.3f}", about, now)
        if before is not None and same:
            look.outcome = before.outcome  # stands until the new look has its own
        await self.queue.publish([_task(body, look)])
        return look


def _about(body: JSON) -> tuple[str, str]:
    return spec_digest(TwinModelSpec.model_validate(body["spec"])), body["status"]["model"]["version"]


def _state(body: JSON, look: Look) -> JSON | None:
    known: JSON | None = (body.get("status") or {}).get("data")
    if look.outcome is None or not look.outcome.succeeded:
        return known
    value = look.outcome.value
    if value.get("unchanged"):
        return None if known is None else {**known, "stamp": value.get("stamp")}
    found = {"specDigest": look.about[0], "modelVersion": look.about[1], **value}
    return {name: found.get(name) for name in FIELDS}


def _task(body: JSON, look: Look) -> Task:
    meta, state = body["metadata"], (body.get("status") or {}).get("data") or {}
    same = (state.get("specDigest"), state.get("modelVersion")) == look.about
    model = TwinModel.model_validate(body)
    payload = DataCheckPayload(
        spec=model.spec,
        known=KnownData(stamp=state.get("stamp"), digest=state.get("digest")) if same else None,
        registered_model=registered_model(model),
        version=body["status"]["model"]["version"],
    )
    return Task(
        run=look.run,
        kind=TaskKind.VALIDATE,
        queue=QUEUE,
        target=Target("TwinModel", meta["namespace"], meta["name"], meta["uid"]),
        attempt_limit=ATTEMPTS,
        priority=0,
        payload=payload.wire(),
    )
