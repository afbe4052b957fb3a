"""While the archive lacks outcomes that the cluster has, nothing is answered, compared or retrained by fewer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from tests.fakes.archive import InMemoryArchive
from tests.fakes.installation import Installation
from tests.fakes.ready_twin import TWIN, install_twin, simulation
from tests.unit.services.letters import job, observe, serving
from tests.unit.services.letters import version as version_of_letters
from tests.unit.services.outcomes import site as lost
from tests.unit.services.outcomes.site import KIND, NUMBERS, Faulty, Slow, graded, incomplete, recorded, validations
from tests.unit.services.simulations.site import phase, ready, run_of
from twin_operator.services.outcomes import backfill
from twin_operator.services.reconciling.ports import GradedObject
from twin_operator.services.runs.run import JSON, TaskKind

pytestmark = pytest.mark.looptime
RARELY: JSON = {"resync_seconds": 3600}  # so that no resync continues what waits
HELD_SECONDS = 40


async def emptied(site: Installation, archive: InMemoryArchive) -> JSON:
    """Have a twin with outcomes, and start the operator on an archive without them; return a full answer's effect."""
    await graded(site)
    answer = await ask(site, "before")
    await site.stop()
    site.archive = archive
    site.start()
    return answer


async def ask(site: Installation, name: str) -> JSON:
    """Return the effect and the basis of an answer."""
    site.apply(simulation(name))
    return answer_of(await site.until_phase(KIND, name, "Succeeded"))


def answer_of(status: JSON) -> JSON:
    return {part: status[part] for part in ("effect", "basis")}


async def test_a_simulation_waits_for_missing_outcomes_and_continues_by_itself() -> None:
    async with Installation(RARELY) as site:
        archive = Faulty("record")
        before = await emptied(site, archive)
        uid = site.apply(simulation("now", activeDeadlineSeconds=30, backoffLimit=0))["metadata"]["uid"]
        await site.advance(HELD_SECONDS)
        assert (phase(site, "now"), ready(site, "now")["reason"]) == ("Pending", "OutcomesMissing")
        assert f"The archive lacks 7 graded outcomes of TwinModel {TWIN}" in ready(site, "now")["message"]
        assert "continues by itself" in ready(site, "now")["message"]
        assert (run_of(site, uid).attempts, run_of(site, uid).queued) == (0, None)
        archive.statement = ""
        await site.until(lambda: len(recorded(site)) == len(NUMBERS), seconds=3)
        status = await site.until_phase(KIND, "now", "Succeeded")
        assert answer_of(status) == before
        assert status["attempts"] == 1


async def test_it_continues_at_once() -> None:
    async with Installation(RARELY) as site:
        archive = Faulty("record")
        await emptied(site, archive)
        uid = site.apply(simulation("now"))["metadata"]["uid"]
        await site.advance(HELD_SECONDS)
        archive.statement = ""
        await site.until(lambda: len(recorded(site)) == len(NUMBERS))
        await site.until(lambda: run_of(site, uid).queued is not None, seconds=0.5)


async def test_a_simulation_waits_for_the_first_comparison_after_a_start(caplog: pytest.LogCaptureFixture) -> None:
    async with Installation(RARELY) as site:
        archive = Faulty("outcome_count")
        before = await emptied(site, archive)
        site.apply(simulation("now"))
        await site.advance(HELD_SECONDS)
        assert (phase(site, "now"), ready(site, "now")["reason"]) == ("Pending", "OutcomesNotCompared")
        assert "continues by itself" in ready(site, "now")["message"]
        failures = [each for each in caplog.records if "Comparing outcomes with the archive failed" in each.message]
        assert len(failures) == pytest.approx(HELD_SECONDS / backfill.RETRY_SECONDS, abs=2)
        archive.statement = ""
        assert answer_of(await site.until_phase(KIND, "now", "Succeeded")) == before


async def test_simulations_of_a_twin_that_lacks_nothing_do_not_wait() -> None:
    async with Installation(RARELY) as site:
        install_twin(site, "complete")
        await emptied(site, Faulty("record"))
        site.apply(simulation("of-the-other", model="complete"))
        site.apply(simulation("now"))
        await site.until_phase(KIND, "of-the-other", "Succeeded")
        await site.advance(HELD_SECONDS)
        assert ready(site, "now")["reason"] == "OutcomesMissing"


async def test_a_simulation_that_was_published_before_is_answered_while_outcomes_are_missing() -> None:
    async with Installation(RARELY) as site:
        await graded(site)
        site.apply(simulation("published", queue="trials"))
        await site.advance(1)
        await site.stop()
        site.archive = Faulty("record")
        site.start()
        await site.advance(HELD_SECONDS)
        assert phase(site, "published") == "Queued"
        site.employ(queues=("trials",))
        await site.until_phase(KIND, "published", "Succeeded")


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven outcomes are three pages."""
    monkeypatch.setattr(backfill, "PAGE", 3)


@pytest.mark.usefixtures("small_pages")
async def test_while_the_archive_is_away_simulations_are_answered_by_the_training_experiments() -> None:
    async with Installation(RARELY) as site:
        archive = Slow(pages=1)
        before = await emptied(site, archive)
        await site.until(lambda: not archive.reachable)
        by_training = answer_of(site.status(KIND, "question-0"))  # it was answered before the first outcome
        assert by_training != before
        assert await ask(site, "away") == by_training
        assert len(recorded_of(archive)) == 3
        archive.pages, archive.reachable = 99, True
        await site.until(lambda: site.metric("twinops_archive_up") == 1)
        assert await ask(site, "back") == before


def recorded_of(archive: InMemoryArchive) -> JSON:
    """Return the outcomes of an archive, whether or not it answers."""
    return archive._outcomes  # noqa: SLF001 - as its database has them


@pytest.mark.usefixtures("small_pages")
async def test_a_simulation_that_waits_for_outcomes_is_answered_when_the_archive_goes_away() -> None:
    async with Installation(RARELY) as site:
        archive = Faulty("record")
        await emptied(site, archive)
        site.apply(simulation("now"))
        await site.advance(HELD_SECONDS)
        assert phase(site, "now") == "Pending"
        archive.reachable = False
        await site.until_phase(KIND, "now", "Succeeded")
        assert answer_of(site.status(KIND, "now")) == answer_of(site.status(KIND, "question-0"))


async def test_what_the_archive_loses_while_it_is_away_is_taken_in_when_it_comes_back() -> None:
    async with Installation(RARELY) as site:
        await graded(site)
        before = await ask(site, "before")
        site.archive.reachable = False
        await site.until(lambda: site.metric("twinops_archive_up") == 0)
        site.archive.lose_outcomes()
        site.archive.reachable = True
        await site.until(lambda: site.metric("twinops_archive_up") == 1)
        assert await ask(site, "after") == before
        assert len(recorded(site)) == len(NUMBERS)


async def test_after_an_outage_without_a_loss_simulations_continue() -> None:
    async with Installation(RARELY) as site:
        await graded(site)
        before = await ask(site, "before")
        site.archive.reachable = False
        await site.until(lambda: site.metric("twinops_archive_up") == 0)
        site.archive.reachable = True
        await site.until(lambda: site.metric("twinops_archive_up") == 1)
        assert await ask(site, "after") == before


async def test_a_loss_that_a_new_outcome_reveals_is_taken_in_before_anything_rests_on_it() -> None:
    async with Installation(RARELY) as site:
        before = await graded(site)
        site.apply(simulation("more"))
        await site.until_phase(KIND, "more", "Succeeded")
        await site.advance(90)
        statuses = lost.seen_statuses(site)
        site.archive.lose_outcomes()
        site.patch(KIND, "more", {"spec": {"observed": lost.outcome(9)}})
        await site.until(lambda: validations(site) == len(NUMBERS) + 1, seconds=10)
        assert {status["fidelity"]["validations"] for status in statuses} <= {len(NUMBERS), len(NUMBERS) + 1}
        assert before["fidelity"]["validations"] == len(NUMBERS)


def without_digest(site: Installation) -> None:
    site.cluster.patch_status(KIND, "default", "question-0", {"status": {"basis": {"weightsDigest": None}}})


def before_all_time(site: Installation) -> None:
    site.patch(KIND, "question-0", {"spec": {"observed": {"time": "0001-01-01T00:00:00+14:00"}}})


@pytest.mark.parametrize("spoil", [without_digest, before_all_time])
async def test_an_outcome_that_can_never_be_recorded_holds_no_simulation(
    spoil: Callable[[Installation], None], caplog: pytest.LogCaptureFixture
) -> None:
    async with Installation(RARELY) as site:
        await graded(site)
        await site.stop()
        spoil(site)
        site.archive = InMemoryArchive()
        site.start()
        await site.until(lambda: len(recorded(site)) == len(NUMBERS) - 1, seconds=5)
        await ask(site, "now")
        assert incomplete(site) == {}
        assert "The outcome of default/question-0 cannot be recorded again" in caplog.text


async def test_a_time_that_cannot_be_read_keeps_no_simulation_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Installation(RARELY) as site:
        await graded(site)
        found = [replace(each, completed="0000-01-15T08:00:00Z") async for each in site.cluster.graded()]

        async def listed() -> AsyncIterator[GradedObject]:
            for each in found:
                yield each

        monkeypatch.setattr(site.cluster, "graded", listed)  # the API server takes the year 0
        await site.restart()
        await ask(site, "now")


async def test_a_retraining_job_waits_for_missing_outcomes() -> None:
    async with Installation(RARELY) as site:
        workers = await serving(site)
        for number in range(3):
            observe(site, number, 0.07)
        await site.until(lambda: len(site.archive.outcomes(site.twin("letters"))) == 3)
        await site.stop()
        site.archive = archive = Faulty("record")
        site.start()
        site.apply(job(approval={"approved": True, "by": "jane"}))
        await site.until(lambda: site.condition("RetrainingJob", "again").get("reason") == "OutcomesMissing")
        await site.advance(HELD_SECONDS)
        assert TaskKind.RETRAIN not in workers.work()
        assert site.status("RetrainingJob", "again")["phase"] == "Training"
        archive.statement = ""
        await workers.do(TaskKind.RETRAIN)
        await workers.do(TaskKind.GATE)
        await site.until_phase("RetrainingJob", "again", "Completed")
        assert version_of_letters(site) == "2"


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    """Collect what the operator logs."""
    caplog.set_level(logging.INFO, "twin_operator")
