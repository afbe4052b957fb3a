"""What `twin-operator check` concludes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.services.pools.objects import worker_pool
from twin_operator.api.v1alpha1.conditions import Condition, ConditionStatus, ConditionType, Reason
from twin_operator.services.installation import Leader, of_leader, of_pools, of_redis

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def ready(status: ConditionStatus, reason: Reason) -> tuple[Condition, ...]:
    return (Condition(type=ConditionType.READY, status=status, reason=reason, message="A sentence."),)


@pytest.mark.parametrize(("policy", "well"), [("noeviction", True), ("allkeys-lru", False)])
def test_redis_may_drop_nothing(policy: str, well: bool) -> None:  # noqa: FBT001 - a column of a table
    assert of_redis(policy).well is well


@pytest.mark.parametrize(("age", "well", "words"), [(3, True, "operator-1 leads"), (40, False, "last seen 40 s ago")])
def test_a_leader_renews_its_lease(age: float, well: bool, words: str) -> None:  # noqa: FBT001 - likewise
    finding = of_leader(Leader("operator-1", NOW - timedelta(seconds=age), 15), NOW)
    assert (finding.well, words in finding.sentence) == (well, True)


def test_an_installation_without_a_leader_does_not_work() -> None:
    finding = of_leader(None, NOW)
    assert (finding.well, "No operator leads" in finding.sentence) == (False, True)


def test_a_pool_is_as_its_condition_ready_says() -> None:
    good, bad, unseen = of_pools(
        [
            worker_pool(conditions=ready(ConditionStatus.TRUE, Reason.SCALED_TO_ZERO)),
            worker_pool(conditions=ready(ConditionStatus.FALSE, Reason.INVALID_TEMPLATE)),
            worker_pool("new"),
        ]
    )
    assert (good.well, bad.well, unseen.well) == (True, False, False)
    assert bad.sentence == "InvalidTemplate: A sentence."
    assert unseen.part == "WorkerPool new"


def test_no_pool_at_all_is_a_finding() -> None:
    assert [finding.well for finding in of_pools([])] == [False]
