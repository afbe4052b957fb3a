"""Who holds the Lease, as `twin-operator check` reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from twin_operator.adapters.kubernetes_api.commands import leader_of
from twin_operator.services.installation import Leader

HELD = {"holderIdentity": "operator-1", "renewTime": "2026-11-25T12:00:00.000001Z", "leaseDurationSeconds": 20}


def test_the_holder_of_a_lease_leads() -> None:
    renewed = datetime(2026, 11, 25, 12, microsecond=1, tzinfo=UTC)
    assert leader_of({"spec": HELD}) == Leader("operator-1", renewed, lease_seconds=20)


@pytest.mark.parametrize("lease", [None, {}, {"spec": HELD | {"holderIdentity": None}}, {"spec": {"renewTime": None}}])
def test_nobody_leads_by_a_lease_that_nobody_holds(lease: dict[str, Any] | None) -> None:
    assert leader_of(lease) is None
