"""Conditions of the kinds that are reconciled: `Ready`, and `Reconciling` or `Stalled` only while true."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from twin_operator.api.v1alpha1.conditions import (
    MESSAGE_LIMIT,
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    set_condition,
)
from twin_operator.api.v1alpha1.resource import Resource
from twin_operator.api.v1alpha1.schema import wire_name
from twin_operator.services.runs.run import JSON


@dataclass(frozen=True)
class Fact:
    """One condition without its times: what holds, why, and a sentence."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str


def ready(reason: Reason, message: str) -> list[Fact]:
    """It is as wished."""
    return [Fact(ConditionType.READY, ConditionStatus.TRUE, reason, message)]


def reconciling(reason: Reason, message: str) -> list[Fact]:
    """It is on its way, or waits for something."""
    return [
        Fact(ConditionType.READY, ConditionStatus.FALSE, reason, message),
        Fact(ConditionType.RECONCILING, ConditionStatus.TRUE, reason, message),
    ]


def stalled(reason: Reason, message: str) -> list[Fact]:
    """Only a person's change can mend it."""
    return [
        Fact(ConditionType.READY, ConditionStatus.FALSE, reason, message),
        Fact(ConditionType.STALLED, ConditionStatus.TRUE, reason, message),
    ]


def queued_message(queue: str, *, served: bool) -> str:
    """Return what a task that was not taken yet waits for: its turn, or a WorkerPool with workers for its queue."""
    if served:
        return f"Waits in queue {queue} for a worker."
    return f"No WorkerPool has workers for queue {queue}; it waits for one."


def merge_conditions(body: JSON, facts: Sequence[Fact], now: float) -> list[JSON]:
    """Return the conditions of an object: a transition time is kept while the status is the same."""
    before = [Condition.model_validate(c) for c in (body.get("status") or {}).get("conditions") or ()]
    moment = datetime.fromtimestamp(int(now), UTC)
    generation = body["metadata"].get("generation", 1)
    return [_stamped(before, fact, generation, moment).manifest() for fact in facts]


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


def changes(before: JSON, patch: JSON) -> bool:
    """Whether merging `patch` into `before` gives anything else than `before`."""
    return any(_differs(before.get(key), value) for key, value in patch.items())


def _differs(before: Any, value: Any) -> bool:  # noqa: ANN401 - JSON
    if isinstance(value, dict) and isinstance(before, dict):
        return changes(before, value)
    if isinstance(value, dict):
        return before is not None or any(item is not None for item in value.values()) or not value
    return bool(before != value)


DIGITS = 6  # significant digits of numbers in status (api.md)


def wire(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Give the keys of nested mappings, which are fields of the domain, the names that they have in YAML."""
    if isinstance(value, Mapping):
        return {wire_name(key): wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [wire(item) for item in value]
    return value


def presentable(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Round floats and drop what is absent or not finite, in nested mappings and lists."""
    if isinstance(value, Mapping):
        cleaned = {key: presentable(item) for key, item in value.items()}
        return {key: item for key, item in cleaned.items() if item is not None}
    if isinstance(value, list | tuple):
        return [presentable(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, float):
        return value.value if hasattr(value, "value") else value
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
