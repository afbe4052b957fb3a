"""Conditions of the kinds that are reconciled: `Ready`, and `Reconciling` or `Stalled` only while true."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from twin_operator.api.v1alpha1.conditions import (
    CONDITIONS_LIMIT,
    MESSAGE_LIMIT,
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    set_condition,
)
from twin_operator.api.v1alpha1.fields import cut, visible
from twin_operator.api.v1alpha1.resource import Resource
from twin_operator.services.runs.credentials import without_credentials

OWN_TYPES: Final = frozenset(ConditionType)


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


WAITS_FOR_TURN: Final = (
    "Waits for its turn: queue {queue} has as many tasks of namespace {namespace}, or in all, as are published at a "
    "time."
)


def queued_message(queue: str, *, served: bool) -> str:
    """Return what a task that was not taken yet waits for: its turn, or a WorkerPool with workers for its queue."""
    if served:
        return f"Waits in queue {queue} for a worker."
    return f"No WorkerPool has workers for queue {queue}; it waits for one."


def conditions_of(resource: Resource, facts: Sequence[Fact], now: float) -> tuple[Condition, ...]:
    """Return the conditions of an object: a transition time is kept while the status is the same.

    Conditions of types that are not the operator's are kept, at most as many as there is room for.
    """
    moment, before = datetime.fromtimestamp(int(now), UTC), resource.status.conditions
    own = tuple(_stamped(before, fact, resource.metadata.generation, moment) for fact in facts)
    others = [condition for condition in before if condition.type not in OWN_TYPES]
    return (*own, *others[: CONDITIONS_LIMIT - len(own)])


def _stamped(before: Sequence[Condition], fact: Fact, generation: int, moment: datetime) -> Condition:
    new = Condition(
        type=fact.type,
        status=fact.status,
        reason=fact.reason,
        message=cut(visible(without_credentials(fact.message)), MESSAGE_LIMIT),
        observed_generation=generation,
    )
    return next(c for c in set_condition(before, new, moment) if c.type == fact.type)
