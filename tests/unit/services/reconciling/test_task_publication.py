"""Trainings and data checks have a bounded number of messages in a queue, shared by the namespaces."""

from __future__ import annotations

import pytest

from tests.fakes.installation import EVERY_QUEUE, Installation
from tests.unit.services.letters import Workers, job, serving, twin_model
from twin_operator.services.runs.run import JSON, TaskKind

pytestmark = pytest.mark.looptime
DATA_WATCH_SECONDS = 600.0
LIMITS = {"published_trainings_per_queue": 3, "published_trainings_per_namespace": 2}


def named(name: str, namespace: str = "default", **spec: object) -> JSON:
    """Return a TwinModel of a namespace."""
    return {**twin_model(**spec), "metadata": {"name": name, "namespace": namespace}}


def ready(site: Installation, name: str, namespace: str = "default") -> str | None:
    """Return the reason of the condition Ready of a TwinModel."""
    reason: str | None = site.condition("TwinModel", name, namespace=namespace).get("reason")
    return reason


def waiting(site: Installation, count: int, namespace: str = "default") -> list[str]:
    """Return the TwinModels m0, m1, ... that wait for their turn."""
    names = [f"m{number}" for number in range(count)]
    return [name for name in names if ready(site, name, namespace) == "WaitingForTurn"]


async def messages(site: Installation, queue: str = "training") -> int:
    return (await site.queue.depths([queue]))[queue]


async def crowd(site: Installation, count: int, namespace: str = "default") -> None:
    """Create the TwinModels m0, m1, ... and wait until all but those of the bound wait for their turn."""
    for number in range(count):
        site.apply(named(f"m{number}", namespace))
    await site.until(lambda: len(waiting(site, count, namespace)) == count - 2, seconds=30)


async def test_a_namespace_has_a_bounded_number_of_trainings_in_a_queue_and_the_others_wait_for_their_turn() -> None:
    async with Installation(LIMITS) as site:
        await crowd(site, 12)
        await site.advance(200)
        assert await messages(site) == 2
        message = site.condition("TwinModel", waiting(site, 12)[0])["message"]
        assert message.startswith("Waits for its turn: queue training has as many tasks of namespace default")


async def test_many_trainings_of_a_namespace_leave_another_one_a_place_at_once() -> None:
    async with Installation(LIMITS) as site:
        await crowd(site, 12)
        site.apply(named("other", "b"))
        await site.until(lambda: ready(site, "other", "b") == "WaitingForWorker", seconds=5)


async def test_the_number_in_all_is_bounded_and_namespaces_take_turns() -> None:
    async with Installation(LIMITS) as site:
        await crowd(site, 6)
        site.apply(named("other", "b"))
        await site.until(lambda: ready(site, "other", "b") == "WaitingForWorker", seconds=5)
        site.apply(named("other", "c"))
        await site.until(lambda: ready(site, "other", "c") == "WaitingForTurn", seconds=5)
        assert await messages(site) == 3
        Workers(site).work()
        await site.until(lambda: ready(site, "other", "c") == "WaitingForWorker", seconds=5)


async def test_a_training_that_has_ended_makes_room_for_the_next_one_within_seconds() -> None:
    async with Installation(LIMITS) as site:
        await crowd(site, 6)
        workers = Workers(site)
        for done in (2, 4, 6):
            workers.work()
            await until_trained(site, 6, done)


async def until_trained(site: Installation, count: int, done: int) -> None:
    await site.until(lambda: trained(site, count) == done, seconds=5)


def trained(site: Installation, count: int) -> int:
    """Return how many of the TwinModels m0, m1, ... have a version."""
    return sum(site.status("TwinModel", f"m{number}").get("phase") == "Ready" for number in range(count))


async def test_the_place_of_a_deleted_model_is_free_at_once() -> None:
    async with Installation(LIMITS) as site:
        await crowd(site, 4)
        before = waiting(site, 4)
        gone = next(name for name in ("m0", "m1", "m2", "m3") if name not in before)
        site.remove("TwinModel", gone)
        others = [f"m{number}" for number in range(4) if f"m{number}" != gone]
        await site.until(lambda: sum(ready(site, name) == "WaitingForWorker" for name in others) == 2, seconds=5)


async def test_a_model_that_is_deleted_while_it_waits_takes_no_place() -> None:
    async with Installation(LIMITS) as site:
        await crowd(site, 4)
        gone, last = waiting(site, 4)
        site.remove("TwinModel", gone)
        await site.advance(1)
        Workers(site).work()
        await site.until(lambda: ready(site, last) == "WaitingForWorker", seconds=5)


async def test_the_place_of_a_suspended_model_is_free_at_once() -> None:
    async with Installation(LIMITS) as site:
        await crowd(site, 4)
        before = waiting(site, 4)
        for name in {"m0", "m1", "m2", "m3"} - set(before):
            site.patch("TwinModel", name, {"spec": {"suspend": True}})
        await site.until(lambda: {ready(site, name) for name in before} == {"WaitingForWorker"}, seconds=5)


async def test_a_new_leader_counts_what_its_predecessor_published() -> None:
    async with Installation(LIMITS) as site:
        await crowd(site, 12)
        for _ in range(3):
            await site.restart()
            await site.advance(100)
        assert await messages(site) == 2
        assert len(waiting(site, 12)) == 10


async def test_autoscaling_counts_trainings_that_wait_for_their_turn() -> None:
    scaling = {"minReplicas": 0, "maxReplicas": 2, "pollSeconds": 2}
    pool = {**EVERY_QUEUE, "spec": {"queues": ["training"], "autoscaling": scaling}}
    async with Installation(LIMITS, pool=pool) as site:
        await crowd(site, 6)
        await site.until(lambda: depth(site) == 6, seconds=30)


def depth(site: Installation) -> int | None:
    """Return the depth of the queue `training` in the status of its pool."""
    queues = site.status("WorkerPool", "workers").get("queues") or ()
    return next((each["depth"] for each in queues if each["name"] == "training"), None)


async def checked(site: Installation, count: int) -> Workers:
    """Train the TwinModels m0, m1, ... and wait until all but those of the bound wait for a check of their data."""
    for number in range(count):
        site.apply(named(f"m{number}"))
    workers = Workers(site)
    await site.until(lambda: not site.work(workers, ["training"]) and trained(site, count) == count)
    await site.advance(10)
    assert await messages(site, "validation") == 2
    return workers


async def reconciles(site: Installation, seconds: float) -> float:
    """Return how many times TwinModels are reconciled in a time."""
    before = site.metric("twinops_reconciles_total", kind="TwinModel", result="ok")
    await site.advance(seconds)
    return site.metric("twinops_reconciles_total", kind="TwinModel", result="ok") - before


async def test_data_checks_are_bounded_and_come_one_after_another() -> None:
    async with Installation(LIMITS) as site:
        workers = await checked(site, 6)
        assert await reconciles(site, 600) < 300
        for done in (2, 4, 6):
            site.work(workers, ["validation"])
            await site.advance(2)
            assert workers.count(TaskKind.VALIDATE) == done


async def test_models_that_wait_for_their_next_data_check_are_reconciled_only_now_and_then() -> None:
    async with Installation({**LIMITS, "data_watch_seconds": DATA_WATCH_SECONDS}) as site:
        workers = await checked(site, 6)
        for _ in range(3):
            site.work(workers, ["validation"])
            await site.advance(2)
        await site.advance(DATA_WATCH_SECONDS)  # the next checks are due
        assert await messages(site, "validation") == 2
        assert await reconciles(site, 600) < 300


async def test_models_that_are_deleted_while_they_wait_for_a_data_check_take_no_place() -> None:
    async with Installation(LIMITS) as site:
        workers = await checked(site, 6)
        runs = "".join(await site.queue.task_messages("validation"))
        unqueued = [
            f"m{number}" for number in range(6) if site.get("TwinModel", f"m{number}")["metadata"]["uid"] not in runs
        ]
        for name in unqueued[:2]:
            site.remove("TwinModel", name)
        await site.advance(1)
        site.work(workers, ["validation"])
        await site.advance(2)
        assert await messages(site, "validation") == 2


async def test_the_data_check_of_a_deleted_model_leaves_its_queue() -> None:
    async with Installation() as site:
        await serving(site)
        await site.until(lambda: len(checks(site)) == 1)
        site.remove("TwinModel", "letters")
        await site.until(lambda: not checks(site), seconds=5)


def checks(site: Installation) -> list[bytes]:
    return [message for messages in site.queue.server.lists_of("validation") for message in messages]


async def test_the_retraining_of_a_model_waits_for_its_turn_too() -> None:
    async with Installation(LIMITS) as site:
        workers = await serving(site)
        await crowd(site, 4)
        site.apply(job(approval={"approved": True, "by": "jane"}))
        await site.until(lambda: site.condition("RetrainingJob", "again").get("reason") == "WaitingForTurn", seconds=30)
        assert site.status("RetrainingJob", "again")["phase"] == "Training"
        workers.work()
        await site.until(lambda: workers.work() and workers.count(TaskKind.RETRAIN), seconds=60)
        await workers.do(TaskKind.GATE)
        await site.until_phase("RetrainingJob", "again", "Completed")


async def test_the_place_of_a_model_that_was_deleted_while_no_operator_ran_becomes_free() -> None:
    async with Installation(LIMITS) as site:
        await crowd(site, 4)
        before = waiting(site, 4)
        await site.stop()
        for name in {"m0", "m1", "m2", "m3"} - set(before):
            site.remove("TwinModel", name)
        site.start()
        await site.until(lambda: {ready(site, name) for name in before} == {"WaitingForWorker"}, seconds=200)
