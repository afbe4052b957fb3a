"""How conditions change."""

from datetime import UTC, datetime

import pytest

from twin_operator.api.v1alpha1.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    RetrainingJobPhase,
    SimulationPhase,
    set_condition,
)
from twin_operator.domain import errors

BEFORE = datetime(2026, 5, 1, tzinfo=UTC)
NOW = datetime(2026, 5, 2, tzinfo=UTC)


def ready(status: ConditionStatus, reason: Reason, time: datetime | None = None) -> Condition:
    return Condition(type=ConditionType.READY, status=status, reason=reason, message="", last_transition_time=time)


WAITING = ready(ConditionStatus.FALSE, Reason.MODEL_NOT_READY, BEFORE)
STALLED = Condition(type=ConditionType.STALLED, status=ConditionStatus.TRUE, reason=Reason.UNKNOWN_ARM, message="")


@pytest.mark.parametrize(
    ("new", "since"),
    [
        (ready(ConditionStatus.TRUE, Reason.SUCCEEDED), NOW),
        (ready(ConditionStatus.FALSE, Reason.NO_WORKERS), BEFORE),
        (ready(ConditionStatus.FALSE, Reason.NO_WORKERS, NOW), BEFORE),
    ],
    ids=["another status", "another reason", "another reason with a time of its own"],
)
def test_a_transition_is_a_change_of_status_alone(new: Condition, since: datetime) -> None:
    (changed,) = set_condition([WAITING], new, NOW)
    assert (changed.reason, changed.last_transition_time) == (new.reason, since)


def test_a_first_condition_is_of_now() -> None:
    (first,) = set_condition([], STALLED, NOW)
    assert first.last_transition_time == NOW


def test_other_conditions_stay_where_they_are() -> None:
    conditions = set_condition((WAITING, STALLED), ready(ConditionStatus.TRUE, Reason.SUCCEEDED), NOW)
    assert [condition.type for condition in conditions] == ["Ready", "Stalled"]
    assert conditions[1] == STALLED


@pytest.mark.parametrize("error", errors.DomainError.__subclasses__())
def test_every_refusal_of_the_domain_is_in_the_vocabulary(error: type[errors.DomainError]) -> None:
    assert Reason(error.reason)


def test_a_simulation_ends_well_or_not() -> None:
    assert {phase.value for phase in SimulationPhase if phase.finished} == {"Succeeded", "Failed"}


def test_a_job_ends_in_four_ways() -> None:
    finished = {phase.value for phase in RetrainingJobPhase if phase.finished}
    assert finished == {"Completed", "Failed", "Rejected", "Cancelled"}
