"""Nothing is lost and nothing is done twice, whatever Redis, a leader or the archive forgets."""

from __future__ import annotations

import pytest

from tests.fakes.every_crash import every_crash
from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, simulation
from tests.unit.services.simulations.site import (
    ANSWERED,
    PUBLISHED,
    REPUBLISHED,
    answered,
    lose_reports,
    messages,
    phase,
    ready,
    reports,
    run_of,
)
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.run import Outcome, Task

pytestmark = pytest.mark.looptime


async def test_a_new_leader_publishes_nothing_that_waits_in_its_queue() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        await site.restart()
        await site.advance(150)
        assert messages(site) == 1
        assert site.metric(PUBLISHED) == 0


async def test_a_new_leader_finds_the_message_of_a_queue_that_it_has_not_heard_of() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(queue="urgent"))
        await site.until(lambda: messages(site, "urgent"))
        await site.restart()
        site.employ(answered, queues=["urgent"])
        await site.until_phase("Simulation", "question", "Succeeded")
        assert run_of(site, site.get("Simulation", "question")["metadata"]["uid"]).attempts == 1


async def test_a_new_leader_publishes_what_the_old_one_did_not() -> None:
    async with Installation() as site:
        install_twin(site)
        await site.stop()
        site.apply(simulation())
        site.start()
        await site.until(lambda: messages(site), seconds=1)


async def test_a_lost_message_is_published_again_at_the_next_resync() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        site.queue.lose_messages()
        await site.until(lambda: messages(site), seconds=61)
        assert site.metric(REPUBLISHED) == 1
        site.employ(answered)
        await site.until_phase("Simulation", "question", "Succeeded")


async def test_a_message_that_was_published_just_now_is_not_taken_for_lost() -> None:
    async with Installation({"resync_seconds": 0.5}) as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        site.queue.lose_messages()
        await site.advance(1.5)
        assert site.metric(REPUBLISHED) == 0
        await site.until(lambda: messages(site), seconds=2)


async def test_a_running_task_is_not_taken_for_lost() -> None:
    async with Installation() as site:
        install_twin(site)
        uid = site.apply(simulation())["metadata"]["uid"]
        await site.until(lambda: messages(site))
        delivery = site.queue.claimed("simulations")
        for _ in range(40):
            await site.advance(3)
            assert site.queue.renew(delivery) == "go on"
        assert (site.metric(REPUBLISHED), site.metric(PUBLISHED)) == (0, 1)
        site.queue.record(delivery, ANSWERED)
        await site.until_phase("Simulation", "question", "Succeeded")
        assert run_of(site, uid).attempts == 1


async def test_after_a_flush_everything_unfinished_is_published_again() -> None:
    async with Installation() as site:
        install_twin(site)
        for number in range(3):
            site.apply(simulation(f"question-{number}"))
        await site.until(lambda: messages(site) == 3)
        site.queue.flush()
        site.employ(answered)
        for number in range(3):
            await site.until_phase("Simulation", f"question-{number}", "Succeeded")
        await site.until(lambda: reports(site) == 0)


async def test_the_first_report_after_a_flush_is_read_although_its_consumer_group_was_lost() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        delivery = site.queue.take(["simulations"], "worker-1")
        assert delivery is not None
        site.queue.flush()
        assert site.queue.claim(delivery) == "claimed"
        site.queue.record(delivery, ANSWERED)
        await site.until(lambda: phase(site) == "Succeeded", seconds=5)


async def test_a_result_whose_report_was_lost_is_found_at_the_next_resync() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        await site.stop()
        site.work(answered)
        lose_reports(site)
        site.start()
        await site.until(lambda: phase(site) == "Succeeded", seconds=61)


async def test_a_redis_that_does_not_answer_for_a_while_costs_no_simulation() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation("before"))
        await site.until(lambda: messages(site))
        site.queue.reachable = False
        site.apply(simulation("meanwhile"))
        await site.advance(130)
        assert site.metric("twinops_redis_up") == 0
        site.queue.reachable = True
        site.employ(answered)
        for name in ("before", "meanwhile"):
            await site.until_phase("Simulation", name, "Succeeded")
        await site.until(lambda: site.metric("twinops_redis_up") == 1, seconds=6)


async def several(site: Installation) -> None:
    """Play Simulations that end each in its own way."""
    install_twin(site)
    tries: list[Task] = []

    def answer(task: Task) -> Outcome:
        if task.target.name == "unlucky" and not tries:
            tries.append(task)
            message = "the first attempt fails"
            raise OSError(message)
        return Outcome(Reason.SUCCEEDED, f"{task.target.name} is answered", {"modelVersion": task.payload["version"]})

    site.apply(simulation("plain"))
    site.apply(simulation("unlucky"))
    site.apply(simulation("refused", intervention={"arm": "call"}))
    site.apply(simulation("suspended", suspend=True))
    site.employ(answer)
    await site.until(lambda: phase(site, "suspended") == "Suspended")
    site.patch("Simulation", "suspended", {"spec": {"suspend": False}})
    for name in ("plain", "unlucky", "suspended"):
        await site.until_phase("Simulation", name, "Succeeded")
    await site.until_phase("Simulation", "refused", "Failed")
    await site.until(lambda: len(site.archive.simulations) == 4)


@pytest.mark.slow
async def test_a_crash_at_any_call_changes_no_end() -> None:
    await every_crash(several)


async def waiting_and_deleted(site: Installation) -> None:
    """Play Simulations that wait, expire or are deleted."""
    install_twin(site)
    site.apply(simulation("late", activeDeadlineSeconds=6))
    site.apply(simulation("deleted"))
    await site.until(lambda: ready(site, "deleted"))
    site.remove("Simulation", "deleted")
    await site.until_phase("Simulation", "late", "Failed")
    await site.until(lambda: len(site.archive.simulations) == 1)


@pytest.mark.slow
async def test_a_crash_at_any_call_changes_no_end_of_those_that_wait() -> None:
    await every_crash(waiting_and_deleted, ports=("queue", "resources"))
