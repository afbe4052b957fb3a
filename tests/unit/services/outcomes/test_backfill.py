"""An archive that lost outcomes takes them in again from the graded Simulations, and the twin stays as it was."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.fakes.archive import InMemoryArchive
from tests.fakes.cluster import CLUSTER_UID, InMemoryCluster
from tests.fakes.crashes import CrashPlan, Moment
from tests.fakes.inline_executor import InlineExecutor
from tests.fakes.installation import Installation
from tests.fakes.ready_twin import TWIN, simulation
from tests.unit.domain.outcomes import outcome
from tests.unit.services.outcomes.site import (
    KIND,
    NUMBERS,
    Slow,
    graded,
    incomplete,
    recorded,
    seen_statuses,
    validations,
)
from twin_operator.adapters.kubernetes_api.typed_resources import TypedResources
from twin_operator.domain.fidelity.ledger import RecordedOutcome, TwinKey
from twin_operator.services.archive.archiving import ArchiveAccess
from twin_operator.services.outcomes import backfill
from twin_operator.services.outcomes.ledger import Comparison, Ledger
from twin_operator.services.reconciling.ports import GradedObject

pytestmark = pytest.mark.looptime
RESYNC_SECONDS = 60.0


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven outcomes are three pages."""
    monkeypatch.setattr(backfill, "PAGE", 3)


@pytest.mark.usefixtures("small_pages")
async def test_the_twin_stays_as_it_was_while_its_outcomes_are_taken_in_again() -> None:
    async with Installation() as site:
        before, rows = await graded(site), recorded(site)
        await site.stop()
        site.archive = InMemoryArchive()
        statuses = seen_statuses(site)
        site.start()
        await site.until(lambda: len(recorded(site)) == len(NUMBERS))
        await site.advance(5)
        assert site.status("TwinModel", TWIN) == before
        assert {str(status["fidelity"]) for status in statuses} == {str(before["fidelity"])}
        assert sorted(map(key_of, recorded(site))) == sorted(map(key_of, rows))


def key_of(outcome: RecordedOutcome) -> tuple[object, ...]:
    """Return all of an outcome that a status has to the last digit."""
    graded = outcome.graded
    issued = outcome.simulation, outcome.name, outcome.twin, outcome.run_id, outcome.experiment, outcome.issued
    return str(issued), outcome.observed, graded.grade, graded.covered, outcome.time, outcome.recorded


@pytest.mark.usefixtures("small_pages")
async def test_a_twin_says_how_many_outcomes_are_missing_while_that_is_so() -> None:
    async with Installation() as site:
        before = await graded(site)
        await site.stop()
        site.archive = archive = Slow(pages=1)
        site.start()
        await site.until(lambda: incomplete(site).get("status") == "True")
        await site.until(lambda: "lacks 4 graded outcomes" in incomplete(site)["message"])
        assert incomplete(site)["reason"] == "OutcomesMissing"
        assert site.status("TwinModel", TWIN)["fidelity"] == before["fidelity"]
        assert site.condition("TwinModel", TWIN, "Faithful")["reason"] != "NotValidated"
        archive.pages, archive.reachable = 99, True
        await site.until(lambda: incomplete(site) == {})
        assert len(recorded(site)) == len(NUMBERS)
        assert site.status("TwinModel", TWIN) == before


@pytest.mark.usefixtures("small_pages")
async def test_outcomes_that_the_archive_has_are_not_counted_as_recorded_again() -> None:
    async with Installation() as site:
        await graded(site)
        first_page = [row for row in recorded(site) if row.name in {"question-0", "question-1", "question-2"}]
        await site.stop()
        site.archive = archive = Slow(pages=1)
        InMemoryArchive.record(archive, first_page)
        site.start()
        await site.until(lambda: "lacks 1 graded outcomes" in incomplete(site).get("message", ""))
        archive.reachable = True
        assert len(recorded(site)) == len(NUMBERS) - 1


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("page", [1, 2, 3])
async def test_a_crash_between_two_pages_goes_on_where_it_ended(page: int, moment: Moment) -> None:
    async with Installation() as site:
        before = await graded(site)
        await site.stop()
        site.archive = InMemoryArchive()
        site.crashes = CrashPlan(ports=["archive"], moment=moment)
        site.processes.clear()  # the plan is that of the next process
        record_number(site.crashes, page)
        site.start()
        await site.until(lambda: len(recorded(site)) == len(NUMBERS))
        await site.until(lambda: incomplete(site) == {} and site.status("TwinModel", TWIN) == before)
        assert site.crashes.dead


def record_number(plan: CrashPlan, number: int) -> None:
    """Have the process end at the `number`-th call of `archive.record`."""
    enter, count = plan.enter, 0

    def counting(call: str, *, counted: bool) -> int:
        nonlocal count
        if call == "archive.record":
            count += 1
            plan.at = len(plan.calls) + 1 if count == number else None
        return enter(call, counted=counted)

    plan.enter = counting  # type: ignore[method-assign]


class Interrupted(InMemoryCluster):
    """A cluster during whose first list of graded Simulations the archive goes down and comes back."""

    access: ArchiveAccess | None = None

    async def graded(self) -> AsyncIterator[GradedObject]:
        """List, and note an outage first."""
        access, self.access = self.access, None
        if access is not None:
            access.outages += 1
        async for each in super().graded():
            yield each


class Comparing:
    """A back-fill on its own, without an operator that wakes it.

    Args:
        cluster: has the graded Simulations.
    """

    def __init__(self, cluster: InMemoryCluster) -> None:
        asyncio.get_running_loop().set_default_executor(InlineExecutor())
        self.archive, self.access = InMemoryArchive(), ArchiveAccess(changed=lambda **_reachable: None)
        self.ledger = Ledger(self.archive, self.access, CLUSTER_UID, lambda: None)
        resources = TypedResources(cluster)
        self.backfill = backfill.Backfill(
            self.archive, self.access, self.ledger, resources, CLUSTER_UID, RESYNC_SECONDS
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have it compare at start and at each resync."""
        task = asyncio.create_task(self.backfill.run())
        await asyncio.sleep(1)
        yield
        task.cancel()


async def test_a_comparison_during_which_the_archive_went_away_is_none() -> None:
    cluster = Interrupted(lambda: 0.0)
    comparing = Comparing(cluster)
    cluster.access = comparing.access
    await comparing.backfill.take_in()
    assert not comparing.ledger.compared
    await comparing.backfill.take_in()
    assert comparing.ledger.compared


async def test_fewer_outcomes_than_were_counted_are_a_loss_though_none_was_read() -> None:
    comparing = Comparing(InMemoryCluster(lambda: 0.0))
    comparing.archive.record([outcome("autumn", twin=TwinKey(CLUSTER_UID, "default", TWIN))])
    async with comparing.running():
        assert (comparing.ledger.losses, comparing.ledger.compared) == (0, True)
        comparing.archive.lose_outcomes()
        await asyncio.sleep(RESYNC_SECONDS)
        assert (comparing.ledger.losses, comparing.ledger.compared) == (1, True)


async def test_outcomes_that_are_lost_again_before_the_next_count_are_taken_in_again() -> None:
    async with Installation() as site:
        await graded(site)
        site.remove("TwinModel", TWIN)  # which would read them
        await site.stop()
        site.archive.lose_outcomes()
        site.start()
        for _loss in range(2):
            await site.until(lambda: len(recorded(site)) == len(NUMBERS))
            site.archive.lose_outcomes()
        await site.until(lambda: len(recorded(site)) == len(NUMBERS))


async def test_an_archive_that_answers_again_is_compared_before_the_next_resync() -> None:
    comparing = Comparing(InMemoryCluster(lambda: 0.0))
    comparing.archive.reachable = False
    async with comparing.running():
        comparing.archive.reachable = True
        await comparing.access.probe(comparing.archive.known, [])
        await asyncio.sleep(backfill.RETRY_SECONDS)
        assert comparing.ledger.compared


async def test_outcomes_that_were_read_before_the_missing_ones_were_recorded_are_read_again() -> None:
    async with Installation() as site:
        await graded(site, range(1))
        await site.stop()
        comparing = Comparing(site.cluster)
        comparing.ledger.take(Comparison(Counter(), losses=0, outages=0))
        assert await comparing.ledger.outcomes(("default", TWIN)) == ()
        await comparing.backfill.take_in()
        assert len(await comparing.ledger.outcomes(("default", TWIN)) or ()) == 1


async def test_a_second_comparison_records_nothing() -> None:
    async with Installation() as site:
        await graded(site)
        rows = recorded(site)
        for _again in range(2):
            await site.restart()
            await site.advance(5)
        assert recorded(site) == rows


async def test_what_the_archive_loses_while_the_operator_runs_is_taken_in_at_the_next_resync() -> None:
    async with Installation() as site:
        before = await graded(site)
        await site.advance(120)
        site.archive.lose_outcomes()
        await site.until(lambda: len(recorded(site)) == len(NUMBERS), seconds=130)
        await site.advance(5)
        assert site.status("TwinModel", TWIN) == before


async def test_outcomes_of_a_backup_with_new_uids_are_not_counted_twice() -> None:
    async with Installation() as site:
        await graded(site, range(2))
        bodies = [site.get(KIND, f"question-{number}") for number in range(2)]
        await site.stop()
        for body in bodies:
            site.remove(KIND, body["metadata"]["name"])
            site.apply(simulation(body["metadata"]["name"], observed=body["spec"]["observed"]))
            site.cluster.patch_status(KIND, "default", body["metadata"]["name"], {"status": body["status"]})
        site.start()
        await site.advance(10)
        assert site.archive.outcome_count(CLUSTER_UID) == 2
        assert validations(site) == 2


@pytest.mark.parametrize("hindsight", [True, False])
async def test_the_grade_that_a_status_has_is_recorded_and_not_another(*, hindsight: bool) -> None:
    written = {"grade": "Poor", "covered": False, "absoluteError": 7.0, "relativeError": 0.5, "standardizedError": 3.0}
    async with Installation() as site:
        await graded(site, range(1))
        await site.stop()
        status = {"fidelity": {**written, "hindsight": hindsight or None}}
        site.cluster.patch_status(KIND, "default", "question-0", {"status": status})
        site.patch(KIND, "question-0", {"spec": {"observed": {"time": "2020-01-01T00:00:00Z"}}})  # before the answer
        site.archive = InMemoryArchive()
        site.start()
        await site.until(lambda: recorded(site))
        (found,) = recorded(site)
        grade = found.graded
        errors = grade.absolute_error, grade.relative_error, grade.standardized_error
        assert (grade.grade, grade.covered, errors, found.hindsight) == ("Poor", False, (7.0, 0.5, 3.0), hindsight)


async def test_an_object_of_the_first_release_is_recorded_at_its_own_time() -> None:
    async with Installation() as site:
        await graded(site, range(2))
        for number in range(2):
            status = {"fidelity": {"recordedTime": None}, "modelRunID": None}
            site.cluster.patch_status(KIND, "default", f"question-{number}", {"status": status})
        await site.stop()
        site.archive = InMemoryArchive()
        site.start()
        await site.until(lambda: len(recorded(site)) == 2)
        assert [each.recorded for each in recorded(site)] == [each.predicted_at for each in recorded(site)]
        assert {each.run_id for each in recorded(site)} == {None}


async def lost_by_archive(site: Installation, number: int) -> None:
    """Have the archive lose outcomes, and the operator record as many of them again."""
    await site.stop()
    site.archive = InMemoryArchive()
    site.start()
    await site.until(lambda: len(recorded(site)) == number)
    await site.until(lambda: validations(site) == number and incomplete(site) == {})


async def test_the_log_says_when_all_missing_outcomes_are_recorded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "twin_operator")
    async with Installation() as site:
        await graded(site, range(2))
        await lost_by_archive(site, 2)
    assert "The archive lacks 2 graded outcomes; recording them again from their Simulations." in caplog.messages
    assert "The missing outcomes are recorded." in caplog.messages


async def test_a_simulation_whose_outcome_cannot_be_read_keeps_no_other_from_the_archive(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Installation() as site:
        await graded(site, range(3))
        site.cluster.patch_status(KIND, "default", "question-0", {"status": {"basis": {"weightsDigest": None}}})
        await lost_by_archive(site, 2)
    assert any(each.startswith("The missing outcomes are recorded, except 1: ") for each in caplog.messages)
