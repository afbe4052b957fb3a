"""A worker does not find the version that a Simulation is bound to: it waits for another one and spends no attempt."""

from __future__ import annotations

import pytest

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, serve, simulation
from tests.unit.services.letters import MODEL, NAME, REGISTERED, second
from tests.unit.services.simulations.site import PUBLISHED, REPUBLISHED, answered, lose_reports, phase, ready

pytestmark = pytest.mark.looptime
NO_RESYNC = {"resync_seconds": 10_000}
PINNED = {"name": NAME, "version": "2"}


async def published(site: Installation) -> None:
    """Have a Simulation of version 2 published, and its first status written; version 1 is the active one."""
    install_twin(site, NAME)
    await second(site)
    site.apply(simulation(modelRef=PINNED, backoffLimit=0))
    await site.until_phase("Simulation", "question", "Queued")


async def pinned_version_gone(site: Installation) -> None:
    """Have a worker take a Simulation of version 2, which was deleted after the Simulation was published."""
    await published(site)
    site.registry.delete_version(REGISTERED, "2")
    assert len(site.work()) == 1


async def waiting(site: Installation) -> None:
    """Wait until the Simulation says that its version is not there."""
    await site.until(lambda: ready(site).get("reason") == "ModelNotFound", seconds=5)
    assert phase(site) == "Pending"


async def active_version_gone(site: Installation, *, restart: bool = False) -> None:
    """Have a worker take a Simulation of the active version, which was deleted after the Simulation was published."""
    install_twin(site, NAME)
    await second(site)
    site.apply(simulation(model=NAME, backoffLimit=0))
    await site.until_phase("Simulation", "question", "Queued")
    if restart:
        await site.restart()
        await site.advance(10)
    site.registry.delete_version(REGISTERED, "1")
    assert len(site.work()) == 1


async def test_it_says_so_before_the_next_resync() -> None:
    async with Installation(NO_RESYNC) as site:
        await pinned_version_gone(site)
        await waiting(site)


async def test_it_says_so_also_where_an_earlier_leader_published_it() -> None:
    async with Installation(NO_RESYNC) as site:
        await published(site)
        await site.restart()
        await site.advance(10)
        site.registry.delete_version(REGISTERED, "2")
        assert len(site.work()) == 1
        await waiting(site)


async def test_it_waits_although_the_report_of_the_worker_was_lost() -> None:
    async with Installation() as site:
        await published(site)
        await site.stop()
        site.registry.delete_version(REGISTERED, "2")
        assert len(site.work()) == 1
        lose_reports(site)
        site.start()
        await waiting(site)


async def test_a_run_without_a_version_in_its_record_waits_too() -> None:
    async with Installation(NO_RESYNC) as site:
        await published(site)
        for record in site.queue.server.content().records.values():
            record.bound = None  # as the previous release wrote it
        site.registry.delete_version(REGISTERED, "2")
        site.employ()
        await waiting(site)


async def test_it_is_not_bound_to_the_deleted_version_again() -> None:
    async with Installation(NO_RESYNC) as site:
        await pinned_version_gone(site)
        site.employ()
        await site.advance(10)
        assert site.metric(PUBLISHED) == 1


async def test_its_place_in_the_queue_goes_to_the_next_one() -> None:
    async with Installation({**NO_RESYNC, "published_runs_per_queue": 1}) as site:
        await pinned_version_gone(site)
        site.apply(simulation("next", model=NAME))
        site.employ()
        await site.until_phase("Simulation", "next", "Succeeded")


async def test_its_model_is_not_found_before_the_next_resync() -> None:
    async with Installation(NO_RESYNC) as site:
        await active_version_gone(site)
        await site.until(lambda: site.condition(*MODEL).get("reason") == "ModelNotFound", seconds=5)


@pytest.mark.parametrize("restart", [False, True])
async def test_another_version_answers_it_as_soon_as_that_is_active(*, restart: bool) -> None:
    async with Installation(NO_RESYNC) as site:
        await active_version_gone(site, restart=restart)
        await site.until(lambda: site.condition(*MODEL).get("reason") == "ModelNotFound")
        serve(site, NAME, "2")
        site.employ(answered)
        await site.until_phase("Simulation", "question", "Succeeded")
        assert (site.status("Simulation", "question")["attempts"], site.metric(REPUBLISHED)) == (1, 0)
