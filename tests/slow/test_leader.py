"""One operator leads; another takes over when it is lost."""

from __future__ import annotations

import pytest

from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform

pytestmark = pytest.mark.chaos


def _holder(platform: Platform) -> str:
    lease = platform.kube.get("lease", platform.operator.environment["TWINOPS_LEASE_NAME"], "-n", platform.namespace)
    return str(lease["spec"].get("holderIdentity"))


def test_a_standby_takes_over_from_a_killed_leader_and_gives_back(trained: Platform) -> None:
    trained.kube.until(lambda: _holder(trained) == "operator")  # a test before this one may have restarted it
    standby = trained.standby("standby")
    standby.start()
    try:
        trained.operator.kill()
        trained.kube.until(lambda: _holder(trained) == "standby")
        trained.apply("Simulation", "second-leader", question())
        trained.until_phase("Simulation", "second-leader", "Succeeded")
    finally:
        standby.stop()
        holder = _holder(trained)
        trained.operator.start()
    assert holder != "standby"  # it was given back: the next leader need not wait for its end
    trained.kube.until(lambda: _holder(trained) == "operator")
    trained.apply("Simulation", "first-again", question())
    trained.until_phase("Simulation", "first-again", "Succeeded")
