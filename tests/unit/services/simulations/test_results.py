"""What workers record becomes the status of a Simulation, once, whatever happens to the object meanwhile."""

from __future__ import annotations

import pytest

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, simulation
from tests.unit.services.simulations.site import (
    ANSWERED,
    answered,
    hang,
    messages,
    phase,
    ready,
    reports,
    run_of,
    writes,
)
from twin_operator.adapters.kubernetes_api.client import ApiError
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.run import JSON, Outcome, Stop, Target

pytestmark = pytest.mark.looptime
SLOW_WATCH = 5.0  # virtual seconds: in these tests workers are quicker


async def test_the_answer_stands_in_the_status_with_what_it_rests_on() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        site.employ(worker="light-7")
        status = await site.until_phase("Simulation", "question", "Succeeded")
        assert (status["registeredModel"], status["modelVersion"]) == ("default.customers", "1")
        assert (status["attempts"], status["worker"]) == (1, "light-7")
        assert status["queuedTime"] <= status["startTime"] <= status["completionTime"]
        assert status["observedGeneration"] == 1
        assert status["recommendation"]["message"] == ready(site)["message"]
        assert ready(site)["status"] == "True"
        assert writes(site) == 1


@pytest.mark.parametrize("watch_delay", [0.0, SLOW_WATCH], ids=["while it is written", "afterwards"])
async def test_the_final_status_that_comes_back_from_the_watch_stops_no_run(watch_delay: float) -> None:
    async with Installation(watch_delay=watch_delay) as site:
        install_twin(site)
        uid = site.apply(simulation())["metadata"]["uid"]
        site.employ(answered)
        await site.until_phase("Simulation", "question", "Succeeded")
        await site.advance(2 * SLOW_WATCH)
        assert run_of(site, uid).outcome == ANSWERED
        assert run_of(site, uid).stop is None


async def test_a_refusal_of_the_worker_is_the_reason_of_the_failure() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(population={"where": [{"feature": "wings", "operator": "In", "values": ["2"]}]}))
        site.employ()
        await site.until_phase("Simulation", "question", "Failed")
        assert ready(site)["reason"] == "UnknownFeature"
        assert site.condition("Simulation", "question", "Stalled")["reason"] == "UnknownFeature"


async def test_a_report_is_acknowledged_when_its_answer_is_written() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        site.employ(answered)
        await site.until_phase("Simulation", "question", "Succeeded")
        await site.until(lambda: reports(site) == 0, seconds=1)


async def test_an_object_that_was_changed_meanwhile_gets_its_answer() -> None:
    async with Installation(watch_delay=SLOW_WATCH) as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        site.patch("Simulation", "question", {"metadata": {"labels": {"team": "growth"}}})
        site.work(answered)
        await site.until_phase("Simulation", "question", "Succeeded")
        assert site.get("Simulation", "question")["metadata"]["labels"] == {"team": "growth"}


async def test_the_answer_keeps_what_others_wrote_into_the_spec_meanwhile() -> None:
    async with Installation(watch_delay=SLOW_WATCH) as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        site.patch("Simulation", "question", {"spec": {"ttlSecondsAfterFinished": 3600}})
        site.work(answered)
        status = await site.until_phase("Simulation", "question", "Succeeded")
        assert status["observedGeneration"] == 2


async def test_an_object_that_is_gone_needs_no_answer() -> None:
    async with Installation(watch_delay=SLOW_WATCH) as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        site.remove("Simulation", "question")
        site.work(answered)
        await site.until(lambda: reports(site) == 0, seconds=1)
        assert writes(site) == 0
        assert site.metric("twinops_simulations_unfinished") == 0


async def test_an_object_made_again_under_the_name_does_not_get_the_answer_of_the_first() -> None:
    async with Installation(watch_delay=SLOW_WATCH) as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        site.remove("Simulation", "question")
        site.apply(simulation(decision={"minimumEffect": 3}))
        site.work(lambda _task: Outcome(Reason.SUCCEEDED, "of the first", {"modelVersion": "1"}))
        await site.until(lambda: reports(site) == 0, seconds=1)
        assert writes(site) == 0
        site.employ(
            lambda task: Outcome(Reason.SUCCEEDED, f"from {task.payload['spec']['decision']['minimumEffect']}", {})
        )
        await site.until_phase("Simulation", "question", "Succeeded")
        assert ready(site)["message"] == "from 3.0"


async def test_a_report_that_is_older_than_the_object_of_its_name_is_dropped() -> None:
    async with Installation() as site:
        install_twin(site)
        first = site.apply(simulation())["metadata"]["uid"]
        await site.until(lambda: messages(site))
        delivery = site.queue.claimed("simulations")
        site.remove("Simulation", "question")
        await site.until(lambda: run_of(site, first).stop is Stop.DELETED)
        site.apply(simulation())
        assert site.queue.record(delivery, ANSWERED)
        await site.until(lambda: reports(site) == 0, seconds=2)
        assert writes(site) == 0


async def test_an_answer_that_no_status_can_have_ends_as_an_internal_error() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        site.employ(lambda _task: Outcome(Reason.SUCCEEDED, "well", {"effect": {"estimate": "a text"}}))
        await site.until_phase("Simulation", "question", "Failed")
        assert ready(site)["reason"] == "InternalError"
        assert "status.effect.estimate" in ready(site)["message"]
        await site.until(lambda: reports(site) == 0)


async def test_an_answer_that_the_api_server_refuses_ends_as_an_internal_error() -> None:
    async with Installation() as site:
        install_twin(site)
        site.cluster.policies.append(_no_answers)
        site.apply(simulation())
        site.employ(answered)
        await site.until_phase("Simulation", "question", "Failed")
        assert ready(site)["reason"] == "InternalError"
        assert "no answers on Fridays" in ready(site)["message"]


def _no_answers(body: JSON) -> str | None:
    return "no answers on Fridays" if (body.get("status") or {}).get("phase") == "Succeeded" else None


async def test_a_report_that_comes_before_the_watch_event_is_acted_on() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        await site.stop()
        site.work(answered)
        site.watch_delay = SLOW_WATCH
        site.start()
        await site.until(lambda: phase(site) == "Succeeded", seconds=SLOW_WATCH - 1)


async def test_a_new_leader_acts_on_what_the_old_one_left_unacknowledged() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation())
        await site.until(lambda: messages(site))
        site.cluster.reachable = False
        site.work(answered)
        await site.until(lambda: site.queue.server.content().results.pending)
        await site.advance(3)
        await site.stop()
        site.cluster.reachable = True
        site.watch_delay = SLOW_WATCH
        site.start()
        await site.until(lambda: phase(site) == "Succeeded", seconds=SLOW_WATCH - 1)
        await site.until(lambda: reports(site) == 0, seconds=1)


async def test_an_object_that_ended_before_its_report_is_not_read_again() -> None:
    async with Installation() as site:
        install_twin(site)
        uid = site.apply(simulation())["metadata"]["uid"]
        site.employ(answered)
        await site.until_phase("Simulation", "question", "Succeeded")
        site.cluster.reachable = False
        simulations = site.operator.loop.simulations
        await simulations.follow_unknown(Target("Simulation", "default", "question", uid))
        assert simulations.answers.unfinished() == 0
        with pytest.raises(ApiError):
            await simulations.follow_unknown(Target("Simulation", "default", "question", "another"))


async def test_an_api_server_that_does_not_answer_loses_no_answer() -> None:
    async with Installation(expected=(ApiError,)) as site:
        install_twin(site)
        for number in range(5):
            site.apply(simulation(f"question-{number}"))
        await site.until(lambda: messages(site) == 5)
        site.cluster.reachable = False
        site.work(answered)
        await site.advance(20)
        assert reports(site) == 5
        site.cluster.reachable = True
        for number in range(5):
            await site.until_phase("Simulation", f"question-{number}", "Succeeded")


async def test_a_run_that_still_runs_when_its_object_ends_is_stopped() -> None:
    async with Installation() as site:
        install_twin(site)
        uid = site.apply(simulation(activeDeadlineSeconds=30))["metadata"]["uid"]
        site.employ(hang)
        renewed: list[str] = []
        await site.until(lambda: run_of(site, uid).leased)
        record = site.queue.server.written_record(uid)
        while phase(site) != "Failed":
            record.lease_until = site.now() + 10  # as the worker's lease thread does
            await site.advance(1)
            renewed.append(phase(site) or "")
        assert ready(site)["reason"] == "DeadlineExceeded"
        await site.until(lambda: run_of(site, uid).stop is not None, seconds=1)
        assert len(renewed) <= 31
