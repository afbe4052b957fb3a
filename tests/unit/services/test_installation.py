"""What `twin-operator check` concludes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from twin_operator.services.installation import of_lease, of_pools, of_redis

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def lease(age: float, holder: str | None = "operator-1") -> dict[str, Any]:
    renewed = (NOW - timedelta(seconds=age)).isoformat()
    return {"spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15}}


def pool(status: str, reason: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": status, "reason": reason, "message": "A sentence."}]
    return {"metadata": {"name": "light"}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(("policy", "well"), [("noeviction", True), ("allkeys-lru", False)])
def test_redis_may_drop_nothing(policy: str, well: bool) -> None:  # noqa: FBT001 - a column of a table
    assert of_redis(policy).well is well


@pytest.mark.parametrize(
    ("found", "well", "words"),
    [
        (lease(3), True, "operator-1 leads"),
        (lease(40), False, "last seen 40 s ago"),
        (lease(3, None), False, "No operator leads"),
        (None, False, "No operator leads"),
    ],
)
def test_somebody_leads(found: dict[str, Any] | None, well: bool, words: str) -> None:  # noqa: FBT001 - likewise
    finding = of_lease(found, NOW)
    assert (finding.well, words in finding.sentence) == (well, True)


def test_a_pool_is_as_its_condition_ready_says() -> None:
    good, bad, unseen = of_pools(
        [pool("True", "ScaledToZero"), pool("False", "InvalidTemplate"), {"metadata": {"name": "new"}}]
    )
    assert (good.well, bad.well, unseen.well) == (True, False, False)
    assert bad.sentence == "InvalidTemplate: A sentence."


def test_no_pool_at_all_is_a_finding() -> None:
    assert [finding.well for finding in of_pools([])] == [False]
