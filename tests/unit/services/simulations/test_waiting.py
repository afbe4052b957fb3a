"""What a Simulation says while it waits, and what ends its waiting: deadlines, attempts, suspension, deletion."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.fakes.cluster import CLUSTER_UID
from tests.fakes.installation import Installation
from tests.fakes.ready_twin import TWIN, install_twin, simulation
from tests.fakes.registry import InMemoryRegistry
from tests.unit.services.simulations.site import (
    ANSWERED,
    PUBLISHED,
    answered,
    hang,
    messages,
    phase,
    ready,
    run_of,
    workers_pool,
    writes,
)
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.run import JSON, Outcome, Stop, Task

pytestmark = pytest.mark.looptime


def boom(_task: Task) -> Outcome:
    message = "the disk is full"
    raise OSError(message)


async def test_a_quick_answer_is_the_only_write() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        await site.advance(3.9)
        assert writes(site) == 0
        site.work(answered)
        await site.until_phase("Simulation", "question", "Succeeded")
        assert writes(site) == 1


async def test_a_slow_one_says_after_a_few_seconds_where_it_is() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        site.apply(workers_pool())
        await site.advance(4.1)
        assert (phase(site), ready(site)["reason"]) == ("Queued", "Queued")
        assert ready(site)["message"] == "Waits in queue simulations for a worker."
        assert site.condition("Simulation", "question", "Reconciling")["status"] == "True"


async def test_a_running_one_names_its_worker() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        site.employ(hang, worker="light-3")
        await site.advance(4.1)
        assert (phase(site), ready(site)["message"]) == ("Running", "Attempt 1 runs on light-3.")
        assert site.status("Simulation", "question")["worker"] == "light-3"


async def test_the_second_writes_of_many_come_at_a_steady_pace() -> None:
    settings = {"second_writes_per_second": 10, "second_write_seconds": 4}
    async with Installation(settings) as site:
        install_twin(site)
        for number in range(40):
            site.apply(simulation(f"question-{number}"))
        await site.advance(4.0)
        for second in range(1, 5):
            await site.advance(1.0)
            assert 10 * second - 1 <= writes(site) <= 10 * second + 1


async def test_an_answer_is_not_written_over_by_a_second_write_that_waits_for_its_turn() -> None:
    async with Installation({"second_writes_per_second": 1}) as site:
        install_twin(site)
        for name in ("first", "second"):
            site.apply(simulation(name))
        await site.advance(4.1)
        site.work(answered)
        await site.advance(10)
        assert [phase(site, name) for name in ("first", "second")] == ["Succeeded", "Succeeded"]


async def test_a_deadline_ends_what_waits() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(activeDeadlineSeconds=30))
        await site.advance(29.5)
        assert phase(site) == "Queued"
        await site.advance(1)
        assert (phase(site), ready(site)["reason"]) == ("Failed", "DeadlineExceeded")
        assert ready(site)["message"] == "Not done within 30 seconds of being queued."


async def test_a_deadline_does_not_begin_before_the_model_is_there() -> None:
    async with Installation() as site:
        site.apply(simulation(activeDeadlineSeconds=30))
        await site.advance(60)
        assert phase(site) == "Pending"
        install_twin(site)
        site.employ(answered)
        await site.until_phase("Simulation", "question", "Succeeded")


async def test_failed_attempts_are_repeated_after_waits_that_double() -> None:
    begun: list[float] = []

    def fail(task: Task) -> Outcome:
        begun.append(site.now())
        return boom(task)

    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(backoffLimit=3))
        site.employ(fail)
        await site.until_phase("Simulation", "question", "Failed")
        waits = [after - before for before, after in pairwise(begun)]
        assert waits == pytest.approx([1, 2, 4], abs=0.2)
        assert ready(site)["reason"] == "BackoffLimitExceeded"
        assert "All 4 attempts failed; the last one: OSError: the disk is full" in ready(site)["message"]
        assert site.status("Simulation", "question")["attempts"] == 4


async def test_an_attempt_after_a_failed_one_may_succeed() -> None:
    tries: list[Task] = []

    def once(task: Task) -> Outcome:
        tries.append(task)
        return boom(task) if len(tries) == 1 else ANSWERED

    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        site.employ(once)
        status = await site.until_phase("Simulation", "question", "Succeeded")
        assert status["attempts"] == 2


async def test_a_run_whose_workers_vanish_ends_when_its_attempts_are_spent() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(backoffLimit=1))
        site.employ(hang)
        await site.until_phase("Simulation", "question", "Failed")
        assert ready(site)["reason"] == "BackoffLimitExceeded"
        assert "the worker was lost" in ready(site)["message"]


async def test_suspending_stops_what_runs_and_resuming_lets_it_go_on() -> None:
    async with Installation() as site:
        install_twin(site)
        uid = site.apply(simulation())["metadata"]["uid"]
        await site.until(lambda: messages(site))
        delivery = site.queue.claimed("simulations")
        site.patch("Simulation", "question", {"spec": {"suspend": True}})
        await site.until(lambda: run_of(site, uid).stop is Stop.SUSPENDED, seconds=1)
        assert site.queue.renew(delivery) == "suspended"
        site.queue.give_back(delivery)
        await site.until(lambda: phase(site) == "Suspended", seconds=1)
        assert [c["type"] for c in site.status("Simulation", "question")["conditions"]] == ["Ready"]
        assert site.work(answered) == []
        site.patch("Simulation", "question", {"spec": {"suspend": False}})
        site.employ(answered)
        status = await site.until_phase("Simulation", "question", "Succeeded")
        assert status["observedGeneration"] == 3
        assert status["attempts"] == 1


async def test_a_simulation_that_is_created_suspended_is_not_published() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(suspend=True))
        await site.until_phase("Simulation", "question", "Suspended")
        await site.advance(100)
        assert site.metric(PUBLISHED) == 0
        assert "queuedTime" not in site.status("Simulation", "question")


async def test_deleting_the_object_stops_the_run() -> None:
    async with Installation() as site:
        install_twin(site)
        uid = site.apply(simulation())["metadata"]["uid"]
        await site.until(lambda: messages(site))
        delivery = site.queue.claimed("simulations")
        site.remove("Simulation", "question")
        await site.until(lambda: run_of(site, uid).stop is Stop.DELETED, seconds=1)
        assert site.queue.renew(delivery) == "deleted"
        assert site.metric("twinops_simulations_unfinished") == 0


async def test_a_deleted_object_leaves_nothing_for_a_worker_to_do() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        site.remove("Simulation", "question")
        await site.advance(1)
        assert site.work(answered) == []


@pytest.mark.parametrize("reason", [Reason.SUCCEEDED, Reason.EMPTY_POPULATION])
async def test_what_ended_is_counted_with_its_reason(reason: Reason) -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        await site.advance(2)
        site.work(lambda _task: Outcome(reason, "so it is", {}))
        phase_then = "Succeeded" if reason is Reason.SUCCEEDED else "Failed"
        await site.until_phase("Simulation", "question", phase_then)
        labels = {"namespace": "default", "phase": phase_then, "reason": reason}
        assert site.metric("twinops_simulations_finished_total", **labels) == 1
        seconds = site.metric("twinops_simulation_duration_seconds_sum", namespace="default")
        assert seconds == pytest.approx(2, abs=0.2)
        waited = site.metric("twinops_simulation_queue_wait_seconds_sum", queue="simulations")
        assert waited == pytest.approx(2, abs=0.2)


async def test_metrics_show_how_many_are_on_their_way_and_how_old_the_oldest_is() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation("old"))
        await site.advance(5)
        site.apply(simulation("young"))
        await site.advance(1)
        assert site.metric("twinops_simulations_unfinished") == 2
        assert site.metric("twinops_simulations_oldest_seconds") == pytest.approx(6, abs=0.1)
        site.work(answered)
        await site.until(lambda: site.metric("twinops_simulations_unfinished") == 0)
        assert site.metric("twinops_simulations_oldest_seconds") == 0


OBSERVED: JSON = {"experiment": "spring", "effect": 0.5, "standardError": 0.1}


async def test_an_outcome_that_came_with_the_question_is_marked_as_hindsight() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(observed=OBSERVED))
        site.employ()
        status = await site.until_phase("Simulation", "question", "Succeeded")
        assert status["fidelity"]["hindsight"] is True


async def test_a_version_whose_summary_cannot_be_read_keeps_no_other_simulation_waiting() -> None:
    async with Installation() as site:
        body = install_twin(site)
        owner = f"{CLUSTER_UID}/default/{TWIN}/{body['metadata']['uid']}"
        foreign = site.registry.add(f"default.{TWIN}", owner, "by-hand", promote=False)
        site.apply(simulation("pinned", modelRef={"name": TWIN, "version": foreign}))
        site.apply(simulation("other"))
        site.employ()
        await site.until_phase("Simulation", "other", "Succeeded")
        await site.until(lambda: ready(site, "pinned").get("reason") == "ModelNotReady")


class BrokenSummary(InMemoryRegistry):
    """A registry that fails in an unexpected way for one version."""

    def summary(self, name: str, version: str) -> JSON:
        if version == "2":
            raise RuntimeError("an artifact store that nobody expected")
        return super().summary(name, version)


async def test_a_version_that_cannot_be_resolved_keeps_no_other_simulation_waiting() -> None:
    async with Installation() as site:
        site.registry = BrokenSummary(site.now)
        await site.restart()
        body = install_twin(site)
        owner = f"{CLUSTER_UID}/default/{TWIN}/{body['metadata']['uid']}"
        site.registry.add(f"default.{TWIN}", owner, "by-hand", promote=False)
        site.apply(simulation("pinned", modelRef={"name": TWIN, "version": "2"}))
        site.apply(simulation("other"))
        site.employ()
        await site.until_phase("Simulation", "other", "Succeeded")
