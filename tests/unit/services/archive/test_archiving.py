"""Archiving and the grading of outcomes at their outer boundary: finished Simulations in, archive and statuses out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest

from tests.fakes.archive import InMemoryArchive
from tests.fakes.every_crash import every_crash
from tests.fakes.installation import Installation
from tests.fakes.outbox import InMemoryOutbox
from tests.fakes.ready_twin import TWIN, install_twin, simulation
from twin_operator.domain.twin import TauWeights
from twin_operator.services.outcomes import grading
from twin_operator.services.runs.run import JSON

pytestmark = pytest.mark.looptime

KIND = "Simulation"
OBSERVED = {"experiment": "autumn", "effect": 2.0, "standardError": 0.1}
REGISTERED = f"default.{TWIN}"


async def answered(site: Installation, *names: str, **spec: Any) -> list[JSON]:
    """Ask some Simulations and wait for their answers."""
    install_twin(site)
    site.employ()
    for name in names:
        site.apply(simulation(name, **spec))
    for name in names:
        await site.until_phase(KIND, name, "Succeeded")
    return [site.get(KIND, name) for name in names]


def uids(bodies: list[JSON]) -> set[str]:
    return {body["metadata"]["uid"] for body in bodies}


def graded(site: Installation, name: str) -> bool:
    return bool((site.status(KIND, name).get("fidelity") or {}).get("grade"))


async def test_a_finished_simulation_is_archived_as_its_status_says() -> None:
    async with Installation() as site:
        (body,) = await answered(site, "question")
        await site.until(lambda: site.archive.known(uids([body])))
        (row,) = site.archive.simulations.values()
        assert (row["name"], row["model"], row["registered_model"]) == ("question", TWIN, REGISTERED)
        assert (row["phase"], row["reason"], row["arm"]) == ("Succeeded", "Succeeded", "letter")
        assert row["answer"]["effect"] == body["status"]["effect"]
        assert row["answer"]["recommendation"] == body["status"]["recommendation"]
        assert row["spec"]["intervention"] == body["spec"]["intervention"]
        await site.until(lambda: not site.queue.server.content().outbox)


async def test_a_failed_simulation_is_archived_with_its_reason() -> None:
    async with Installation() as site:
        install_twin(site)
        site.employ()
        site.apply(simulation("question", intervention={"arm": "unknown"}))
        await site.until_phase(KIND, "question", "Failed")
        await site.until(lambda: site.archive.simulations)
        (row,) = site.archive.simulations.values()
        assert (row["phase"], row["reason"]) == ("Failed", site.condition(KIND, "question")["reason"])


async def test_tau_weights_of_a_prediction_are_archived_under_the_digest_that_its_status_names() -> None:
    async with Installation() as site:
        (body,) = await answered(site, "question")
        digest = body["status"]["basis"]["weightsDigest"]
        await site.until(lambda: site.archive.weights([digest]))
        assert site.archive.weights([digest])[digest].digest == digest


async def test_equal_tau_weights_are_sent_once() -> None:
    async with Installation() as site:
        sent: list[JSON] = []
        site.outbox = recorder = RecordingOutbox(site, sent)
        await site.restart()
        await answered(site, "first", "second")
        await answered(site, "third")
        assert site.outbox is recorder
        assert sum("weights" in entry for entry in sent) == 1


class RecordingOutbox(InMemoryOutbox):
    """An outbox that keeps what was put into it."""

    def __init__(self, site: Installation, sent: list[JSON]) -> None:
        super().__init__(site.queue)
        self.sent = sent

    async def put(self, entries: Collection[JSON]) -> None:
        """Append entries, and keep them."""
        self.sent.extend(entries)
        await super().put(list(entries))


async def test_what_ends_while_the_archive_is_down_is_archived_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Installation() as site:
        site.archive.reachable = False
        bodies = await answered(site, "first", "second")
        await site.until(lambda: site.metric("twinops_archive_up") == 0)
        await site.until(lambda: site.metric("twinops_archive_waiting_entries") > 0)
        await site.until(lambda: site.condition("TwinModel", TWIN, "ArchiveReachable").get("status") == "False")
        site.archive.reachable = True
        await site.until(lambda: site.archive.known(uids(bodies)) == uids(bodies), seconds=3)
        await site.until(lambda: site.metric("twinops_archive_up") == 1)
        await site.until(lambda: site.metric("twinops_archive_waiting_entries") == 0)
        await site.until(lambda: site.condition("TwinModel", TWIN, "ArchiveReachable").get("status") is None)
    messages = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert [message for message in messages if "Archiving waits" in message] == []


async def test_what_redis_forgot_is_archived_by_the_next_leader() -> None:
    async with Installation() as site:
        site.archive.reachable = False
        bodies = await answered(site, "first", "second")
        await site.stop()
        site.queue.flush()
        site.archive.reachable = True
        site.start()
        await site.until(lambda: site.archive.known(uids(bodies)) == uids(bodies))


async def test_many_that_redis_forgot_of_a_namespace_delay_no_other_namespace() -> None:
    async with Installation() as site:  # objects are listed by namespace: "default" comes before "z"
        await answered(site, *(f"q{number}" for number in range(5)))
        install_twin(site, namespace="z")
        site.apply(simulation("other", "z"))
        await site.until_phase(KIND, "other", "Succeeded", "z")
        await site.until(lambda: len(site.archive.simulations) == 6)
        site.archive.simulations.clear()
        await site.restart()
        await site.until(lambda: len(site.archive.simulations) == 6)
        assert [row["name"] for row in site.archive.simulations.values()].index("other") < 2


async def test_many_outcomes_of_a_namespace_delay_no_other_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading, "BATCH", 2)
    async with Installation() as site:
        names = [f"q{number}" for number in range(6)]
        await answered(site, *names)
        install_twin(site, namespace="b")
        site.apply(simulation("other", "b"))
        await site.until_phase(KIND, "other", "Succeeded", "b")
        for name in names:
            site.patch(KIND, name, {"spec": {"observed": OBSERVED}})
        site.patch(KIND, "other", {"spec": {"observed": OBSERVED}}, "b")
        await site.until(lambda: (site.status(KIND, "other", "b").get("fidelity") or {}).get("grade"))
        assert sum(graded(site, name) for name in names) < 4


async def test_redis_out_of_reach_only_delays_archiving() -> None:
    async with Installation() as site:
        (body,) = await answered(site, "question")
        site.queue.reachable = False
        await site.advance(30)
        site.queue.reachable = True
        await site.until(lambda: site.archive.known(uids([body])))


async def test_an_archive_that_stops_answering_unasked_is_noticed_within_a_quarter_of_a_minute() -> None:
    async with Installation() as site:
        await site.until(lambda: site.metric("twinops_archive_up") == 1)
        site.archive.reachable = False
        await site.until(lambda: site.metric("twinops_archive_up") == 0, seconds=15)


BROKEN = {"metadata": {"namespace": "default", "name": "broken", "uid": "u"}, "spec": {}, "status": {}}


@pytest.mark.parametrize(
    "entry",
    [
        {"simulation": BROKEN},
        {"simulation": "x"},
        {"simulation": {"metadata": "x"}},
        {"weights": {}, "digest": "d"},
        {"weights": "x", "digest": "d"},
        {"weights": {}},
        {"other": 1},
    ],
)
async def test_an_entry_that_cannot_be_read_keeps_no_other_from_the_archive(entry: dict[str, Any]) -> None:
    async with Installation() as site:
        await site.outbox.put([entry])
        (body,) = await answered(site, "question")
        await site.until(lambda: site.archive.known(uids([body])))
        await site.until(lambda: not site.queue.server.content().outbox)


async def test_many_that_ended_at_once_are_all_archived() -> None:
    async with Installation() as site:
        install_twin(site)
        names = [f"question-{number}" for number in range(60)]
        for name in names:
            site.apply(simulation(name))
        site.employ()
        for name in names:
            await site.until_phase(KIND, name, "Succeeded")
        await site.until(lambda: len(site.archive.simulations) == len(names))


async def test_an_expired_simulation_is_deleted_only_when_the_archive_has_it() -> None:
    async with Installation() as site:
        site.archive.reachable = False
        await answered(site, "question", ttlSecondsAfterFinished=5)
        await site.advance(60)
        assert site.status(KIND, "question")["phase"] == "Succeeded"
        site.archive.reachable = True
        await site.until(lambda: site.cluster.objects(KIND) == [])
        assert len(site.archive.simulations) == 1


async def test_an_outcome_is_graded_recorded_and_counted_by_its_twin() -> None:
    async with Installation() as site:
        await answered(site, "question")
        site.patch(KIND, "question", {"spec": {"observed": OBSERVED}})
        await site.until(lambda: graded(site, "question"))
        (outcome,) = site.archive.outcomes(site.twin(TWIN))
        status = site.status(KIND, "question")
        assert (outcome.experiment, outcome.observed, outcome.hindsight) == ("autumn", 2.0, False)
        assert status["fidelity"]["absoluteError"] == pytest.approx(abs(status["effect"]["estimate"] - 2.0), rel=1e-4)
        assert status["observedGeneration"] == site.get(KIND, "question")["metadata"]["generation"]
        assert status["conditions"][0]["reason"] == "Succeeded"
        await site.until(lambda: site.status("TwinModel", TWIN)["fidelity"]["validations"] == 1)


async def test_an_outcome_is_graded_with_the_tau_weights_of_its_prediction_also_after_a_restart() -> None:
    async with Installation() as site:
        site.archive = archive = AskedArchive()
        await site.restart()
        (body,) = await answered(site, "question")
        await site.until(lambda: archive.known(uids([body])))
        await site.restart()
        site.patch(KIND, "question", {"spec": {"observed": OBSERVED}})
        await site.until(lambda: graded(site, "question"))
        assert archive.wanted == [body["status"]["basis"]["weightsDigest"]]


class AskedArchive(InMemoryArchive):
    """An archive that keeps the digests of the tau weights that it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[str] = []

    def weights(self, digests: Collection[str]) -> dict[str, TauWeights]:
        """Return tau weights, and note whose."""
        self.wanted.extend(digests)
        return super().weights(digests)


async def test_an_outcome_that_came_with_its_question_is_hindsight() -> None:
    async with Installation() as site:
        await answered(site, "question", observed=OBSERVED)
        await site.until(lambda: graded(site, "question"))
        assert site.status(KIND, "question")["fidelity"]["hindsight"] is True


async def test_an_outcome_that_is_recorded_stands_however_often_it_is_graded() -> None:
    async with Installation() as site:
        (body,) = await answered(site, "question")
        site.patch(KIND, "question", {"spec": {"observed": OBSERVED}})
        await site.until(lambda: graded(site, "question"))
        before = site.archive.recorded(uids([body]))
        site.cluster.patch_status(KIND, "default", "question", {"status": {"fidelity": None}})
        await site.until(lambda: graded(site, "question"))
        assert site.archive.recorded(uids([body])) == before
        grade = site.status(KIND, "question")["fidelity"]["grade"]
        assert site.metric("twinops_outcomes_graded_total", namespace="default", model=TWIN, grade=grade) == 1


async def test_outcomes_wait_for_an_archive_that_is_down() -> None:
    async with Installation() as site:
        await answered(site, "question")
        site.archive.reachable = False
        site.patch(KIND, "question", {"spec": {"observed": OBSERVED}})
        await site.until(lambda: site.metric("twinops_outcomes_waiting") == 1)
        await site.advance(30)
        assert not graded(site, "question")
        site.archive.reachable = True
        await site.until(lambda: graded(site, "question"))
        await site.until(lambda: site.metric("twinops_outcomes_waiting") == 0)


async def test_an_answer_that_lacks_what_grading_needs_is_reported_and_keeps_no_other_waiting() -> None:
    async with Installation() as site:
        await answered(site, "old", "new")
        site.cluster.patch_status(KIND, "default", "old", {"status": {"basis": {"weightsDigest": None}}})
        for name in ("old", "new"):
            site.patch(KIND, name, {"spec": {"observed": OBSERVED}})
        await site.until(lambda: graded(site, "new"))
        await site.until(lambda: "NotGraded" in [event.reason for event in site.cluster.events])
        assert not graded(site, "old")


async def test_a_grade_is_written_over_what_changed_meanwhile() -> None:
    async with Installation() as site:
        site.archive = SlowRecord(site)
        await site.restart()
        await answered(site, "question")
        site.patch(KIND, "question", {"spec": {"observed": OBSERVED}})
        await site.until(lambda: graded(site, "question"))
        assert site.get(KIND, "question")["metadata"]["labels"] == {"changed": "meanwhile"}


class SlowRecord(InMemoryArchive):
    """An archive during whose record a user labels the Simulation."""

    def __init__(self, site: Installation) -> None:
        super().__init__()
        self.site = site

    def record(self, outcomes: Any) -> Any:
        """Record, after the object changed."""
        self.site.patch(KIND, "question", {"metadata": {"labels": {"changed": "meanwhile"}}})
        return super().record(outcomes)


async def test_a_simulation_that_is_deleted_while_it_is_graded_stays_recorded() -> None:
    async with Installation() as site:
        site.archive = Deleting(site)
        await site.restart()
        await answered(site, "question")
        site.patch(KIND, "question", {"spec": {"observed": OBSERVED}})
        await site.until(lambda: site.archive.outcomes(site.twin(TWIN)))
        await site.until(lambda: (site.status("TwinModel", TWIN).get("fidelity") or {}).get("validations") == 1)
        await site.advance(5)
        assert site.metric("twinops_outcomes_waiting") == 0


async def test_a_simulation_of_the_same_name_does_not_get_the_grade_of_the_deleted_one() -> None:
    async with Installation() as site:
        site.archive = Deleting(site, then=lambda: site.apply(simulation("question")))
        await site.restart()
        await answered(site, "question")
        site.patch(KIND, "question", {"spec": {"observed": OBSERVED}})
        await site.until(lambda: site.archive.outcomes(site.twin(TWIN)))
        await site.advance(5)
        assert site.status(KIND, "question")["phase"] == "Succeeded"
        assert not graded(site, "question")


class Deleting(InMemoryArchive):
    """An archive during whose record a user deletes the Simulation."""

    def __init__(self, site: Installation, then: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.site = site
        self.then = then

    def record(self, outcomes: Any) -> Any:
        """Record, after the object was deleted."""
        self.site.remove(KIND, "question")
        self.then()
        return super().record(outcomes)


async def test_a_failure_of_the_archive_that_nobody_expected_is_retried() -> None:
    async with Installation() as site:
        site.archive = Failing()
        await site.restart()
        (body,) = await answered(site, "question")
        await site.until(lambda: site.archive.known(uids([body])))


class Failing(InMemoryArchive):
    """An archive whose first transaction fails."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 1

    def store(self, simulations: Any, weights: Any) -> None:
        """Fail once, then store."""
        if self.failures:
            self.failures -= 1
            raise RuntimeError("deadlock detected")
        super().store(simulations, weights)


async def an_outcome(site: Installation) -> None:
    """Ask two Simulations, record the outcome of one, and wait until the archive and the twin have all of it."""
    bodies = await answered(site, "first", "second")
    site.patch(KIND, "first", {"spec": {"observed": OBSERVED}})
    await site.until(lambda: graded(site, "first"))
    await site.until(lambda: site.archive.known(uids(bodies)) == uids(bodies))
    await site.until(lambda: (site.status("TwinModel", TWIN).get("fidelity") or {}).get("validations") == 1)


async def test_a_crash_at_any_call_changes_nothing_of_archiving_and_grading() -> None:
    await every_crash(an_outcome, ports=("resources", "archive", "outbox"))
