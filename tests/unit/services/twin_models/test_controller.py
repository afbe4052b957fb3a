"""TwinModels at the operator's outer boundary: objects, queue and registry in; status, tasks and Events out."""

import asyncio
from typing import Any

import pytest

from tests.fakes.installation import EVERY_QUEUE, Installation
from tests.fakes.ready_twin import install_twin, simulation
from tests.unit.services.letters import (
    COLUMNS,
    LEARNER,
    MODEL,
    NAME,
    QUEUES,
    REGISTERED,
    Workers,
    job,
    meddle,
    observe,
    reasons,
    serving,
    twin_model,
    version,
)
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.run import Outcome, TaskKind

pytestmark = pytest.mark.looptime
OTHER_COLUMNS = {**COLUMNS, "features": [{"name": "income", "type": "Numeric"}]}
RECONCILED = "twinops_reconciles_total"
EMPTY = Outcome(Reason.DATA_INVALID, "s3://shop/past.csv is empty.")


def trainings(site: Installation, result: str) -> float | None:
    """Return how many first trainings ended like this, as the metric has it."""
    labels = {"namespace": "default", "model": NAME, "reason": result}
    return site.operator.metrics.get_sample_value("twinops_model_trainings_total", labels)


def model_writes(site: Installation) -> int:
    return sum(write.kind == "TwinModel" for write in site.cluster.writes)


async def test_a_new_model_asks_for_one_training_however_long_no_worker_comes() -> None:
    async with Installation() as site:
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        await site.advance(200)
        assert site.condition(*MODEL)["reason"] == "WaitingForWorker"
        assert await site.queue.depths(["training"]) == {"training": 1}
        assert Workers(site).work() == [TaskKind.TRAIN]


async def test_a_training_is_published_when_a_pool_serves_its_queue() -> None:
    async with Installation(pool=None) as site:
        site.apply(twin_model())
        await site.until(lambda: site.condition(*MODEL).get("reason") == "NoWorkers")
        await site.advance(200)
        assert await site.queue.depths(["training"]) == {"training": 0}
        site.apply(EVERY_QUEUE)
        await site.until(lambda: site.condition(*MODEL)["reason"] == "WaitingForWorker", seconds=5)
        assert Workers(site).work() == [TaskKind.TRAIN]


async def test_the_data_of_a_model_is_checked_only_while_workers_serve_the_queue_of_checks() -> None:
    async with Installation() as site:
        await serving(site)
        Workers(site).work()
        site.remove("WorkerPool", "workers")
        await site.advance(1)
        before = site.metric(RECONCILED, kind="TwinModel", result="ok")
        await site.advance(3600)
        assert await site.queue.depths(["validation"]) == {"validation": 0}
        assert site.metric(RECONCILED, kind="TwinModel", result="ok") - before < 200  # a few a minute
        site.apply(EVERY_QUEUE)
        await site.advance(5)
        assert await site.queue.depths(["validation"]) == {"validation": 1}


async def test_the_task_of_a_training_says_what_to_learn_and_for_whom() -> None:
    async with Installation() as site:
        uid = site.apply(twin_model(queue="large"))["metadata"]["uid"]
        await site.until_phase(*MODEL, "Training")
        (task,) = site.work(lambda _task: None, ["large"])
        assert task.payload["spec"]["learner"]["algorithm"] == "Linear"
        assert task.payload["registeredModel"] == REGISTERED
        assert task.payload["owner"].endswith(f"/default/{NAME}/{uid}")
        assert task.payload["run"] == task.run
        assert (task.attempt_limit, task.target.uid) == (4, uid)


def phases(site: Installation) -> dict[str, float]:
    """Return in which phases the metric has how many models."""
    names = ("Pending", "Training", "Ready", "Failed")
    values = {phase: site.metric("twinops_models_phase", namespace="default", phase=phase) for phase in names}
    return {phase: value for phase, value in values.items() if value}


async def test_the_metric_of_phases_follows_the_model_and_is_gone_with_it() -> None:
    async with Installation() as site:
        await serving(site)
        assert phases(site) == {"Ready": 1.0}
        site.remove(*MODEL)
        await site.until(lambda: phases(site) == {}, seconds=30)


async def test_a_trained_model_serves_its_champion() -> None:
    async with Installation() as site:
        await serving(site)
        status = site.status(*MODEL)
        assert (status["phase"], status["registeredModel"]) == ("Ready", REGISTERED)
        assert (status["model"]["version"], site.registry.champion_version(REGISTERED)) == ("1", "1")
        assert status["effects"] == [
            {
                "arm": "letter",
                "estimate": 0.073,
                "standardError": 0.006,
                "low": 0.061,
                "high": 0.085,
                "confidence": 0.95,
                "calibrated": True,
            }
        ]
        assert site.condition(*MODEL)["status"] == "True"
        assert reasons(site) == ["Trained"]
        assert trainings(site, "Succeeded") == 1


async def test_a_model_that_serves_is_written_no_more() -> None:
    async with Installation() as site:
        await serving(site)
        await site.advance(10)
        writes = model_writes(site)
        await site.advance(600)
        assert model_writes(site) == writes


async def test_a_running_attempt_is_shown_with_its_worker() -> None:
    async with Installation() as site:
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        site.work(lambda _task: None, ["training"], "worker-7")
        site.patch(*MODEL, {"metadata": {"labels": {"touched": "yes"}}})
        await site.until(lambda: site.condition(*MODEL)["message"] == "Attempt 1 on worker-7.")


async def test_a_training_is_lost_with_redis_and_published_again() -> None:
    async with Installation({"resync_seconds": 10_000}) as site:
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        site.queue.flush()
        workers = Workers(site)
        assert workers.work() == []
        await site.advance(61)
        assert workers.work() == [TaskKind.TRAIN]
        await site.until_phase(*MODEL, "Ready")


async def test_refused_data_is_a_condition_and_is_tried_again_after_a_growing_wait() -> None:
    async with Installation() as site:
        workers = Workers(site, refusal=EMPTY)
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        for wait in (30, 60, 120):
            assert workers.work() == [TaskKind.TRAIN]
            await site.until_phase(*MODEL, "Failed")
            stalled = site.condition(*MODEL, "Stalled")
            assert (stalled["status"], stalled["reason"]) == ("True", "DataInvalid")
            assert stalled["message"].startswith("s3://shop/past.csv is empty. It is tried again at 2027-01-15T08:")
            await site.advance(wait - 2)
            assert site.status(*MODEL)["phase"] == "Failed"
            await site.until_phase(*MODEL, "Training")
        assert trainings(site, "DataInvalid") == 3


async def test_data_that_was_mended_serves_at_the_next_attempt() -> None:
    async with Installation() as site:
        workers = Workers(site, refusal=EMPTY)
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        workers.work()
        await site.until_phase(*MODEL, "Failed")
        workers.refusal = None
        await site.until_phase(*MODEL, "Training")
        workers.work()
        await site.until_phase(*MODEL, "Ready")
        assert site.condition(*MODEL, "Stalled") == {}


async def test_another_spec_does_not_wait_for_the_retry_of_the_one_before() -> None:
    async with Installation() as site:
        workers = Workers(site, refusal=EMPTY)
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        workers.work()
        await site.until_phase(*MODEL, "Failed")
        site.patch(*MODEL, {"spec": {"data": {"uri": "s3://shop/other.csv"}}})
        await site.until_phase(*MODEL, "Training")
        assert workers.work() == [TaskKind.TRAIN]


async def test_a_worker_that_vanishes_costs_one_attempt() -> None:
    async with Installation() as site:
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        (lost,) = site.work(lambda _task: None, ["training"])
        await site.advance(20)
        workers = Workers(site)
        assert workers.work() == [TaskKind.TRAIN]
        assert workers.done[0].run == lost.run
        await site.until_phase(*MODEL, "Ready")


async def test_a_training_that_loses_every_worker_says_so_and_is_tried_again() -> None:
    async with Installation() as site:
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")

        def fall(_task: Any) -> None:
            raise MemoryError("no memory")

        for _ in range(4):
            await site.until(lambda: site.work(fall, ["training"]))
        await site.until_phase(*MODEL, "Failed")
        message = "Training failed 4 times; the last: MemoryError: no memory."
        assert site.condition(*MODEL, "Stalled")["reason"] == "InternalError"
        assert message in site.condition(*MODEL, "Stalled")["message"]
        await site.until_phase(*MODEL, "Training")
        Workers(site).work()
        await site.until_phase(*MODEL, "Ready")


async def test_a_registered_model_of_another_twin_is_refused() -> None:
    async with Installation() as site:
        site.registry.check_owner(REGISTERED, "other-cluster/default/letters/uid")
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Failed")
        assert site.condition(*MODEL, "Stalled")["reason"] == "RegisteredModelTaken"
        assert "other-cluster/default/letters" in site.condition(*MODEL)["message"]


async def stalled_for_its_name(site: Installation) -> None:
    await site.until(lambda: site.condition(*MODEL, "Stalled").get("reason") == "RegisteredModelTaken")


@pytest.mark.parametrize("pin", [{}, {"version": "1"}])
async def test_a_name_of_another_namespace_is_neither_trained_nor_read(pin: dict[str, str]) -> None:
    async with Installation() as site:
        install_twin(site, NAME, "payments")
        site.apply(twin_model(registeredModel="payments.letters", **pin))
        await stalled_for_its_name(site)
        await site.advance(200)
        assert "begins with another namespace: write default.NAME" in site.condition(*MODEL)["message"]
        assert (site.status(*MODEL)["phase"], await site.queue.depths(["training"])) == ("Failed", {"training": 0})
        assert "registeredModel" not in site.status(*MODEL)


async def test_a_model_that_serves_answers_nothing_under_a_name_of_another_namespace() -> None:
    async with Installation() as site:
        install_twin(site, "other", "payments")
        await serving(site)
        site.patch(*MODEL, {"spec": {"registeredModel": "payments.other"}})
        await stalled_for_its_name(site)
        assert "model" not in site.status(*MODEL)
        for version_asked in ({}, {"version": "1"}):
            name = f"question{len(version_asked)}"
            site.apply(simulation(name, modelRef={"name": NAME, **version_asked}))
            await site.advance(60)
            assert site.condition("Simulation", name)["reason"] == "ModelNotReady"
            assert "spec.registeredModel of another namespace" in site.condition("Simulation", name)["message"]
        assert await site.queue.depths(["simulations"]) == {"simulations": 0}


async def test_a_version_that_an_older_release_took_from_another_namespace_answers_no_more() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.in_background(workers.work, 1.0)
        taken = {"registeredModel": "payments.other", "model": {"version": "7"}}
        site.cluster.patch_status("TwinModel", "default", NAME, {"status": taken})
        await site.advance(1)
        assert version(site) != "7"
        await site.until_phase(*MODEL, "Ready")
        assert (version(site), site.status(*MODEL)["registeredModel"]) == ("1", REGISTERED)


async def test_a_model_is_trained_once_its_name_is_its_own() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.in_background(workers.work, 1.0)
        site.patch(*MODEL, {"spec": {"registeredModel": "payments.letters"}})
        await stalled_for_its_name(site)
        site.patch(*MODEL, {"spec": {"registeredModel": "default.others"}})
        await site.until_phase(*MODEL, "Ready")
        assert site.status(*MODEL)["registeredModel"] == "default.others"
        assert site.registry.versions("default.others") == ["1"]
        assert site.condition(*MODEL, "Stalled") == {}


async def test_a_version_that_was_trained_under_the_name_before_is_not_taken_for_one_of_the_next_name() -> None:
    async with Installation() as site:
        workers = Workers(site)
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        workers.work()
        site.patch(*MODEL, {"spec": {"registeredModel": "payments.letters"}})
        await stalled_for_its_name(site)
        site.patch(*MODEL, {"spec": {"registeredModel": "default.others"}})
        await site.until_phase(*MODEL, "Training")
        workers.work()
        await site.until_phase(*MODEL, "Ready")
        assert site.registry.versions("default.others") == ["1"]


async def test_a_training_is_stopped_when_the_name_becomes_that_of_another_namespace() -> None:
    async with Installation() as site:
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        (begun,) = site.work(lambda _task: None, ["training"])
        site.patch(*MODEL, {"spec": {"registeredModel": "payments.letters"}})
        await stalled_for_its_name(site)
        assert site.queue.server.content().records[begun.run].stop == "cancelled"


async def test_a_retraining_waits_while_the_name_is_that_of_another_namespace() -> None:
    async with Installation() as site:
        await serving(site)
        site.apply(job(approval={"approved": True, "by": "jane"}))
        await site.until_phase("RetrainingJob", "again", "Training")
        (begun,) = site.work(lambda _task: None, ["training"])
        site.patch(*MODEL, {"spec": {"registeredModel": "payments.letters"}})
        await site.until(lambda: site.condition("RetrainingJob", "again").get("reason") == "ModelNotReady")
        assert site.queue.server.content().records[begun.run].stop == "suspended"


async def test_a_spec_that_changes_before_its_training_was_done_is_the_one_that_is_trained() -> None:
    async with Installation() as site:
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        (first,) = site.work(lambda _task: None, ["training"])
        site.patch(*MODEL, {"spec": {"learner": {"seed": 7}}})
        await site.until(lambda: site.queue.server.content().records[first.run].stop == "cancelled")
        workers = Workers(site)
        await site.until(workers.work)
        await site.until_phase(*MODEL, "Ready")
        assert [task.payload["spec"]["learner"]["seed"] for task in workers.done if task.kind is TaskKind.TRAIN] == [7]
        assert site.registry.versions(REGISTERED) == ["1"]


async def test_changed_columns_are_trained_while_the_version_before_answers() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.patch(*MODEL, {"spec": {"columns": OTHER_COLUMNS}})
        await site.until_phase(*MODEL, "Training")
        assert version(site) == "1"
        assert site.condition(*MODEL)["reason"] == "ModelServing"
        workers.work()
        await site.until(lambda: version(site) == "2")
        assert site.status(*MODEL)["retraining"]["previousVersion"] == "1"
        assert site.registry.champion_version(REGISTERED) == "2"


async def test_a_refused_training_for_changed_columns_is_tried_again_while_the_version_before_answers() -> None:
    async with Installation() as site:
        workers = await serving(site)
        workers.refusal = EMPTY
        site.patch(*MODEL, {"spec": {"columns": OTHER_COLUMNS}})
        await site.until_phase(*MODEL, "Training")
        workers.work()
        await site.until(lambda: site.condition(*MODEL, "Retrainable").get("reason") == "DataInvalid")
        assert (site.condition(*MODEL)["status"], version(site)) == ("True", "1")
        workers.refusal = None
        await site.advance(31)
        await site.until_phase(*MODEL, "Training")
        workers.work()
        await site.until(lambda: version(site) == "2")


async def test_a_suspended_model_is_not_trained_until_it_is_resumed() -> None:
    async with Installation() as site:
        workers = Workers(site)
        site.apply(twin_model(suspend=True))
        await site.until_phase(*MODEL, "Suspended")
        await site.advance(100)
        assert workers.work() == []
        site.patch(*MODEL, {"spec": {"suspend": False}})
        await site.until_phase(*MODEL, "Training")
        assert workers.work() == [TaskKind.TRAIN]


async def test_a_running_training_is_stopped_by_suspending_and_runs_again_when_resumed() -> None:
    async with Installation() as site:
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        delivery = site.queue.claimed("training")
        site.patch(*MODEL, {"spec": {"suspend": True}})
        await site.until(lambda: site.queue.renew(delivery) == "suspended")
        site.queue.give_back(delivery)
        await site.until_phase(*MODEL, "Suspended")
        assert site.work(None, ["training"]) == []
        site.patch(*MODEL, {"spec": {"suspend": False}})
        await site.until_phase(*MODEL, "Training")
        workers = Workers(site)
        await site.until(workers.work)
        await site.until_phase(*MODEL, "Ready")


async def test_a_suspended_model_that_serves_goes_on_to_answer() -> None:
    async with Installation() as site:
        await serving(site)
        site.patch(*MODEL, {"spec": {"suspend": True}})
        await site.until_phase(*MODEL, "Suspended")
        assert (site.condition(*MODEL)["reason"], version(site)) == ("ModelServing", "1")
        assert site.condition(*MODEL, "Retrainable")["reason"] == "Suspended"


async def second_version(site: Installation, *, promote: bool = True) -> str:
    """Register version 2, as another program may."""
    owner = site.registry._models[REGISTERED].tags["twinops.owner"]  # noqa: SLF001
    summary = {**site.registry.summary(REGISTERED, "1")}
    del summary["version"]
    return site.registry.add(REGISTERED, owner, "by hand", promote=promote, **summary)


async def test_a_champion_that_was_moved_by_hand_serves_within_a_minute() -> None:
    async with Installation() as site:
        await serving(site)
        await second_version(site)
        await site.until(lambda: version(site) == "2", seconds=121)


async def test_a_pinned_version_serves_until_it_is_unpinned() -> None:
    async with Installation() as site:
        await serving(site)
        await second_version(site)
        await site.until(lambda: version(site) == "2")
        site.patch(*MODEL, {"spec": {"version": "1"}})
        await site.until(lambda: version(site) == "1")
        await site.advance(200)
        assert version(site) == "1"
        assert site.registry.champion_version(REGISTERED) == "2"
        site.patch(*MODEL, {"spec": {"version": None}})
        await site.until(lambda: version(site) == "2")


async def test_a_new_model_that_is_pinned_to_a_version_serves_it_without_a_training() -> None:
    async with Installation() as site:
        await serving(site)
        site.remove(*MODEL)
        site.apply(twin_model(version="1"))
        await site.until(lambda: version(site) == "1")
        assert site.work(None, ["training"]) == []


async def test_a_registry_that_is_away_changes_nothing_and_is_asked_again() -> None:
    async with Installation() as site:
        await serving(site)
        await second_version(site)
        site.registry.reachable = False
        await site.advance(200)
        assert (version(site), site.status(*MODEL)["phase"]) == ("1", "Ready")
        site.patch(*MODEL, {"spec": {"suspend": True}})
        await site.until_phase(*MODEL, "Suspended")
        site.registry.reachable = True
        await site.until(lambda: version(site) == "2", seconds=121)


async def test_an_archive_that_is_away_is_a_condition_until_it_is_back() -> None:
    async with Installation() as site:
        await serving(site)
        site.archive.reachable = False
        observe(site, 1, 0.073)
        await site.until(lambda: site.condition(*MODEL, "ArchiveReachable").get("status") == "False")
        assert site.condition(*MODEL, "ArchiveReachable")["reason"] == "ArchiveUnreachable"
        assert site.condition(*MODEL)["status"] == "True"
        site.archive.reachable = True
        await site.until(lambda: not site.condition(*MODEL, "ArchiveReachable"))


async def test_outcomes_that_come_true_make_a_model_faithful() -> None:
    async with Installation() as site:
        await serving(site)
        await site.advance(2)
        for number in range(6):
            observe(site, number, 0.073 + 0.002 * (-1) ** number)
        await site.until(lambda: site.condition(*MODEL, "Faithful")["status"] == "True")
        fidelity = site.status(*MODEL)["fidelity"]
        assert (fidelity["validations"], fidelity["grade"], fidelity["coverage"]) == (6, "Excellent", 1.0)
        assert site.status(*MODEL)["phase"] == "Ready"


async def test_outcomes_that_miss_degrade_a_model_and_are_told_once() -> None:
    async with Installation() as site:
        await serving(site)
        await site.advance(2)
        for number in range(5):
            observe(site, number, 0.012)
        await site.until_phase(*MODEL, "Degraded")
        assert site.condition(*MODEL, "Faithful")["reason"] == "FidelityDegraded"
        assert site.condition(*MODEL)["status"] == "True"
        await site.advance(200)
        assert reasons(site).count("FidelityDegraded") == 1


async def test_a_model_that_is_deleted_stops_its_training() -> None:
    async with Installation() as site:
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        delivery = site.queue.claimed("training")
        site.remove(*MODEL)
        await site.until(lambda: site.queue.renew(delivery) == "deleted")


async def test_a_model_that_is_made_again_is_trained_again_and_its_champion_is_adopted_by_name() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.remove(*MODEL)
        await site.advance(1)
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        workers.work()
        await site.until(lambda: version(site) == "2")


async def test_a_status_that_others_change_at_the_same_time_is_written_in_the_end() -> None:
    async with Installation() as site:
        site.apply(twin_model())
        others = asyncio.create_task(meddle(site, *MODEL, times=50))
        await site.until_phase(*MODEL, "Training")
        await others
        workers = Workers(site)
        assert workers.work() == [TaskKind.TRAIN]
        others = asyncio.create_task(meddle(site, *MODEL, times=50))
        await site.until_phase(*MODEL, "Ready")
        await others
        assert (version(site), site.registry.versions(REGISTERED)) == ("1", ["1"])
        assert site.metric("twinops_reconciles_total", kind="TwinModel", result="error") == 0


async def test_a_new_leader_publishes_nothing_twice_and_serves_what_a_worker_made_meanwhile() -> None:
    async with Installation() as site:
        site.apply(twin_model())
        await site.until_phase(*MODEL, "Training")
        await site.stop()
        workers = Workers(site)
        assert workers.work() == [TaskKind.TRAIN]
        site.start()
        await site.until_phase(*MODEL, "Ready")
        await site.advance(100)
        assert TaskKind.TRAIN not in workers.work()
        assert site.registry.versions(REGISTERED) == ["1"]


async def test_data_that_changed_is_a_retraining_and_no_first_training() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.employ(workers, QUEUES)
        site.patch(*MODEL, {"spec": {"learner": {**LEARNER, "seed": 9}}})
        await site.until(lambda: site.cluster.objects("RetrainingJob"))
        (made,) = site.cluster.objects("RetrainingJob")
        assert made["spec"]["trigger"]["type"] == "SpecChanged"
        assert workers.count(TaskKind.TRAIN) == 1
