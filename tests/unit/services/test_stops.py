"""Every kind of stop at every moment of a run: versions, promotions, archive rows and statuses are counted.

A stop that is shorter-lived than what it stops lets cancelled work go on: by a message that is delivered again, by a
worker that has not noticed, or by an operator that promotes what was cancelled meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pytest

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import TWIN, install_twin, twin_model
from tests.unit.services.paused_worker import Moment
from tests.unit.services.stopped_play import DEADLINE_SECONDS, Play, Stopping, pass_deadline, paused_worker
from twin_operator.services.runs.run import JSON, Run, TaskKind

pytestmark = [pytest.mark.looptime, pytest.mark.learner]
MODEL: Final = ("TwinModel", TWIN)
JOB: Final = ("RetrainingJob", "again")


def retraining_job(**changes: Any) -> JSON:
    spec = {"modelRef": {"name": TWIN}, "approval": {"approved": True, "by": "jane"}, **changes}
    return {"apiVersion": "twinops.dev/v1alpha1", "kind": "RetrainingJob", "metadata": {"name": "again"}, "spec": spec}


# RetrainingJobs.


async def cancel(site: Installation) -> None:
    site.patch(*JOB, {"spec": {"cancel": True}})


async def delete_job(site: Installation) -> None:
    site.remove(*JOB)


async def delete_model(site: Installation) -> None:
    site.remove(*MODEL)


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
        phase = JOB_STOPS[stop]
        assert play.archived == (0, 0 if phase is None else 1)
        if phase is not None:
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
        assert (site.status(*JOB)["attempts"], play.archived) == (1, (0, 1))


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
        assert play.archived == (0, 0)


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
