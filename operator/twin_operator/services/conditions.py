"""Conditions of the kinds that are reconciled: `Ready`, and `Reconciling` or `Stalled` only while true."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from twin_operator.api.v1alpha1.conditions import MESSAGE_LIMIT, Condition, ConditionStatus, set_condition
from twin_operator.services.tasks import JSON


@dataclass(frozen=True)
class Fact:
    """One condition without its times: what holds, why, and a sentence."""

    type: str
    status: str
    reason: str
    message: str


def timestamp(moment: float | None) -> str | None:
    """Return seconds since the epoch as RFC 3339, UTC, whole seconds."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ready(reason: str, message: str) -> list[Fact]:
    """It is as wished."""
    return [Fact("Ready", "True", reason, message)]


def reconciling(reason: str, message: str) -> list[Fact]:
    """It is on its way, or waits for something."""
    return [Fact("Ready", "False", reason, message), Fact("Reconciling", "True", reason, message)]


def stalled(reason: str, message: str) -> list[Fact]:
    """Only a person's change can mend it."""
    return [Fact("Ready", "False", reason, message), Fact("Stalled", "True", reason, message)]


def merge_conditions(body: JSON, facts: Sequence[Fact], now: float) -> list[JSON]:
    """Return the conditions of an object: a transition time is kept while the status is the same."""
    before = [Condition.model_validate(c) for c in (body.get("status") or {}).get("conditions") or ()]
    moment = datetime.fromtimestamp(int(now), UTC)
    generation = body["metadata"].get("generation", 1)
    return [_stamped(before, fact, generation, moment).manifest() for fact in facts]


def _stamped(before: Sequence[Condition], fact: Fact, generation: int, moment: datetime) -> Condition:
    new = Condition(
        type=fact.type,
        status=ConditionStatus(fact.status),
        reason=fact.reason,
        message=fact.message[:MESSAGE_LIMIT],
        observed_generation=generation,
    )
    return next(c for c in set_condition(before, new, moment) if c.type == fact.type)
