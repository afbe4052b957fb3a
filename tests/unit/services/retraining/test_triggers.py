"""When a model is retrained by itself, and what stands in the way: triggers by policy by history by clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.twin_model import RetrainingPolicy
from twin_operator.services.retraining.triggers import (
    DataSeen,
    History,
    Idle,
    Obstacle,
    TriggerSnapshot,
    Wanted,
    decide,
)

NOW = 1_800_000_000.0
DAY = 86_400.0
ENDED = datetime(2026, 1, 1, tzinfo=UTC)
NEWS = DataSeen("sha256:new", rows=5_000, new_rows=400)
OLD = DataSeen("sha256:old", rows=5_000, new_rows=0)


def snapshot(policy: dict[str, Any] | None = None, **changes: Any) -> TriggerSnapshot:
    """A model that serves version 3 and has nothing to be retrained for."""
    calm = TriggerSnapshot(
        uid="u",
        name="spring",
        policy=RetrainingPolicy.model_validate(policy or {}),
        suspended=False,
        pinned=None,
        version="3",
        trained_spec="spec-a",
        trained_data="sha256:old",
        spec="spec-a",
        breaches=(),
        fault="5 outcomes: the score of 0.4 is below 0.7.",
        data=OLD,
        due=None,
        history=History(),
    )
    return replace(calm, **changes)


DEGRADED: dict[str, Any] = {"breaches": (Trigger.FIDELITY_DEGRADED,), "data": NEWS}
NIGHTLY = {"schedule": "0 3 * * *"}


@pytest.mark.parametrize(
    ("policy", "changes", "trigger"),
    [
        ({}, {"breaches": (Trigger.FIDELITY_DEGRADED,), "data": NEWS}, Trigger.FIDELITY_DEGRADED),
        ({}, {"breaches": (Trigger.PREDICTION_ERROR,), "data": NEWS}, Trigger.PREDICTION_ERROR),
        ({}, {"breaches": (Trigger.COVERAGE_DROP,), "data": NEWS}, Trigger.COVERAGE_DROP),
        ({}, {"data": NEWS}, Trigger.NEW_DATA),
        ({}, {"spec": "spec-b"}, Trigger.SPEC_CHANGED),
        (NIGHTLY, {"due": NOW - 5, "data": NEWS}, Trigger.SCHEDULED),
    ],
)
def test_each_trigger_asks_for_a_job(policy: dict[str, Any], changes: dict[str, Any], trigger: Trigger) -> None:
    decision = decide(snapshot(policy, **changes), NOW)
    assert isinstance(decision, Wanted)
    assert decision.trigger is trigger
    assert decision.name.startswith(f"spring-{trigger.lower()}-")


def test_new_rows_wait_for_the_schedule_where_there_is_one() -> None:
    assert decide(snapshot(NIGHTLY, data=NEWS), NOW) == Idle()


def test_without_a_trigger_there_is_no_job() -> None:
    assert decide(snapshot(), NOW) == Idle()


def test_the_most_important_trigger_gives_the_reason() -> None:
    everything = snapshot(breaches=tuple(Trigger), data=NEWS, spec="spec-b", due=NOW)
    order = []
    for fewer in (
        everything,
        replace(everything, breaches=(Trigger.COVERAGE_DROP, Trigger.PREDICTION_ERROR)),
        replace(everything, breaches=(Trigger.PREDICTION_ERROR,)),
        replace(everything, breaches=()),
        replace(everything, breaches=(), spec="spec-a"),
        replace(everything, breaches=(), spec="spec-a", trained_data=NEWS.digest),
    ):
        decision = decide(fewer, NOW)
        assert isinstance(decision, Wanted)
        order.append(decision.trigger)
    assert order == [
        Trigger.FIDELITY_DEGRADED,
        Trigger.COVERAGE_DROP,
        Trigger.PREDICTION_ERROR,
        Trigger.SPEC_CHANGED,
        Trigger.NEW_DATA,
        Trigger.SCHEDULED,
    ]


@pytest.mark.parametrize(
    ("policy", "changes", "reason", "says"),
    [
        ({}, {**DEGRADED, "suspended": True}, "Suspended", "spec.suspend"),
        ({"suspend": True}, DEGRADED, "Suspended", "spec.retraining.suspend"),
        ({}, {**DEGRADED, "pinned": "2"}, "VersionPinned", "version 2"),
        ({}, {**DEGRADED, "data": OLD}, "NoNewData", "it needs new data"),
        ({}, {"due": NOW, "data": OLD}, "NoNewData", "Scheduled"),
        (
            {},
            {**DEGRADED, "history": History(tried_spec="spec-a", tried_data="sha256:new")},
            "NoNewData",
            "the last one began with the same spec and data",
        ),
        ({}, {**DEGRADED, "data": replace(NEWS, rows=999)}, "TooFewSamples", "999"),
        ({"minSamples": 6000}, {"spec": "spec-b", "data": NEWS}, "TooFewSamples", "6,000"),
        ({}, {**DEGRADED, "data": replace(NEWS, newest=NOW - 91 * DAY)}, "DataTooOld", "91 days old"),
        ({"maxDataAge": "1h"}, {"spec": "spec-b", "data": replace(NEWS, newest=NOW - DAY)}, "DataTooOld", "1 days"),
        ({}, {**DEGRADED, "history": History(failed_attempts=3)}, "RetrainingExhausted", "3 retrainings in a row"),
        ({"maxAttempts": 1}, {**DEGRADED, "history": History(failed_attempts=1)}, "RetrainingExhausted", "1"),
        ({}, {**DEGRADED, "data": Obstacle(Reason.DATA_NOT_READABLE, "It is gone.")}, "DataNotReadable", "gone"),
        ({}, {**DEGRADED, "data": Obstacle(Reason.DATA_NOT_CHECKED, "Not yet.")}, "DataNotChecked", "Not yet"),
    ],
)
def test_what_stands_in_the_way_has_a_reason(
    policy: dict[str, Any], changes: dict[str, Any], reason: str, says: str
) -> None:
    decision = decide(snapshot(policy, **changes), NOW)
    assert isinstance(decision, Obstacle)
    assert decision.reason == reason
    assert says in decision.message


def test_rows_of_the_last_day_of_the_allowed_age_are_new_enough() -> None:
    fresh = replace(NEWS, newest=NOW - 90 * DAY)
    assert isinstance(decide(snapshot(**{**DEGRADED, "data": fresh}), NOW), Wanted)


def test_a_changed_spec_needs_no_new_rows_and_starts_afresh_after_failures() -> None:
    changed = snapshot(spec="spec-b", data=OLD, history=History(failed_attempts=7))
    assert isinstance(decide(changed, NOW), Wanted)


def test_a_changed_spec_that_was_tried_is_not_tried_again() -> None:
    assert decide(snapshot(spec="spec-b", history=History(tried_spec="spec-b")), NOW) == Idle()


def test_a_changed_spec_goes_on_where_a_miss_lacks_new_rows() -> None:
    decision = decide(snapshot(spec="spec-b", breaches=(Trigger.FIDELITY_DEGRADED,), data=OLD), NOW)
    assert isinstance(decision, Wanted)
    assert decision.trigger is Trigger.SPEC_CHANGED


def test_data_that_cannot_be_read_is_told_before_anything_asks_for_it() -> None:
    decision = decide(snapshot(data=Obstacle(Reason.DATA_NOT_READABLE, "It is gone.")), NOW)
    assert decision == Obstacle(Reason.DATA_NOT_READABLE, "It is gone.")


def test_data_that_was_not_looked_at_yet_is_nothing_to_tell() -> None:
    assert decide(snapshot(data=Obstacle(Reason.DATA_NOT_CHECKED, "Not yet.")), NOW) == Idle()


def test_the_same_cause_gives_the_same_name_and_another_cause_another() -> None:
    first = decide(snapshot(**DEGRADED), NOW)
    again = decide(snapshot(**DEGRADED), NOW + 3600)
    after_failure = decide(snapshot(**DEGRADED, history=History(failed_attempts=1, last_finished=ENDED)), NOW)
    more_rows = decide(snapshot(**{**DEGRADED, "data": replace(NEWS, digest="sha256:newer")}), NOW)
    later = [decide(snapshot(data=replace(NEWS, digest="sha256:old"), due=due), NOW) for due in (NOW, NOW + 60)]
    decisions = [first, after_failure, more_rows, *later]
    assert first == again
    assert len({d.name for d in decisions if isinstance(d, Wanted)}) == len(decisions)


def test_a_name_is_the_same_in_every_release() -> None:
    history = History(failed_attempts=1, last_finished=ENDED)
    decision = decide(snapshot(**DEGRADED, history=history), NOW)
    assert isinstance(decision, Wanted)
    assert decision.name == "spring-fidelitydegraded-c3dad18c86"


def test_a_long_name_gives_a_valid_name() -> None:
    decision = decide(snapshot(**DEGRADED, name="a" * 253), NOW)
    assert isinstance(decision, Wanted)
    assert len(decision.name) <= 253


DATA = st.one_of(
    st.builds(
        DataSeen,
        digest=st.sampled_from(["sha256:old", "sha256:new", "sha256:newer"]),
        rows=st.integers(0, 5_000),
        new_rows=st.integers(0, 500),
        newest=st.none() | st.floats(NOW - 200 * DAY, NOW),
    ),
    st.builds(
        Obstacle, reason=st.sampled_from([Reason.DATA_NOT_READABLE, Reason.DATA_NOT_CHECKED]), message=st.just("why")
    ),
)
HISTORIES = st.builds(
    History,
    failed_attempts=st.integers(0, 5),
    last_finished=st.none() | st.just(ENDED),
    tried_spec=st.none() | st.sampled_from(["spec-a", "spec-b"]),
    tried_data=st.none() | st.sampled_from(["sha256:old", "sha256:new"]),
    unfinished=st.booleans(),
)
SNAPSHOTS = st.builds(
    snapshot,
    policy=st.fixed_dictionaries(
        {"suspend": st.booleans(), "maxAttempts": st.integers(1, 5), "minSamples": st.integers(0, 5_000)}
    ),
    suspended=st.booleans(),
    pinned=st.none() | st.just("2"),
    spec=st.sampled_from(["spec-a", "spec-b"]),
    breaches=st.sets(st.sampled_from([Trigger.FIDELITY_DEGRADED, Trigger.COVERAGE_DROP, Trigger.PREDICTION_ERROR])),
    data=DATA,
    due=st.none() | st.just(NOW),
    history=HISTORIES,
)


@given(SNAPSHOTS)
def test_a_job_is_only_made_where_policy_data_and_history_allow_one(model: TriggerSnapshot) -> None:
    decision = decide(model, NOW)
    if not isinstance(decision, Wanted):
        return
    assert not model.history.unfinished
    assert not any((model.suspended, model.policy.suspend, model.pinned))
    assert isinstance(model.data, DataSeen)
    assert model.data.rows >= model.policy.min_samples
    if decision.trigger is Trigger.SPEC_CHANGED:
        assert model.spec not in {model.trained_spec, model.history.tried_spec}
    else:
        assert model.data.new_rows > 0
        assert model.history.failed_attempts < model.policy.max_attempts
        assert (model.history.tried_spec, model.history.tried_data) != (model.spec, model.data.digest)


@given(SNAPSHOTS)
def test_while_a_job_has_not_ended_no_second_one_is_made(model: TriggerSnapshot) -> None:
    busy = replace(model, history=replace(model.history, unfinished=True))
    assert not isinstance(decide(busy, NOW), Wanted)
