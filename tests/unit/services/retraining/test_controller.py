"""RetrainingJobs at the outer boundary: objects, queue and registry in; status, tasks, champion and archive out."""

import asyncio
import itertools
from typing import Any

import pytest

from tests.fakes.cluster import CLUSTER_UID
from tests.fakes.installation import EVERY_QUEUE, START, Installation
from tests.unit.services.letters import (
    LEARNER,
    MODEL,
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
from twin_operator.api.v1alpha1 import RetrainingJob, TwinModel
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.run import JSON, Outcome, TaskKind

pytestmark = pytest.mark.looptime
JOB = ("RetrainingJob", "again")
YES: JSON = {"approval": {"approved": True, "by": "jane"}}
NEWS: JSON = {"digest": "sha256:second", "new_rows": 400}
EMPTY = Outcome(Reason.DATA_INVALID, "s3://shop/past.csv is empty.")
AUTOMATIC: JSON = {"approval": "Automatic"}
SECONDS_BETWEEN_LOOKS = 60  # at data; an hour of virtual time would take seconds
LOOKS: JSON = {"data_watch_seconds": SECONDS_BETWEEN_LOOKS}


async def phase(site: Installation, *phases: str, name: str = "again") -> JSON:
    """Wait for one phase after the other; return the status then."""
    status: JSON = {}
    for each in phases:
        status = await site.until_phase("RetrainingJob", name, each)
    return status


async def retrained(site: Installation, workers: Workers, name: str = "again", **spec: Any) -> JSON:
    """Have a job that is approved go all the way; return its final status."""
    site.apply(job(name, **{**YES, **spec}))
    await phase(site, "Training", name=name)
    await workers.do(TaskKind.RETRAIN)
    await phase(site, "Validating", name=name)
    await workers.do(TaskKind.GATE)
    return await phase(site, "Completed", name=name)


def only_job(site: Installation) -> JSON:
    """Return the one job that there is."""
    (made,) = site.cluster.objects("RetrainingJob")
    return made


async def news(site: Installation, workers: Workers, **found: Any) -> None:
    """Have the next check of the data find something, and wait for it."""
    await site.advance(1)
    workers.work()
    for name, value in found.items():
        setattr(workers, name, value)
    await site.advance(SECONDS_BETWEEN_LOOKS)
    assert TaskKind.VALIDATE in workers.work()


# From the first phase to the last.


async def test_a_job_without_a_model_waits_for_it() -> None:
    async with Installation() as site:
        site.apply(job(**YES))
        await phase(site, "Pending")
        await site.until(lambda: site.condition(*JOB).get("reason") == "ModelNotFound")
        await serving(site)
        await phase(site, "Training")


async def test_a_job_waits_for_the_first_training_of_its_model() -> None:
    async with Installation() as site:
        site.apply(twin_model())
        site.apply(job(**YES))
        await site.until(lambda: site.condition(*JOB).get("reason") == "ModelNotReady")


async def test_a_job_waits_for_approval_and_starts_with_it() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.apply(job())
        await phase(site, "AwaitingApproval")
        await site.advance(100)
        assert TaskKind.RETRAIN not in workers.work()
        site.patch(*JOB, {"spec": YES})
        status = await phase(site, "Training")
        assert status["approvedBy"] == "jane"
        assert reasons(site) == ["Trained", "AwaitingApproval", "RetrainingStarted"]


async def test_a_policy_approves_where_the_model_says_so() -> None:
    async with Installation() as site:
        await serving(site, retraining=AUTOMATIC)
        site.apply(job())
        assert (await phase(site, "Training"))["approvedBy"] == "policy"


async def test_a_candidate_that_passes_the_gate_serves() -> None:
    async with Installation() as site:
        workers = await serving(site)
        status = await retrained(site, workers)
        assert site.condition(*JOB, "Promoted")["reason"] == "GatePassed"
        assert (status["candidate"]["version"], status["champion"]["version"]) == ("2", "1")
        assert status["gate"] == {"passed": True, "message": "Passed: it is as good."}
        assert site.registry.champion_version(REGISTERED) == "2"
        assert site.registry.tags(REGISTERED, "2")["twinops.promotedBy"] == "default/again"
        await site.until(lambda: version(site) == "2", seconds=2)
        assert reasons(site) == ["Trained", "RetrainingStarted", "Promoted"]


async def test_a_candidate_that_is_not_better_does_not_serve() -> None:
    async with Installation() as site:
        workers = await serving(site)
        workers.better = False
        await retrained(site, workers)
        assert site.condition(*JOB)["status"] == "True"
        assert site.condition(*JOB, "Promoted")["reason"] == "NotBetter"
        await site.until(lambda: site.status(*MODEL).get("retraining", {}).get("failedAttempts") == 1)
        assert (site.registry.champion_version(REGISTERED), version(site)) == ("1", "1")
        assert reasons(site)[-1] == "NotBetter"


async def test_what_a_status_says_of_earlier_versions_stays_when_a_job_ends() -> None:
    async with Installation() as site:
        workers = await serving(site)
        workers.better = False
        earlier = {"previousVersion": "8", "rolledBackVersion": "7"}
        site.cluster.patch_status(MODEL[0], "default", MODEL[1], {"status": {"retraining": earlier}})
        await retrained(site, workers)
        await site.until(lambda: site.status(*MODEL)["retraining"].get("failedAttempts") == 1)
        retraining = site.status(*MODEL)["retraining"]
        assert {name: retraining.get(name) for name in earlier} == earlier
        assert "nextScheduledTime" not in retraining


async def test_the_tasks_of_a_job_say_what_to_train_and_what_to_compare() -> None:
    async with Installation() as site:
        workers = await serving(site)
        await retrained(site, workers, learner={"seed": 9}, gate={"maxRegression": 0.1}, activeDeadlineSeconds=600)
        train, gate = (task for task in workers.done if task.kind in {TaskKind.RETRAIN, TaskKind.GATE})
        uid = site.get(*JOB)["metadata"]["uid"]
        assert (train.payload["job"], train.payload["trigger"]) == (uid, "Manual")
        assert train.payload["plan"] == {**LEARNER, "seed": 9, "reason": "The job asks for seed 9."}
        assert (gate.payload["candidate"], gate.payload["champion"]) == ("2", "1")
        assert gate.payload["mlflowRuns"] == {each: site.registry.summary(REGISTERED, each)["runID"] for each in "12"}
        assert gate.payload["plans"] == {"1": {**LEARNER, "seeds": 1}}
        assert gate.payload["gate"] == {"maxRegression": 0.1}
        assert train.deadline == gate.deadline is not None
        assert train.attempt_limit == 3


async def test_the_gate_gets_the_outcomes_that_are_known() -> None:
    async with Installation() as site:
        workers = await serving(site)
        await site.advance(2)
        observe(site, 1, 0.073)
        await site.until(lambda: site.status(*MODEL).get("fidelity"))
        await retrained(site, workers)
        (gate,) = (task for task in workers.done if task.kind is TaskKind.GATE)
        assert [each["experiment"] for each in gate.payload["ledger"]] == ["new-1"]


async def test_a_job_is_archived_when_it_has_ended() -> None:
    async with Installation() as site:
        workers = await serving(site)
        await retrained(site, workers)
        uid = site.get(*JOB)["metadata"]["uid"]
        await site.until(lambda: uid in site.archive.retrainings)
        row = site.archive.retrainings[uid]
        assert (row["name"], row["model"], row["phase"], row["promoted"]) == ("again", "letters", "Completed", True)


async def test_a_job_that_ended_while_the_archive_was_away_is_archived_when_it_is_back() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.archive.reachable = False
        await retrained(site, workers)
        await site.advance(30)
        site.archive.reachable = True
        await site.until(lambda: site.get(*JOB)["metadata"]["uid"] in site.archive.retrainings)


async def test_a_job_is_deleted_when_its_time_to_live_is_over() -> None:
    async with Installation() as site:
        workers = await serving(site)
        await retrained(site, workers, ttlSecondsAfterFinished=60)
        await site.advance(50)
        assert site.cluster.objects("RetrainingJob")
        await site.until(lambda: not site.cluster.objects("RetrainingJob"), seconds=15)


# What ends a job without a new champion.


async def test_a_training_that_is_refused_fails_the_job() -> None:
    async with Installation() as site:
        workers = await serving(site)
        workers.refusal = EMPTY
        site.apply(job(**YES))
        await phase(site, "Training")
        await workers.do(TaskKind.RETRAIN)
        status = await phase(site, "Failed")
        assert site.condition(*JOB, "Stalled")["reason"] == "TrainingFailed"
        assert "s3://shop/past.csv is empty." in site.condition(*JOB)["message"]
        promoted = site.condition(*JOB, "Promoted")
        assert (promoted["status"], promoted["reason"]) == ("False", "TrainingFailed")
        assert status["completionTime"]
        assert reasons(site)[-1] == "RetrainingFailed"
        assert version(site) == "1"


async def test_attempts_that_fail_are_repeated_after_a_growing_wait_and_then_fail_the_job() -> None:
    async with Installation() as site:
        await serving(site)
        site.apply(job(**YES))
        await phase(site, "Training")
        begun = []

        def fall(_task: Any) -> Outcome:
            begun.append(site.now())
            raise MemoryError("no memory")

        site.employ(fall, ["training"])
        await phase(site, "Failed")
        waits = [later - earlier for earlier, later in itertools.pairwise(begun)]
        assert [round(wait, -1) for wait in waits] == [10, 20]
        assert site.condition(*JOB, "Stalled")["reason"] == "BackoffLimitExceeded"
        assert "All 3 attempts failed; the last one: MemoryError: no memory." in site.condition(*JOB)["message"]
        assert site.status(*JOB)["attempts"] == 3


async def test_a_job_that_is_not_done_at_its_deadline_fails_and_its_task_is_stopped() -> None:
    async with Installation() as site:
        await serving(site)
        site.apply(job(activeDeadlineSeconds=60, **YES))
        await phase(site, "Training")
        delivery = site.queue.claimed("training")
        for _ in range(19):
            assert site.queue.renew(delivery) == "go on"
            await site.advance(3)
        await phase(site, "Failed")
        assert site.condition(*JOB, "Stalled")["reason"] == "DeadlineExceeded"
        assert site.queue.renew(delivery) == "cancelled"


async def test_a_cancelled_job_stops_its_task_and_the_stop_stays_after_its_end() -> None:
    async with Installation() as site:
        await serving(site)
        site.apply(job(**YES))
        await phase(site, "Training")
        delivery = site.queue.claimed("training")
        site.patch(*JOB, {"spec": {"cancel": True}})
        await phase(site, "Cancelled")
        assert site.queue.renew(delivery) == "cancelled"
        await site.until(lambda: site.get(*JOB)["metadata"]["uid"] in site.archive.retrainings)
        assert site.queue.renew(delivery) == "cancelled"


async def test_the_message_of_a_cancelled_job_that_no_worker_has_taken_yet_is_not_carried_out() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.apply(job(**YES))
        await phase(site, "Training")
        site.patch(*JOB, {"spec": {"cancel": True}})
        await phase(site, "Cancelled")
        await site.until(lambda: site.get(*JOB)["metadata"]["uid"] in site.archive.retrainings)
        await site.advance(5)
        assert TaskKind.RETRAIN not in workers.work()
        assert site.registry.versions(REGISTERED) == ["1"]


async def test_a_job_that_a_person_rejects_ends_without_a_training() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.apply(job())
        await phase(site, "AwaitingApproval")
        site.patch(*JOB, {"spec": {"approval": {"approved": False, "by": "jane", "message": "not in May"}}})
        await phase(site, "Rejected")
        assert site.condition(*JOB)["message"] == "jane rejected it: not in May"
        assert TaskKind.RETRAIN not in workers.work()


async def test_a_job_of_an_earlier_model_of_the_name_trains_nothing() -> None:
    async with Installation() as site:
        workers = await serving(site)
        body = job(**YES)
        owner = {"apiVersion": "twinops.dev/v1alpha1", "kind": "TwinModel", "name": MODEL[1], "uid": "earlier"}
        body["metadata"]["ownerReferences"] = [owner]
        site.apply(body)
        await site.until(lambda: site.condition(*JOB).get("reason") == "ModelNotFound")
        await site.advance(120)
        assert TaskKind.RETRAIN not in workers.work()
        assert site.status(*JOB)["phase"] == "Pending"


async def test_a_late_deletion_of_an_earlier_object_leaves_the_one_of_its_name() -> None:
    async with Installation() as site:
        await serving(site)
        site.apply(job())
        await phase(site, "AwaitingApproval")
        loop = site.operator.loop
        model = TwinModel.model_validate(site.get(*MODEL))
        waiting = RetrainingJob.model_validate(site.get(*JOB))
        loop.model_seen(model.replace(metadata=model.metadata.replace(uid="earlier")), deleted=True)
        loop.job_seen(waiting.replace(metadata=waiting.metadata.replace(uid="earlier")), deleted=True)
        assert list(loop.requests.models) == [("TwinModel", *model.key)]
        assert loop.upkeep.unfinished_jobs(model.key) == [waiting.key]


async def test_a_job_whose_model_is_deleted_fails() -> None:
    async with Installation() as site:
        await serving(site)
        site.apply(job(**YES))
        await phase(site, "Training")
        site.queue.claimed("training")
        site.remove(*MODEL)
        await phase(site, "Failed")
        assert site.condition(*JOB, "Stalled")["reason"] == "ModelNotFound"


async def test_a_suspended_model_holds_its_job_and_lets_it_go_on_later() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.apply(job(**YES))
        await phase(site, "Training")
        delivery = site.queue.claimed("training")
        site.patch(*MODEL, {"spec": {"suspend": True}})
        await site.until(lambda: site.condition(*JOB)["reason"] == "ModelSuspended")
        assert site.queue.renew(delivery) == "suspended"
        site.queue.give_back(delivery)
        assert TaskKind.RETRAIN not in workers.work()
        site.patch(*MODEL, {"spec": {"suspend": False}})
        await workers.do(TaskKind.RETRAIN)
        await phase(site, "Validating")


async def test_a_comparison_that_cannot_be_made_fails_the_job() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.apply(job(**YES))
        await phase(site, "Training")
        await workers.do(TaskKind.RETRAIN)
        await phase(site, "Validating")
        site.work(lambda _task: Outcome(Reason.DATA_INVALID, "Other columns."), ["validation"])
        status = await phase(site, "Failed")
        assert (site.condition(*JOB, "Stalled")["reason"], status["candidate"]) == ("TrainingFailed", {"version": "2"})
        assert site.registry.champion_version(REGISTERED) == "1"


# Whose turn it is, and when.


async def test_a_second_job_waits_while_the_first_works_and_then_cools_down() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.apply(job("first", **YES))
        await phase(site, "Training", name="first")
        site.apply(job("second", **YES))
        await phase(site, "Approved", name="second")
        await site.until(lambda: site.condition("RetrainingJob", "second")["reason"] == "ModelBusy")
        await workers.do(TaskKind.RETRAIN)
        await workers.do(TaskKind.GATE)
        await phase(site, "Completed", name="first")
        status = await phase(site, "CoolingDown", name="second")
        assert status["notBefore"].startswith("2027-01-16T08:")


async def test_a_cool_down_ends_and_its_job_starts_by_itself() -> None:
    async with Installation() as site:
        workers = await serving(site, retraining={"cooldown": "10m"})
        await retrained(site, workers)
        site.apply(job("second", **YES))
        await phase(site, "CoolingDown", name="second")
        await site.advance(500)
        assert site.status("RetrainingJob", "second")["phase"] == "CoolingDown"
        await site.until(lambda: site.status("RetrainingJob", "second")["phase"] == "Training", seconds=200)


async def test_an_override_does_not_wait_for_the_cool_down() -> None:
    async with Installation() as site:
        workers = await serving(site)
        await retrained(site, workers)
        await retrained(site, workers, "second", overrideCooldown=True)
        assert site.registry.champion_version(REGISTERED) == "3"


async def test_a_job_that_is_deleted_at_work_gives_its_turn_to_the_next() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.apply(job("first", **YES))
        await phase(site, "Training", name="first")
        delivery = site.queue.claimed("training")
        site.apply(job("second", **YES))
        await phase(site, "Approved", name="second")
        site.remove("RetrainingJob", "first")
        await phase(site, "Training", name="second")
        assert site.queue.renew(delivery) == "deleted"
        await workers.do(TaskKind.RETRAIN)


async def test_a_job_that_is_made_again_under_its_name_is_another_job() -> None:
    async with Installation() as site:
        workers = await serving(site)
        before = site.apply(job(**YES))["metadata"]["uid"]
        await phase(site, "Training")
        delivery = site.queue.claimed("training")
        site.remove(*JOB)
        site.apply(job(**YES))
        await phase(site, "Training")
        await workers.do(TaskKind.RETRAIN)
        assert site.queue.renew(delivery) == "deleted"
        (trained,) = (task for task in workers.done if task.kind is TaskKind.RETRAIN)
        assert trained.payload["job"] == site.get(*JOB)["metadata"]["uid"] != before
        await phase(site, "Validating")


async def test_a_job_that_is_made_again_under_its_name_does_not_inherit_the_turn() -> None:
    async with Installation() as site:
        await serving(site)
        site.apply(job("first", **YES))
        await phase(site, "Training", name="first")
        site.apply(job("second", **YES))
        await phase(site, "Approved", name="second")
        site.remove("RetrainingJob", "first")
        site.apply(job("first"))
        await phase(site, "Training", name="second")
        assert site.status("RetrainingJob", "first")["phase"] == "AwaitingApproval"


async def test_the_turn_of_a_job_that_went_while_no_operator_ran_is_given_to_the_next() -> None:
    async with Installation() as site:
        await serving(site)
        site.apply(job("first", **YES))
        await phase(site, "Training", name="first")
        site.apply(job("second", **YES))
        await phase(site, "Approved", name="second")
        await site.stop()
        site.remove("RetrainingJob", "first")
        site.start()
        await phase(site, "Training", name="second")


# What the operator asks for by itself.


async def test_new_rows_make_a_job_that_waits_for_approval() -> None:
    async with Installation(LOOKS) as site:
        workers = await serving(site)
        await news(site, workers, **NEWS)
        await site.until(lambda: site.cluster.objects("RetrainingJob"))
        made = only_job(site)
        assert made["spec"]["trigger"] == {
            "type": "NewData",
            "message": "400 rows that version 1 was not trained on.",
        }
        assert made["metadata"]["ownerReferences"][0]["uid"] == site.get(*MODEL)["metadata"]["uid"]
        assert made["metadata"]["labels"] == {"twinops.dev/model": "letters"}
        await phase(site, "AwaitingApproval", name=made["metadata"]["name"])
        assert site.status(*MODEL)["data"]["newRows"] == 400
        checks = [record for run, record in site.queue.server.content().records.items() if "-look-" in run]
        assert [(check.outcome, check.stop) for check in checks] == [(None, "cancelled")] * 2


async def test_new_rows_retrain_a_model_by_itself_where_its_policy_approves() -> None:
    async with Installation(LOOKS) as site:
        workers = await serving(site, retraining=AUTOMATIC)
        await news(site, workers, **NEWS)
        site.employ(workers, QUEUES)
        await site.until(lambda: version(site) == "2")
        assert only_job(site)["status"]["phase"] == "Completed"


async def test_the_same_rows_are_not_tried_again_after_a_candidate_that_was_not_better() -> None:
    async with Installation(LOOKS) as site:
        workers = await serving(site, retraining={**AUTOMATIC, "cooldown": "1s"})
        workers.better = False
        await news(site, workers, **NEWS)
        site.employ(workers, QUEUES, every=1.0)
        await site.until(lambda: site.status(*MODEL).get("retraining", {}).get("failedAttempts") == 1)
        looks = workers.count(TaskKind.VALIDATE)
        await site.advance(4 * SECONDS_BETWEEN_LOOKS)
        assert (workers.count(TaskKind.RETRAIN), workers.count(TaskKind.VALIDATE)) == (1, looks + 4)


async def test_misses_retrain_a_model_and_a_low_score_approves_it() -> None:
    async with Installation(LOOKS) as site:
        workers = await serving(site, retraining={"autoApproveBelow": 0.5})
        await site.advance(2)
        for number in range(5):
            observe(site, number, -0.05)
        await site.until_phase(*MODEL, "Degraded")
        assert site.cluster.objects("RetrainingJob") == []
        await news(site, workers, **NEWS)
        await site.until(lambda: site.cluster.objects("RetrainingJob"))
        made = only_job(site)
        assert made["spec"]["trigger"]["type"] == "FidelityDegraded"
        assert (await phase(site, "Training", name=made["metadata"]["name"]))["approvedBy"] == "policy"


async def test_a_schedule_makes_one_job_at_its_time() -> None:
    async with Installation(LOOKS) as site:
        workers = await serving(site, retraining={"schedule": "5 8 * * *"})
        await news(site, workers, **NEWS)
        await site.until(lambda: site.status(*MODEL)["data"]["newRows"] == 400)
        assert site.status(*MODEL)["retraining"]["nextScheduledTime"] == "2027-01-15T08:05:00Z"
        await site.advance(START + 290 - site.now())
        assert site.cluster.objects("RetrainingJob") == []
        await site.advance(20)
        assert only_job(site)["spec"]["trigger"]["type"] == "Scheduled"
        assert site.status(*MODEL)["retraining"]["nextScheduledTime"] == "2027-01-16T08:05:00Z"


async def test_a_schedule_that_passes_without_new_rows_is_an_event() -> None:
    async with Installation(LOOKS) as site:
        workers = await serving(site, retraining={"schedule": "5 8 * * *"})
        await site.until(workers.work)
        await site.advance(310)
        (skipped,) = (event for event in site.cluster.events if event.reason == "RetrainingSkipped")
        assert "there are no rows that version 1 was not trained on" in skipped.message
        assert site.cluster.objects("RetrainingJob") == []


async def test_too_many_retrainings_without_a_promotion_stop_asking() -> None:
    async with Installation(LOOKS) as site:
        workers = await serving(site, retraining={**AUTOMATIC, "cooldown": "1s", "maxAttempts": 1})
        workers.better = False
        await news(site, workers, **NEWS)
        site.employ(workers, QUEUES, every=1.0)
        await site.until(lambda: site.status(*MODEL).get("retraining", {}).get("failedAttempts") == 1)
        workers.digest = "sha256:third"
        await site.advance(SECONDS_BETWEEN_LOOKS)
        await site.until(lambda: site.condition(*MODEL, "Retrainable").get("reason") == "RetrainingExhausted")
        assert len(site.cluster.objects("RetrainingJob")) == 1


async def test_data_that_cannot_be_read_is_a_condition_of_a_model_that_serves() -> None:
    async with Installation(LOOKS) as site:
        workers = await serving(site)
        workers.unreadable = Outcome(Reason.DATA_NOT_READABLE, "s3://shop/past.csv does not exist.")
        await site.until(workers.work)
        await site.until(lambda: site.condition(*MODEL, "Retrainable").get("reason") == "DataNotReadable")
        workers.unreadable = None
        await site.advance(SECONDS_BETWEEN_LOOKS)
        assert workers.work() == [TaskKind.VALIDATE]
        await site.until(lambda: not site.condition(*MODEL, "Retrainable"))


async def test_what_is_known_of_data_stays_while_the_data_is_unchanged() -> None:
    async with Installation(LOOKS) as site:
        workers = await serving(site)
        await news(site, workers, **NEWS)
        await site.until(lambda: site.status(*MODEL).get("data", {}).get("newRows") == 400)
        found = site.status(*MODEL)["data"]
        await site.advance(SECONDS_BETWEEN_LOOKS)
        assert workers.work() == [TaskKind.VALIDATE]
        assert workers.done[-1].payload["known"] == {"stamp": "etag sha256:second", "digest": "sha256:second"}
        await site.advance(1)
        assert site.status(*MODEL)["data"] == found


async def test_what_was_found_for_a_version_is_not_taken_for_another_of_its_number() -> None:
    async with Installation(LOOKS) as site:
        workers = await serving(site, retraining={"minSamples": 1000})
        await news(site, workers, **NEWS)
        await site.until(lambda: site.status(*MODEL).get("data", {}).get("newRows") == 400)
        before, summary = site.status(*MODEL)["model"]["runID"], site.registry.summary(REGISTERED, "1")
        assert workers.done[-1].payload["runID"] == before
        site.registry.delete_registered_model(REGISTERED)
        owner = f"{CLUSTER_UID}/default/letters/{site.get(*MODEL)['metadata']['uid']}"
        site.registry.add(REGISTERED, owner, "again", **summary)
        await site.until(lambda: site.status(*MODEL)["model"]["runID"] != before, seconds=40)
        await site.advance(1)
        assert "data" not in site.status(*MODEL)
        workers.new_rows = 0
        assert workers.work() == [TaskKind.VALIDATE], "at once, not after the interval"
        assert workers.done[-1].payload["runID"] == site.status(*MODEL)["model"]["runID"]
        await site.until(lambda: site.status(*MODEL).get("data", {}).get("newRows") == 0)


async def test_the_fidelity_of_a_status_stays_while_a_new_leader_cannot_read_the_archive() -> None:
    async with Installation() as site:
        await serving(site)
        observe(site, 1, 0.073)
        await site.until(lambda: site.status(*MODEL).get("fidelity"))
        found = site.status(*MODEL)["fidelity"]
        score = "twinops_model_fidelity_score", {"namespace": "default", "model": "letters"}
        assert site.metric(score[0], **score[1]) == found["score"]
        site.archive.reachable = False
        await site.restart()
        await site.until(lambda: site.condition(*MODEL, "ArchiveReachable"))
        assert site.status(*MODEL)["fidelity"] == found
        assert site.metric(score[0], **score[1]) == 0


async def test_a_schedule_that_is_removed_is_shown_no_more() -> None:
    async with Installation() as site:
        await serving(site, retraining={"schedule": "5 8 * * *"})
        await site.until(lambda: site.status(*MODEL)["retraining"].get("nextScheduledTime"))
        site.patch(*MODEL, {"spec": {"retraining": {"schedule": None}}})
        await site.until(lambda: "nextScheduledTime" not in site.status(*MODEL).get("retraining", {}), seconds=70)


async def test_a_model_whose_retraining_is_suspended_has_its_data_left_alone() -> None:
    async with Installation(LOOKS) as site:
        workers = await serving(site, retraining={"suspend": True})
        await site.advance(200)
        assert workers.work() == []
        assert site.condition(*MODEL, "Retrainable")["reason"] == "Suspended"


async def test_data_is_not_read_again_while_nobody_has_read_it() -> None:
    async with Installation(LOOKS) as site:
        workers = await serving(site)
        await site.advance(200)
        assert await site.queue.depths(["validation"]) == {"validation": 1}
        assert workers.work() == [TaskKind.VALIDATE]
        await site.advance(70)
        assert workers.work() == [TaskKind.VALIDATE]


# Conflicts, losses, and other writers.


async def test_a_status_that_others_change_at_the_same_time_is_written_in_the_end() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.apply(job(**YES))
        for expected, kind in (("Training", TaskKind.RETRAIN), ("Validating", TaskKind.GATE)):
            others = asyncio.create_task(meddle(site, *JOB, times=50))
            await phase(site, expected)
            await others
            await workers.do(kind)
        others = asyncio.create_task(meddle(site, *JOB, times=50))
        await phase(site, "Completed")
        await others
        assert (site.registry.champion_version(REGISTERED), site.registry.versions(REGISTERED)) == ("2", ["1", "2"])
        assert reasons(site) == ["Trained", "RetrainingStarted", "Promoted"]
        assert site.metric("twinops_reconciles_total", kind="RetrainingJob", result="error") == 0


async def test_tasks_that_are_lost_with_redis_are_published_again_and_make_no_second_version() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.apply(job(**YES))
        await phase(site, "Training")
        site.queue.flush()
        await workers.do(TaskKind.RETRAIN)
        await phase(site, "Validating")
        site.queue.flush()
        await workers.do(TaskKind.GATE)
        await phase(site, "Completed")
        assert site.registry.versions(REGISTERED) == ["1", "2"]


async def test_a_registry_that_is_away_delays_a_promotion() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.apply(job(**YES))
        await phase(site, "Training")
        await workers.do(TaskKind.RETRAIN)
        await phase(site, "Validating")
        workers.work()
        site.registry.reachable = False
        await site.advance(100)
        assert site.status(*JOB)["phase"] == "Validating"
        site.registry.reachable = True
        await phase(site, "Completed")
        assert site.registry.champion_version(REGISTERED) == "2"


async def test_a_new_leader_goes_on_where_the_one_before_was() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.apply(job(**YES))
        await phase(site, "Training")
        await site.until(lambda: reasons(site)[-1] == "RetrainingStarted")
        await site.restart()
        await site.advance(100)
        assert await site.queue.depths(["training"]) == {"training": 1}
        await workers.do(TaskKind.RETRAIN)
        await site.restart()
        await phase(site, "Validating")
        await site.restart()
        await workers.do(TaskKind.GATE)
        await site.restart()
        await phase(site, "Completed")
        await site.until(lambda: version(site) == "2")
        assert (workers.count(TaskKind.RETRAIN), workers.count(TaskKind.GATE)) == (1, 1)


async def test_a_queue_without_workers_is_named_and_gets_the_task_when_it_has_some() -> None:
    async with Installation() as site:
        await serving(site)
        site.remove("WorkerPool", "workers")
        site.apply(job(**YES))
        await site.until(lambda: site.condition(*JOB).get("reason") == "NoWorkers")
        assert "queue training" in site.condition(*JOB)["message"]
        assert await site.queue.depths(["training"]) == {"training": 0}
        site.apply(EVERY_QUEUE)
        await site.until(lambda: site.condition(*JOB)["reason"] == "Training", seconds=5)
        assert await site.queue.depths(["training"]) == {"training": 1}
