"""Simulations are deleted when their time to live is over, and never before nothing is lost with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, simulation
from tests.unit.services.simulations.site import answered

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.looptime
OBSERVED = {"experiment": "spring", "effect": 0.5, "standardError": 0.1}


def is_gone(site: Installation, name: str = "question") -> Callable[[], bool]:
    return lambda: not any(body["metadata"]["name"] == name for body in site.cluster.objects("Simulation"))


async def test_a_finished_one_is_deleted_when_its_time_is_over() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(ttlSecondsAfterFinished=30))
        site.employ(answered)
        await site.until_phase("Simulation", "question", "Succeeded")
        await site.advance(28)
        assert not is_gone(site)()
        await site.until(is_gone(site), seconds=4)


async def test_a_failed_one_is_deleted_too() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(intervention={"arm": "call"}, ttlSecondsAfterFinished=5))
        await site.until_phase("Simulation", "question", "Failed")
        await site.until(is_gone(site), seconds=20)


async def test_one_without_a_time_to_live_is_kept() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        site.employ(answered)
        await site.until_phase("Simulation", "question", "Succeeded")
        await site.restart()
        await site.advance(1000)
        assert not is_gone(site)()


async def test_one_that_the_archive_does_not_have_is_kept() -> None:
    async with Installation() as site:
        install_twin(site)
        site.archive.reachable = False
        site.apply(simulation(ttlSecondsAfterFinished=5))
        site.employ(answered)
        await site.until_phase("Simulation", "question", "Succeeded")
        await site.advance(60)
        assert not is_gone(site)()
        site.archive.reachable = True
        await site.until(is_gone(site), seconds=30)


async def test_one_whose_outcome_is_not_graded_yet_is_kept() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(ttlSecondsAfterFinished=60, observed=OBSERVED))
        site.employ(answered)  # this answer lacks what grading needs
        await site.until_phase("Simulation", "question", "Succeeded")
        await site.advance(200)
        assert not is_gone(site)()


async def test_a_graded_one_is_deleted() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(ttlSecondsAfterFinished=60, observed=OBSERVED))
        site.employ()
        await site.until(is_gone(site), seconds=90)
        assert len(site.archive.outcomes(site.twin("customers"))) == 1


async def test_a_new_leader_deletes_what_ended_before_it() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation("soon", ttlSecondsAfterFinished=60))
        site.apply(simulation("kept"))
        site.employ(answered)
        for name in ("soon", "kept"):
            await site.until_phase("Simulation", name, "Succeeded")
        await site.until(lambda: len(site.archive.simulations) == 2)
        await site.restart(pause=100)
        await site.until(is_gone(site, "soon"), seconds=5)
        assert not is_gone(site, "kept")()


async def test_the_object_that_has_the_name_now_is_not_deleted_for_an_earlier_one() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(ttlSecondsAfterFinished=30))
        site.employ(answered)
        await site.until_phase("Simulation", "question", "Succeeded")
        site.remove("Simulation", "question")
        site.apply(simulation())
        await site.until_phase("Simulation", "question", "Succeeded")
        await site.advance(100)
        assert not is_gone(site)()


async def test_one_that_was_deleted_by_hand_keeps_no_other_from_its_end() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation("first", ttlSecondsAfterFinished=30))
        site.apply(simulation("second", ttlSecondsAfterFinished=31))
        site.employ(answered)
        for name in ("first", "second"):
            await site.until_phase("Simulation", name, "Succeeded")
        await site.until(lambda: len(site.archive.simulations) == 2)
        site.remove("Simulation", "first")
        await site.until(is_gone(site, "second"), seconds=40)
