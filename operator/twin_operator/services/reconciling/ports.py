"""What the operator's use cases need of the world; adapters fulfil these."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.api.v1alpha1.resource import Resource
from twin_operator.services.runs.run import BoundVersion, Report, Run, Stop, Target, Task, TaskMessage
from twin_operator.services.runs.training_messages import TrainedVersion


class RunQueue(Protocol):
    """Queues, runs and results."""

    async def publish(self, tasks: Collection[Task]) -> None:
        """Put tasks into their queues."""
        ...

    async def mark_queued(self, queued: Mapping[str, float]) -> None:
        """Write the time of queueing (seconds since the epoch) of runs that have none."""
        ...

    async def bind(self, bound: Mapping[str, BoundVersion], queued: float) -> None:
        """Write which version answers each run, and the time of queueing (seconds since the epoch) of those without."""
        ...

    async def runs(self, ids: Iterable[str]) -> dict[str, Run]:
        """Read records; an unknown run is an empty one."""
        ...

    async def stop(self, run: str, why: Stop) -> None:
        """End a run and refuse its claims, for longer than a message of it can exist."""
        ...

    async def resume(self, run: str) -> None:
        """Allow claims again."""
        ...

    async def withdraw(self) -> None:
        """Wait until runs are stopped; remove their messages, but for those that a worker has taken."""
        ...

    async def forget(self, runs: Collection[str]) -> None:
        """Drop records; claims of these runs are refused until `resume`."""
        ...

    async def drop(self, run: str) -> None:
        """Drop the record of a run that never had a message."""
        ...

    async def waiting(self, queues: Collection[str]) -> set[str]:
        """Return the runs whose message is in a queue or unacknowledged."""
        ...

    async def task_messages(self, queue: str) -> dict[str, TaskMessage]:
        """Return what is in a queue, or unacknowledged in any, by run; but for the messages of Simulations."""
        ...

    async def targets(self, followed: Collection[str]) -> dict[str, Target]:
        """Return the objects of runs with a message in any queue or unacknowledged, but for uids that are followed."""
        ...

    async def depths(self, queues: Collection[str]) -> dict[str, int]:
        """Return the length of each queue."""
        ...

    async def reports(self, *, pending: bool, block_ms: int = 1000, count: int = 200) -> list[Report]:
        """Read what workers reported."""
        ...

    async def acknowledge(self, entries: Collection[str]) -> None:
        """Drop reports that were acted on."""
        ...


class Gone(Exception):  # noqa: N818 - a fact about an object
    """The object is not there any more, or another one has its name."""


class Changed(Exception):  # noqa: N818 - a fact about an object
    """The object was changed since it was seen."""


class Unreadable(Exception):  # noqa: N818 - a fact about an object
    """An object that the models of this release do not accept: the message names it and the field.

    One such object stops no other: it is logged, and gets an Event, until it is changed or deleted.
    """


class Refused(Exception):  # noqa: N818 - a fact about a write
    """The API server will never take this write."""


@dataclass(frozen=True)
class FinishedObject:
    """An object that has ended: its identity, when it ended (RFC 3339) and its TTL (seconds), where it has one."""

    namespace: str
    name: str
    uid: str
    completed: str
    ttl: int | None


@dataclass(frozen=True)
class GradedObject:
    """A graded Simulation: its identity, the name of its TwinModel, and when it was answered (RFC 3339)."""

    namespace: str
    name: str
    uid: str
    model: str
    completed: str


@dataclass(frozen=True)
class Event:
    """Something worth knowing about an object, for `kubectl describe`.

    Attributes:
        regarding: the object.
        reason: a stable word.
        message: a sentence.
        warning: whether it is of type Warning, not Normal.
        occasion: distinguishes two Events of the same reason; one Event is emitted for the same occasion.
    """

    regarding: Resource
    reason: str
    message: str
    warning: bool = False
    occasion: str = ""


R = TypeVar("R", bound=Resource)
WRITE_ATTEMPTS: Final = 5  # of a status that others change at the same time


class Resources(Protocol):
    """The custom resources."""

    async def read(self, kind: type[R], namespace: str, name: str) -> R:
        """Return an object; raise `Gone`."""
        ...

    async def update_status(self, seen: R, changed: R) -> R:
        """Write the status of `changed` where it differs from the status that was seen; return the object as it is now.

        Fields that this version does not know stay as they are.

        Raises:
            Gone: it is not there any more.
            Changed: it was changed since it was seen.
            Refused: the schema does not take this status.
        """
        ...

    async def delete(self, kind: type[Resource], namespace: str, name: str, uid: str) -> None:
        """Delete an object if it still is this one."""
        ...

    async def create(self, resource: R) -> R:
        """Create an object; raise `Changed` where its name is taken, or `Refused`."""
        ...

    async def of_model(self, kind: type[R], namespace: str, model: str) -> list[R]:
        """Return the objects whose `spec.modelRef.name` is `model`."""
        ...

    def finished(self, kind: type[Resource]) -> AsyncIterator[FinishedObject]:
        """Yield what has ended, without its content."""
        ...

    def graded(self) -> AsyncIterator[GradedObject]:
        """Yield the Simulations that are graded, without their content."""
        ...

    def graded_simulations(self) -> AsyncIterator[Simulation]:
        """Yield the Simulations that are graded; a page of them is in memory at a time."""
        ...

    async def follow(self, kind: type[R], selector: str, seen: Callable[[R], None]) -> None:
        """Call `seen` with each object that a field selector matches, now and later; run until cancelled."""
        ...

    async def emit(self, event: Event) -> None:
        """Create an Event; creating it again changes nothing, and one that cannot be created is logged."""
        ...


async def write_status(resources: Resources, seen: R, decide: Callable[[R], R | None]) -> R | None:
    """Write the status of `decide(seen)`; return the object as it is then, None where the status need not change.

    Args:
        resources: the API server.
        seen: the object as it was seen.
        decide: returns the object with the status that it is to have; None where it needs none any more.

    Raises:
        Gone: the object is not there any more, or another one has its name.
        Changed: it was changed during each of the attempts.
        Refused: the schema does not take the status.
    """
    for attempt in range(1, WRITE_ATTEMPTS + 1):
        changed = decide(seen)
        if changed is None:
            return None
        try:
            return await resources.update_status(seen, changed)
        except Changed:
            if attempt == WRITE_ATTEMPTS:
                raise
            seen = await read_again(resources, seen)
    raise AssertionError("the last attempt returns or raises")


async def read_again(resources: Resources, seen: R) -> R:
    """Return an object as it is now; raise `Gone` where it is not there any more, or another one has its name."""
    now = await resources.read(type(seen), seen.namespace, seen.name)
    if now.uid != seen.uid:
        raise Gone(f"{seen.namespace}/{seen.name} is another object now")
    return now


@dataclass(frozen=True)
class RollBack:
    """A user's request to make an earlier version the champion again."""

    leave: str
    take: str
    reason: str
    by: str


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model: its tags, and the version that is active unless another is pinned."""

    tags: Mapping[str, str]
    champion: str | None


@dataclass(frozen=True)
class RegisteredVersion:
    """A version: its tags, and the MLflow run that made it, where MLflow knows that."""

    tags: Mapping[str, str]
    run_id: str | None


class Versions(Protocol):
    """The model registry."""

    async def registered_model(self, name: str) -> RegisteredModel | None:
        """Return a registered model; None where there is none of this name. Raise `ConnectionError`."""
        ...

    async def claim(self, name: str, owner: str) -> RegisteredModel | None:
        """Tag a registered model for an owner where `ownership` lets it; return the registered model as it is then.

        Of two that claim it at the same time, the one whose tag stands has it. None where there is no such model.

        Raises:
            ConnectionError: the registry does not answer.
        """
        ...

    async def version(self, registered_model: str, version: str) -> RegisteredVersion | None:
        """Return a version without its summary; None where there is no such version. Raise `ConnectionError`."""
        ...

    async def summary(self, registered_model: str, version: str) -> TrainedVersion:
        """Return what training kept next to the bank.

        Raises:
            LookupError: there is no such version.
            ConnectionError: the registry does not answer.
        """
        ...

    async def champion(self, registered_model: str) -> str | None:
        """Return the version that is active unless another is pinned; raise `ConnectionError`."""
        ...

    async def promote(self, registered_model: str, version: str, tags: Mapping[str, str]) -> None:
        """Make a version the champion; repeating it changes nothing. Raise `ConnectionError`."""
        ...

    async def roll_back(self, registered_model: str, request: RollBack) -> bool:
        """Make an earlier version the champion again; return whether it is now.

        Raises:
            ConnectionError: the registry does not answer.
        """
        ...
