"""Simulations beyond what the operator keeps wait in the API server, say so, and are answered in the end."""

from __future__ import annotations

import pytest

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, simulation
from tests.unit.services.simulations.site import answered, messages, phase, ready
from twin_operator.adapters.kubernetes_api.client import ApiError

pytestmark = pytest.mark.looptime


def names(count: int) -> list[str]:
    return [f"question-{number}" for number in range(count)]


def ask(site: Installation, count: int) -> None:
    for name in names(count):
        site.apply(simulation(name=name))


async def test_all_are_answered_although_two_are_kept_at_a_time() -> None:
    async with Installation({"waiting_runs_per_namespace": 2}) as site:
        install_twin(site)
        ask(site, 7)
        await site.advance(5)
        assert messages(site) == 2
        assert len(site.operator.loop.simulations.answers.followed) == 2
        site.employ(answered)
        for name in names(7):
            await site.until_phase("Simulation", name, "Succeeded")


async def test_those_that_wait_say_so() -> None:
    async with Installation({"waiting_runs_per_namespace": 1}) as site:
        install_twin(site)
        ask(site, 3)
        await site.until(lambda: ready(site, "question-2").get("reason") == "WaitingForTurn", seconds=5)
        assert phase(site, "question-1") == "Pending"
        assert "Namespace default has as many unfinished Simulations" in ready(site, "question-1")["message"]
        assert "queuedTime" not in site.status("Simulation", "question-1")
        site.work(answered)
        await site.until_phase("Simulation", "question-0", "Succeeded")
        await site.until(lambda: messages(site) == 1)
        assert ready(site, "question-2")["reason"] == "WaitingForTurn"


async def test_large_ones_are_bounded_by_their_bytes() -> None:
    where = [{"feature": "region", "operator": "In", "values": [f"{number:0200d}" for number in range(50)]}]
    async with Installation({"waiting_bytes_per_namespace": 30_000}) as site:
        install_twin(site)
        for name in names(5):
            site.apply(simulation(name=name, population={"where": where}))
        await site.advance(5)
        assert len(site.operator.loop.simulations.answers.followed) == 2


@pytest.mark.parametrize("gone", ["question-0", "question-1"])
async def test_one_that_is_deleted_makes_room(gone: str) -> None:
    async with Installation({"waiting_runs_per_namespace": 1}) as site:
        install_twin(site)
        ask(site, 3)
        await site.advance(1)
        site.remove("Simulation", gone)
        site.employ(answered)
        for name in {*names(3)} - {gone}:
            await site.until_phase("Simulation", name, "Succeeded")


async def test_one_whose_answer_comes_while_it_waits_gets_it() -> None:
    async with Installation({"waiting_runs_per_namespace": 4}) as site:
        install_twin(site)
        ask(site, 4)
        await site.until(lambda: messages(site) == 4)
        await site.stop()
        site.work(answered)
        site.settings = site.settings.model_copy(update={"waiting_runs_per_namespace": 1})
        site.start()
        for name in names(4):
            await site.until_phase("Simulation", name, "Succeeded")


async def test_the_api_server_may_fail_meanwhile() -> None:
    async with Installation({"waiting_runs_per_namespace": 1}, expected=(ApiError,)) as site:
        install_twin(site)
        ask(site, 3)
        await site.advance(0.2)
        site.cluster.reachable = False
        await site.advance(10)
        site.cluster.reachable = True
        site.employ(answered)
        for name in names(3):
            await site.until_phase("Simulation", name, "Succeeded")
