"""The installation in memory: what it plays is the operator as it is wired, and what it ends leaves nothing."""

from __future__ import annotations

import pytest

from tests.fakes.every_crash import every_crash
from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, simulation

pytestmark = pytest.mark.looptime


async def test_a_simulation_is_answered_from_the_bank() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        site.employ()
        status = await site.until_phase("Simulation", "question", "Succeeded")
        assert status["modelVersion"] == "1"
        assert status["effect"]["estimate"] == pytest.approx(0.57, abs=0.1)


async def scenario(site: Installation) -> None:
    install_twin(site)
    site.apply(simulation("a"))
    site.employ()
    await site.until_phase("Simulation", "a", "Succeeded")
    await site.until(lambda: site.archive.simulations)


async def test_a_crash_at_any_call_changes_nothing() -> None:
    await every_crash(scenario)
