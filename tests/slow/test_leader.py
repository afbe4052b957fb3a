"""One operator leads; another takes over when it is lost."""

from __future__ import annotations

import os
import signal
import urllib.request
from typing import Any

import pytest

from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform, Program

pytestmark = pytest.mark.chaos


def _lease(platform: Platform) -> dict[str, Any]:
    lease = platform.kube.get("lease", platform.operator.environment["TWINOPS_LEASE_NAME"], "-n", platform.namespace)
    spec: dict[str, Any] = lease["spec"]
    return spec


def _holder(platform: Platform) -> str:
    return str(_lease(platform).get("holderIdentity"))


def _is_healthy(program: Program) -> bool:
    try:
        address = f"http://127.0.0.1:{program.environment['TWINOPS_HEALTH_PORT']}/healthz"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _kill_api_server(platform: Platform) -> None:
    """Kill the API server, and wait until the one that its supervisor starts in its place is ready."""
    cluster = platform.kube.cluster
    killed = cluster.state().processes["kube-apiserver"]
    os.kill(killed, signal.SIGKILL)
    platform.kube.until(lambda: cluster.state().processes.get("kube-apiserver") not in {None, killed})
    platform.kube.until(lambda: platform.kube.kubectl("get", "--raw", "/readyz", check=False) == "ok")


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


def test_after_outages_of_the_api_server_one_operator_leads_and_the_other_can_take_over(trained: Platform) -> None:
    trained.kube.until(lambda: _holder(trained) == "operator")
    operators = {"operator": trained.operator, "standby": trained.standby("standby")}
    operators["standby"].start()
    try:
        trained.kube.until(lambda: _is_healthy(operators["standby"]))
        for _ in range(3):
            _kill_api_server(trained)
        for operator in operators.values():
            if operator.process is not None and operator.process.poll() is not None:
                operator.start()  # as its Deployment does: an outage longer than the Lease allows ends a leader
        before = _lease(trained)["renewTime"]
        trained.kube.until(lambda: _lease(trained)["renewTime"] > before)
        leader = _holder(trained)
        (other,) = operators.keys() - {leader}
        operators[leader].kill()
        trained.kube.until(lambda: _holder(trained) == other)
        trained.apply("Simulation", "after-the-outage", question())
        trained.until_phase("Simulation", "after-the-outage", "Succeeded")
    finally:
        operators["standby"].stop()
        operators["operator"].stop()
        trained.operator.start()
