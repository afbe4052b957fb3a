"""Every kind of stop of a Simulation, at every moment of its run: answers, attempts and archive rows are counted."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, simulation
from tests.unit.services.paused_worker import Moment
from tests.unit.services.stopped_play import DEADLINE_SECONDS, Play, Stopping, pass_deadline
from twin_operator.services.runs.run import TaskKind

pytestmark = [pytest.mark.looptime, pytest.mark.learner]
QUESTION: Final = ("Simulation", "question")
SIMULATION_MOMENTS: Final = [Moment.QUEUED, Moment.CLAIMED, Moment.WORKING]


async def suspend_question(site: Installation) -> None:
    site.patch(*QUESTION, {"spec": {"suspend": True}})


async def delete_question(site: Installation) -> None:
    site.remove(*QUESTION)


async def question_at(site: Installation, at: Moment, stop: Stopping) -> Play:
    """Have a Simulation stopped at a moment."""
    install_twin(site)
    site.apply(simulation(activeDeadlineSeconds=DEADLINE_SECONDS, backoffLimit=0))
    play = Play(site, TaskKind.SIMULATE, at, stop)
    await play.until_stopped()
    return play


@pytest.mark.parametrize("at", SIMULATION_MOMENTS)
@pytest.mark.parametrize("seconds", [0, 30])
async def test_a_simulation_that_is_suspended_is_answered_later_with_one_attempt(at: Moment, seconds: int) -> None:
    async with Installation() as site:
        play = await question_at(site, at, suspend_question)
        await site.advance(seconds)
        assert "effect" not in site.status(*QUESTION)
        site.patch(*QUESTION, {"spec": {"suspend": False, "activeDeadlineSeconds": None}})
        await play.to_the_end()
        status = site.status(*QUESTION)
        assert (status["phase"], status["attempts"], play.archived) == ("Succeeded", 1, (1, 0))


async def test_a_simulation_that_is_resumed_before_its_worker_notices_is_not_begun_again() -> None:
    async with Installation() as site:

        async def suspend_and_resume(site: Installation) -> None:
            for suspended in (True, False):
                site.patch(*QUESTION, {"spec": {"suspend": suspended}})
                await site.advance(1)

        play = await question_at(site, Moment.WORKING, suspend_and_resume)
        await site.until_phase(*QUESTION, "Succeeded")
        assert (play.worker.begun, site.status(*QUESTION)["attempts"]) == ([TaskKind.SIMULATE], 1)


async def test_a_simulation_that_is_deleted_while_it_is_resumed_is_not_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Installation() as site:
        play = await question_at(site, Moment.CLAIMED, suspend_question)
        await play.to_the_end(rounds=1)
        uid, resume = site.get(*QUESTION)["metadata"]["uid"], site.queue.resume

        async def delete_and_resume(run: str) -> None:
            site.remove(*QUESTION)
            await site.advance(0.1)
            await resume(run)

        monkeypatch.setattr(site.queue, "resume", delete_and_resume)
        site.patch(*QUESTION, {"spec": {"suspend": False}})
        await site.advance(1)
        record = site.queue.server.record(uid)
        assert record is not None
        assert record.stop == "deleted"


@pytest.mark.parametrize("stop", [delete_question, pass_deadline])
@pytest.mark.parametrize("at", SIMULATION_MOMENTS)
async def test_a_simulation_that_is_stopped_is_not_answered(stop: Stopping, at: Moment) -> None:
    async with Installation() as site:
        uid: list[Any] = []

        async def noted(site: Installation) -> None:
            uid.append(site.get(*QUESTION)["metadata"]["uid"])
            await stop(site)

        play = await question_at(site, at, noted)
        await play.to_the_end()
        record = site.queue.server.record(uid[0])
        assert record is None or record.outcome is None
        assert play.archived == (1 if stop is pass_deadline else 0, 0)
        if stop is pass_deadline:
            assert site.condition(*QUESTION)["reason"] == "DeadlineExceeded"
