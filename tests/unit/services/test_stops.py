"""Every kind of stop at every moment of a run: registered versions, promotions and statuses are counted.

A stop that is shorter-lived than what it stops lets cancelled work go on: by a message that is delivered again, by a
worker that has not noticed, or by an operator that promotes what was cancelled meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import pytest

from tests.fakes.data_source import InMemoryData
from tests.fakes.installation import Installation
from tests.fakes.ready_twin import TWIN, install_twin, simulation, twin_model
from tests.unit.domain.tables import trial
from tests.unit.services.paused_worker import Moment, PausedWorker
from twin_operator.services.runs.run import JSON, Run, TaskKind

pytestmark = [pytest.mark.looptime, pytest.mark.learner]
MODEL: Final = ("TwinModel", TWIN)
JOB: Final = ("RetrainingJob", "again")
QUESTION: Final = ("Simulation", "question")
REGISTERED: Final = f"default.{TWIN}"
DEADLINE_SECONDS: Final = 60
Stopping = Callable[[Installation], Awaitable[None]]


def paused_worker(site: Installation) -> PausedWorker:
    return PausedWorker(site, InMemoryData({"file:///data/trial.csv": trial(rows=200)}))


def retraining_job(**changes: Any) -> JSON:
    spec = {"modelRef": {"name": TWIN}, "approval": {"approved": True, "by": "jane"}, **changes}
    return {"apiVersion": "twinops.dev/v1alpha1", "kind": "RetrainingJob", "metadata": {"name": "again"}, "spec": spec}


class Play:
    """A run that is stopped at one moment of the first task of a kind.

    Args:
        site: the installation.
        kind: of the task.
        at: the moment.
        stop: what a user does, or the clock.
    """

    def __init__(self, site: Installation, kind: TaskKind, at: Moment, stop: Stopping) -> None:
        self.site, self.kind, self.at, self.stop = site, kind, at, stop
        self.worker = paused_worker(site)
        self.queue = {TaskKind.GATE: "validation", TaskKind.SIMULATE: "simulations"}.get(kind, "training")
        self.stopped = False

    async def until_stopped(self) -> None:
        """Carry out the task up to the moment, stop it there, and let operator and worker react."""
        await self.site.until(self.is_queued)
        await self._reached(Moment.QUEUED)
        await self.worker.carry_out(self.queue, self._reached)
        if self.at is Moment.RECORDED:
            await self._reached(Moment.RECORDED, settle=False)
        assert self.stopped
        await self.site.advance(1)

    async def to_the_end(self, rounds: int = 5) -> None:
        """Carry out whatever else there is, until longer than an installation repeats anything."""
        for _ in range(rounds):
            for queue in ("training", "validation", "simulations"):
                while await self.worker.carry_out(queue):
                    await self.site.advance(1)
            await self.site.advance(31)

    def is_queued(self) -> bool:
        """Whether a message stands in the queue of the task."""
        return any(messages for messages in self.site.queue.server.lists_of(self.queue))

    async def _reached(self, moment: Moment, *, settle: bool = True) -> None:
        if moment is self.at and not self.stopped:
            self.stopped = True
            await self.stop(self.site)
            await self.site.advance(1 if settle else 0)

    @property
    def versions(self) -> list[str]:
        return self.site.registry.versions(REGISTERED)

    @property
    def champion(self) -> str | None:
        return self.site.registry.champion_version(REGISTERED)


# RetrainingJobs.


async def cancel(site: Installation) -> None:
    site.patch(*JOB, {"spec": {"cancel": True}})


async def delete_job(site: Installation) -> None:
    site.remove(*JOB)


async def delete_model(site: Installation) -> None:
    site.remove(*MODEL)


async def pass_deadline(site: Installation) -> None:
    await site.advance(DEADLINE_SECONDS + 1)


async def restart_and_delete_model(site: Installation) -> None:
    await site.restart()
    site.remove(*MODEL)


JOB_STOPS: Final[dict[Stopping, str | None]] = {
    cancel: "Cancelled",
    delete_job: None,
    delete_model: "Failed",
    pass_deadline: "Failed",
    restart_and_delete_model: "Failed",
}
MOMENTS: Final[dict[TaskKind, list[Moment]]] = {
    TaskKind.RETRAIN: list(Moment),
    TaskKind.GATE: [Moment.QUEUED, Moment.CLAIMED, Moment.WORKING, Moment.RECORDED],
}
CANDIDATE_EXISTS: Final = frozenset({Moment.REGISTERED, Moment.RECORDED})


async def job_at(site: Installation, kind: TaskKind, at: Moment, stop: Stopping, **spec: Any) -> Play:
    """Have a job stopped at a moment of one of its tasks."""
    install_twin(site)
    site.apply(retraining_job(**spec))
    play = Play(site, kind, at, stop)
    if kind is TaskKind.GATE:
        await site.until_phase(*JOB, "Training")
        await site.until(lambda: any(site.queue.server.lists_of("training")))
        await play.worker.carry_out("training")
    await play.until_stopped()
    return play


@pytest.mark.parametrize("stop", JOB_STOPS)
@pytest.mark.parametrize(("kind", "at"), [(kind, at) for kind, moments in MOMENTS.items() for at in moments])
async def test_a_job_that_is_stopped_registers_nothing_more_and_promotes_nothing(
    kind: TaskKind, at: Moment, stop: Stopping
) -> None:
    async with Installation() as site:
        play = await job_at(site, kind, at, stop, activeDeadlineSeconds=DEADLINE_SECONDS)
        await play.to_the_end()
        candidates = ["2"] if kind is TaskKind.GATE or at in CANDIDATE_EXISTS else []
        assert (play.versions, play.champion) == (["1", *candidates], "1")
        if (phase := JOB_STOPS[stop]) is not None:
            assert site.status(*JOB)["phase"] == phase


async def test_a_job_that_is_cancelled_while_the_operator_decides_on_it_is_not_promoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Installation() as site:
        read, cancelled = site.queue.runs, False

        async def read_and_cancel(ids: Iterable[str]) -> dict[str, Run]:
            nonlocal cancelled
            found = await read(ids)
            if not cancelled and any("-against-" in run and record.outcome for run, record in found.items()):
                cancelled = True
                await cancel(site)
            return found

        async def cancel_when_the_comparison_is_read(site: Installation) -> None:
            monkeypatch.setattr(site.queue, "runs", read_and_cancel)

        play = await job_at(site, TaskKind.GATE, Moment.RECORDED, cancel_when_the_comparison_is_read)
        await play.to_the_end(rounds=1)
        assert cancelled
        assert (play.champion, site.status(*JOB)["phase"]) == ("1", "Cancelled")


@pytest.mark.parametrize("at", Moment)
async def test_a_job_that_is_suspended_at_any_moment_goes_on_later_without_another_attempt(at: Moment) -> None:
    async with Installation() as site:
        play = await job_at(site, TaskKind.RETRAIN, at, suspend_model)
        await play.to_the_end(rounds=1)
        assert site.condition(*JOB)["reason"] == "ModelSuspended"
        assert play.champion == "1"
        site.patch(*MODEL, {"spec": {"suspend": False}})
        await play.to_the_end()
        assert (play.versions, play.champion, site.status(*JOB)["phase"]) == (["1", "2"], "2", "Completed")
        assert site.status(*JOB)["attempts"] == 1


async def test_a_suspended_job_that_is_cancelled_is_cancelled_for_its_worker_too() -> None:
    async with Installation() as site:
        await job_at(site, TaskKind.RETRAIN, Moment.QUEUED, suspend_model)
        await cancel(site)
        await site.until_phase(*JOB, "Cancelled")
        record = site.queue.server.record(f"{site.get(*JOB)['metadata']['uid']}-train")
        assert record is not None
        assert record.stop == "cancelled"


async def test_a_job_that_is_not_stopped_is_promoted_once() -> None:
    async with Installation() as site:

        async def nothing(_site: Installation) -> None:
            """Leave it to go on."""

        play = await job_at(site, TaskKind.RETRAIN, Moment.WORKING, nothing)
        await play.to_the_end()
        assert (play.versions, play.champion, site.status(*JOB)["phase"]) == (["1", "2"], "2", "Completed")


# First trainings.


async def make_model_again(site: Installation) -> None:
    site.remove(*MODEL)
    site.apply(twin_model())


async def change_learner(site: Installation) -> None:
    site.patch(*MODEL, {"spec": {"learner": {"seed": 7}}})


async def suspend_model(site: Installation) -> None:
    site.patch(*MODEL, {"spec": {"suspend": True}})


async def training_at(site: Installation, at: Moment, stop: Stopping) -> Play:
    """Have a first training stopped at a moment."""
    site.apply(twin_model())
    play = Play(site, TaskKind.TRAIN, at, stop)
    await play.until_stopped()
    return play


@pytest.mark.parametrize("at", Moment)
async def test_a_model_that_is_deleted_registers_and_promotes_nothing_more(at: Moment) -> None:
    async with Installation() as site:
        play = await training_at(site, at, delete_model)
        await play.to_the_end()
        before = ["1"] if at in CANDIDATE_EXISTS else []
        assert (play.versions, play.champion) == (before, "1" if at is Moment.RECORDED else None)


@pytest.mark.parametrize("at", Moment)
async def test_a_model_that_is_made_again_is_trained_once_more_and_the_earlier_training_ends(at: Moment) -> None:
    async with Installation() as site:
        play = await training_at(site, at, make_model_again)
        await play.to_the_end()
        last = "2" if at is Moment.REGISTERED else "1"  # after the report, the champion of the same data is adopted
        assert (play.versions[-1], play.champion, len(play.versions)) == (last, last, int(last))
        assert site.status(*MODEL)["model"]["version"] == last


@pytest.mark.parametrize("at", Moment)
async def test_a_training_by_an_earlier_spec_makes_no_version_after_the_change(at: Moment) -> None:
    async with Installation() as site:
        play = await training_at(site, at, change_learner)
        await play.to_the_end()
        last = "2" if at in CANDIDATE_EXISTS else "1"
        assert (play.versions[-1], play.champion, len(play.versions)) == (last, last, int(last))
        assert site.status(*MODEL)["model"]["version"] == last


@pytest.mark.parametrize("at", Moment)
async def test_a_model_that_is_suspended_is_trained_later_and_once(at: Moment) -> None:
    async with Installation() as site:
        play = await training_at(site, at, suspend_model)
        await play.to_the_end(rounds=3)
        assert play.champion == ("1" if at is Moment.RECORDED else None)
        assert site.status(*MODEL)["phase"] == "Suspended"
        site.patch(*MODEL, {"spec": {"suspend": False}})
        await play.to_the_end()
        assert (play.versions, play.champion, site.status(*MODEL)["phase"]) == (["1"], "1", "Ready")


async def delete_model_while_no_operator_runs(site: Installation) -> None:
    await site.stop()
    site.remove(*MODEL)
    site.start()
    await site.advance(site.settings.resync_seconds + 1)


async def delete_job_while_no_operator_runs(site: Installation) -> None:
    await site.stop()
    site.remove(*JOB)
    site.start()
    await site.advance(site.settings.resync_seconds + 1)


UNTIL_REGISTERED: Final = [Moment.QUEUED, Moment.CLAIMED, Moment.WORKING, Moment.TRAINED]


@pytest.mark.parametrize("at", UNTIL_REGISTERED)
async def test_a_model_that_is_deleted_while_no_operator_runs_is_not_trained(at: Moment) -> None:
    async with Installation() as site:
        play = await training_at(site, at, delete_model_while_no_operator_runs)
        await play.to_the_end(rounds=1)
        assert (play.versions, play.champion) == ([], None)


@pytest.mark.parametrize("at", UNTIL_REGISTERED)
async def test_a_job_that_is_deleted_while_no_operator_runs_registers_nothing(at: Moment) -> None:
    async with Installation() as site:
        play = await job_at(site, TaskKind.RETRAIN, at, delete_job_while_no_operator_runs)
        await play.to_the_end(rounds=1)
        assert (play.versions, play.champion) == (["1"], "1")


async def test_a_training_whose_model_exists_is_not_stopped_by_a_new_operator() -> None:
    async with Installation() as site:

        async def restart(site: Installation) -> None:
            await site.restart()
            await site.advance(site.settings.resync_seconds + 1)

        play = await training_at(site, Moment.TRAINED, restart)
        await play.to_the_end(rounds=1)
        assert (play.versions, play.champion) == (["1"], "1")


@pytest.mark.parametrize("kind", [TaskKind.TRAIN, TaskKind.RETRAIN])
async def test_the_message_of_a_suspended_training_is_carried_out_when_the_model_is_resumed(kind: TaskKind) -> None:
    async with Installation() as site:
        site.apply(twin_model()) if kind is TaskKind.TRAIN else install_twin(site)
        if kind is TaskKind.RETRAIN:
            site.apply(retraining_job())
        await site.until(lambda: any(site.queue.server.lists_of("training")))
        for suspended in (True, False):
            site.patch(*MODEL, {"spec": {"suspend": suspended}})
            await site.advance(1)
        worker = paused_worker(site)
        assert await worker.carry_out("training")
        assert worker.begun == [kind]


# Simulations.

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
        assert (status["phase"], status["attempts"]) == ("Succeeded", 1)


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
        if stop is pass_deadline:
            assert site.condition(*QUESTION)["reason"] == "DeadlineExceeded"
