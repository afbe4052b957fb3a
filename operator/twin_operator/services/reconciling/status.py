"""Conditions (`Ready`, and `Reconciling` or `Stalled` only while true), and the optimistic write of a status."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from twin_operator.api.v1alpha1.conditions import (
    MESSAGE_LIMIT,
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    set_condition,
)
from twin_operator.api.v1alpha1.resource import Resource
from twin_operator.services.reconciling.ports import Changed, Gone, Resources

R = TypeVar("R", bound=Resource)
WRITE_ATTEMPTS: Final = 5  # of a status that others change at the same time


@dataclass(frozen=True)
class Fact:
    """One condition without its times: what holds, why, and a sentence."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str


def ready(reason: Reason, message: str) -> list[Fact]:
    """Return the condition of an object whose status matches its spec."""
    return [Fact(ConditionType.READY, ConditionStatus.TRUE, reason, message)]


def reconciling(reason: Reason, message: str) -> list[Fact]:
    """Return the conditions of an object that is worked on, or waits for something."""
    return [
        Fact(ConditionType.READY, ConditionStatus.FALSE, reason, message),
        Fact(ConditionType.RECONCILING, ConditionStatus.TRUE, reason, message),
    ]


def stalled(reason: Reason, message: str) -> list[Fact]:
    """Return the conditions of an object that stays as it is until a user changes it."""
    return [
        Fact(ConditionType.READY, ConditionStatus.FALSE, reason, message),
        Fact(ConditionType.STALLED, ConditionStatus.TRUE, reason, message),
    ]


def queued_message(queue: str, *, served: bool) -> str:
    """Return what a task that was not taken yet waits for: its turn, or a WorkerPool with workers for its queue."""
    if served:
        return f"Waits in queue {queue} for a worker."
    return f"No WorkerPool has workers for queue {queue}; it waits for one."


def conditions_of(resource: Resource, facts: Sequence[Fact], now: float) -> tuple[Condition, ...]:
    """Return the conditions of an object: a transition time is kept while the status is the same."""
    moment = datetime.fromtimestamp(int(now), UTC)
    return tuple(_stamped(resource.status.conditions, fact, resource.metadata.generation, moment) for fact in facts)


def _stamped(before: Sequence[Condition], fact: Fact, generation: int, moment: datetime) -> Condition:
    new = Condition(
        type=fact.type,
        status=fact.status,
        reason=fact.reason,
        message=fact.message[:MESSAGE_LIMIT],
        observed_generation=generation,
    )
    return next(c for c in set_condition(before, new, moment) if c.type == fact.type)


async def write_status(resources: Resources, seen: R, decide: Callable[[R], R | None]) -> R | None:
    """Write the status of `decide(seen)`; return the object as it is then, None where there is nothing to write.

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
