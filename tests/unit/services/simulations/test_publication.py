"""A Simulation becomes one message, when its model can answer, and none before or besides."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.cluster import CLUSTER_UID
from tests.fakes.installation import Installation
from tests.fakes.ready_twin import TWIN, install_twin, serve, simulation, small_bank, twin_model
from tests.unit.services.simulations.site import PUBLISHED, answered, messages, phase, ready, run_of, workers_pool
from twin_operator.api.v1alpha1 import SimulationSpec
from twin_operator.services.runs.run import JSON, Task, TaskKind

pytestmark = pytest.mark.looptime


async def task_of(site: Installation, body: JSON) -> Task:
    """Apply a Simulation; return the task that a worker gets for it."""
    site.apply(body)
    queue = body["spec"].get("queue", "simulations")
    await site.until(lambda: messages(site, queue))
    (task,) = site.work(answered, queues=[queue])
    return task


async def test_the_message_holds_all_that_the_answer_depends_on() -> None:
    async with Installation() as site:
        install_twin(site)
        task = await task_of(site, simulation(population={"size": 500}, decision={"minimumEffect": 0.1}))
        body = site.get("Simulation", "question")
        assert task.kind is TaskKind.SIMULATE
        assert SimulationSpec.model_validate(task.payload["spec"]) == SimulationSpec.model_validate(body["spec"])
        assert task.payload["spec"]["decision"]["confidence"] == pytest.approx(0.95)  # a default of the schema
        assert (task.payload["registeredModel"], task.payload["version"]) == ("default.customers", "1")
        uncertainty = {"confidence": 0.95, "between_experiment_scale": 0.25, "accept_prior": False}
        assert task.payload["uncertainty"] == uncertainty
        assert sum(task.payload["weights"]["weight"]) == pytest.approx(1.0)


async def test_the_run_is_the_object() -> None:
    async with Installation() as site:
        install_twin(site)
        task = await task_of(site, simulation())
        meta = site.get("Simulation", "question")["metadata"]
        target = task.target
        assert task.run == meta["uid"]
        assert (target.kind, target.namespace, target.name) == ("Simulation", "default", "question")
        assert target.uid == meta["uid"]


@pytest.mark.parametrize(
    ("spec", "field", "value"),
    [
        ({}, "priority", 5),
        ({"priority": 9}, "priority", 9),
        ({}, "attempt_limit", 4),
        ({"backoffLimit": 0}, "attempt_limit", 1),
        ({}, "queue", "simulations"),
        ({"queue": "urgent"}, "queue", "urgent"),
        ({}, "deadline", None),
    ],
)
async def test_how_it_is_carried_out_is_as_the_spec_says(spec: JSON, field: str, value: Any) -> None:
    async with Installation() as site:
        install_twin(site)
        assert getattr(await task_of(site, simulation(**spec)), field) == value


async def test_the_deadline_of_the_message_counts_from_the_queueing() -> None:
    async with Installation() as site:
        install_twin(site)
        task = await task_of(site, simulation(activeDeadlineSeconds=30))
        assert task.deadline == (run_of(site, task.run).queued or 0.0) + 30


async def test_the_trace_of_the_message_is_the_one_that_the_object_names() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    body = simulation()
    body["metadata"]["annotations"] = {"twinops.dev/traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    async with Installation() as site:
        install_twin(site)
        task = await task_of(site, body)
        assert task.trace is not None
        assert task.trace.trace_id == trace
        await site.until_phase("Simulation", "question", "Succeeded")
        assert site.status("Simulation", "question")["traceID"] == trace


async def test_it_is_published_once_whatever_events_and_resyncs_come() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        site.patch("Simulation", "question", {"metadata": {"labels": {"team": "growth"}}})
        site.patch("Simulation", "question", {"spec": {"ttlSecondsAfterFinished": 60}})
        serve(site, "customers", "1")
        await site.advance(150)
        assert site.metric(PUBLISHED) == 1
        assert messages(site) == 1


async def test_a_model_that_serves_another_version_meanwhile_publishes_nothing_again() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        add_version(site)
        serve(site, "customers", "2")
        await site.advance(10)
        assert messages(site) == 1


async def test_a_simulation_waits_for_its_model() -> None:
    async with Installation() as site:
        site.apply(simulation())
        await site.until(lambda: ready(site))
        assert phase(site) == "Pending"
        assert ready(site)["reason"] == "ModelNotFound"
        assert "There is no TwinModel customers in namespace default" in ready(site)["message"]
        assert site.metric(PUBLISHED) == 0
        install_twin(site)
        await site.until(lambda: messages(site), seconds=1)


async def test_a_simulation_waits_until_its_model_serves() -> None:
    async with Installation() as site:
        site.apply(twin_model(suspend=True))
        site.apply(simulation())
        await site.until(lambda: ready(site))
        assert ready(site)["reason"] == "ModelNotReady"
        assert messages(site) == 0
        install_twin(site, suspend=True)
        await site.until(lambda: messages(site), seconds=1)


async def test_a_pinned_version_answers_although_another_one_serves() -> None:
    async with Installation() as site:
        install_twin(site)
        add_version(site)
        serve(site, "customers", "2")
        task = await task_of(site, simulation(modelRef={"name": "customers", "version": "1"}))
        assert task.payload["version"] == "1"


async def test_a_pinned_version_that_does_not_exist_is_waited_for() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(modelRef={"name": "customers", "version": "7"}))
        await site.until(lambda: ready(site))
        assert ready(site)["reason"] == "ModelNotFound"
        assert "default.customers has no version 7" in ready(site)["message"]


async def test_a_registry_that_does_not_answer_is_waited_for() -> None:
    async with Installation() as site:
        install_twin(site)
        site.registry.reachable = False
        site.apply(simulation())
        await site.until(lambda: ready(site))
        assert ready(site)["reason"] == "ModelNotReady"
        assert ready(site)["message"].endswith("The MLflow server cannot be reached. It is tried again.")
        site.registry.reachable = True
        await site.until(lambda: messages(site), seconds=61)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"intervention": {"arm": "call"}}, "UnknownArm"),
        ({"intervention": {"arm": "letter", "against": "call"}}, "UnknownArm"),
        ({"subgroups": ["age"]}, "NotSupported"),
    ],
)
async def test_what_no_worker_can_answer_fails_without_one(spec: JSON, reason: str) -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(**spec))
        status = await site.until_phase("Simulation", "question", "Failed")
        assert ready(site)["reason"] == reason
        assert site.condition("Simulation", "question", "Stalled")["status"] == "True"
        assert status["completionTime"]
        assert site.metric(PUBLISHED) == 0


async def test_without_a_pool_for_its_queue_it_says_so_and_is_published_when_there_is_one() -> None:
    async with Installation(pool=None) as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: ready(site))
        assert (phase(site), ready(site)["reason"]) == ("Queued", "NoWorkers")
        assert site.status("Simulation", "question")["queuedTime"]
        await site.advance(200)
        assert messages(site) == 0
        site.apply(workers_pool())
        await site.until(lambda: messages(site) == 1, seconds=5)
        await site.until(lambda: ready(site)["reason"] == "Queued", seconds=5)


async def test_the_weights_wait_for_the_archive_before_the_message_waits_for_a_worker() -> None:
    async with Installation() as site:
        install_twin(site)
        kept: list[int] = []
        site.queue.on_publish = lambda queues: kept.append(
            len(site.queue.server.content().outbox) if "simulations" in queues else 0
        )
        site.apply(simulation())
        await site.until(lambda: messages(site))
        assert 1 in kept
        site.work()
        status = await site.until_phase("Simulation", "question", "Succeeded")
        digest = status["basis"]["weightsDigest"]
        await site.until(lambda: site.archive.weights([digest]))


def add_version(site: Installation) -> None:
    """Register a second version of the twin `customers`."""
    bank, summary = small_bank()
    owner = site.get("TwinModel", "customers")["metadata"]["uid"]
    name = "default.customers"
    holder = f"{CLUSTER_UID}/default/customers/{owner}"
    site.registry.register(name, holder, bank, summary, {"twinops.run": "second"}, promote=True)


async def test_a_model_that_is_deleted_and_made_again_is_not_answered_from_the_bank_of_the_first() -> None:
    async with Installation() as site:
        install_twin(site, effect=5.0)
        site.employ()
        site.apply(simulation("first"))
        first = await site.until_phase("Simulation", "first", "Succeeded")
        assert first["effect"]["estimate"] > 0
        site.remove("TwinModel", TWIN)
        site.registry.delete_registered_model(f"default.{TWIN}")
        install_twin(site, effect=-5.0)
        site.apply(simulation("second"))
        second = await site.until_phase("Simulation", "second", "Succeeded")
        assert (first["modelVersion"], second["modelVersion"]) == ("1", "1")
        assert second["effect"]["estimate"] < 0


async def test_what_is_queued_for_a_version_that_is_deleted_is_answered_by_the_one_that_took_its_number() -> None:
    async with Installation() as site:
        install_twin(site, effect=5.0)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        site.registry.delete_registered_model(f"default.{TWIN}")
        site.remove("TwinModel", TWIN)
        install_twin(site, effect=-5.0)
        site.employ()
        status = await site.until_phase("Simulation", "question", "Succeeded")
        assert status["effect"]["estimate"] < 0
        assert status["attempts"] == 1, "that of the version that is gone does not count"


async def test_a_queue_has_a_bounded_number_of_messages_and_the_next_one_comes_when_one_is_done_with() -> None:
    async with Installation({"published_runs_per_queue": 2}) as site:
        install_twin(site)
        for number in range(5):
            site.apply(simulation(name=f"question-{number}"))
        await site.advance(6)
        assert messages(site) == 2
        assert {ready(site, f"question-{number}")["reason"] for number in range(5)} == {"Queued"}
        assert all(site.status("Simulation", f"question-{number}")["queuedTime"] for number in range(5))
        site.employ(answered)
        for number in range(5):
            await site.until_phase("Simulation", f"question-{number}", "Succeeded")
        assert site.metric(PUBLISHED) == 5


@pytest.mark.parametrize("end", ["deleted", "suspended", "its deadline"])
async def test_one_that_ends_otherwise_gives_its_place_to_the_next(end: str) -> None:
    async with Installation({"published_runs_per_queue": 1}) as site:
        install_twin(site)
        site.apply(simulation(name="first", activeDeadlineSeconds=30))
        await site.until(lambda: messages(site) == 1)
        site.apply(simulation(name="second"))
        uid = site.get("Simulation", "second")["metadata"]["uid"]
        await site.advance(2)
        if end == "deleted":
            site.remove("Simulation", "first")
        elif end == "suspended":
            site.patch("Simulation", "first", {"spec": {"suspend": True}})
        await site.until(lambda: run_of(site, uid).bound is not None, seconds=31)
        await site.advance(3)
        assert messages(site) == 1  # the first one's is removed


async def test_a_deadline_counts_while_a_simulation_waits_for_its_place() -> None:
    async with Installation({"published_runs_per_queue": 1}) as site:
        install_twin(site)
        site.apply(simulation(name="first"))
        await site.until(lambda: messages(site) == 1)
        site.apply(simulation(name="second", activeDeadlineSeconds=20))
        await site.until_phase("Simulation", "second", "Failed")
        assert ready(site, "second")["reason"] == "DeadlineExceeded"
        assert messages(site) == 1


async def test_a_thousand_of_one_namespace_delay_another_by_a_few() -> None:
    async with Installation({"published_runs_per_queue": 3}) as site:
        install_twin(site)
        install_twin(site, namespace="other")
        for number in range(200):
            site.apply(simulation(name=f"many-{number}"))
        await site.advance(1)
        site.apply(simulation(namespace="other"))
        site.employ(answered, every=1.0)
        await site.until(lambda: phase_of(site, "other") == "Succeeded", seconds=5)
        assert sum(phase(site, f"many-{number}") == "Succeeded" for number in range(200)) < 60


def phase_of(site: Installation, namespace: str) -> str | None:
    return site.status("Simulation", "question", namespace).get("phase")


async def test_a_new_leader_counts_what_the_old_one_published() -> None:
    async with Installation({"published_runs_per_queue": 2}) as site:
        install_twin(site)
        for number in range(4):
            site.apply(simulation(name=f"question-{number}"))
        await site.until(lambda: messages(site) == 2)
        await site.restart()
        await site.advance(10)
        assert messages(site) == 2


async def test_the_message_of_a_deleted_simulation_goes_although_no_worker_comes() -> None:
    async with Installation() as site:
        install_twin(site)
        for number in range(3):
            site.apply(simulation(name=f"question-{number}"))
        await site.until(lambda: messages(site) == 3)
        site.remove("Simulation", "question-1")
        await site.until(lambda: messages(site) == 2, seconds=3)


async def test_workers_come_also_for_what_waits_in_the_operator() -> None:
    scaling = {"minReplicas": 0, "maxReplicas": 50, "targetDrainSeconds": 1}
    async with Installation({"published_runs_per_queue": 2}, pool=workers_pool(autoscaling=scaling)) as site:
        install_twin(site)
        for number in range(20):
            site.apply(simulation(name=f"question-{number}"))
        await site.until(lambda: site.status("WorkerPool", "light").get("desiredReplicas") == 20, seconds=10)
        assert messages(site) == 2
