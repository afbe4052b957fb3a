"""What is known against a twin when its answer is written decides the recommendation, not what was known before."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import TWIN, install_twin, simulation
from tests.unit.services.letters import MODEL, NAME, Workers, observe, serving
from tests.unit.services.simulations.recorded import RECORDED
from tests.unit.services.simulations.site import messages, phase, run_of, writes
from twin_operator.services.runs.run import JSON, Outcome, Task
from twin_operator.services.work.simulate import answer_simulation

pytestmark = pytest.mark.looptime
STRICT: Final = {"threshold": 0, "minValidations": 2, "maxMeanRelativeError": 0.1, "minIntervalCoverage": 0}
MISSES: Final = 8
SLOW_WATCH: Final = 5.0  # virtual seconds: a new leader reads results before the watch has shown it a TwinModel


def deployed(task: Task) -> Outcome:
    """Return numbers that speak for Deploy, as an answer to any task."""
    case = RECORDED["deploy"]
    numbers = answer_simulation(case.payload, case)
    bound = {"registeredModel": task.payload["registeredModel"], "modelVersion": task.payload["version"]}
    return Outcome(numbers.reason, numbers.message, {**numbers.value, **bound})


async def ready_letters(site: Installation) -> Workers:
    return await serving(site, fidelity=STRICT)


async def miss(site: Installation) -> None:
    """Record outcomes until the condition Faithful is False."""
    for number in range(MISSES):
        observe(site, number, -0.5)
    await site.until(lambda: site.condition(*MODEL, "Faithful").get("status") == "False")


def advice(site: Installation, name: str) -> tuple[str, str]:
    found: JSON = site.status("Simulation", name)["recommendation"]
    return found["action"], found["reason"]


def trust(site: Installation, name: str) -> tuple[str, str]:
    found = site.condition("Simulation", name, "Trustworthy")
    return found["status"], found["reason"]


async def test_of_two_equal_runs_each_has_the_recommendation_of_its_time() -> None:
    async with Installation() as site:
        await ready_letters(site)
        site.apply(simulation("first", model=NAME))
        site.apply(simulation("second", model=NAME))
        await site.until(lambda: messages(site) == 2)
        results: dict[str, Outcome] = {}
        site.work(lambda task: results.setdefault("first", deployed(task)) if task.target.name == "first" else None)
        await site.until_phase("Simulation", "first", "Succeeded")
        await miss(site)
        await site.until(lambda: "second" in {task.target.name for task in site.work(lambda _task: results["first"])})
        await site.until_phase("Simulation", "second", "Succeeded")
        assert advice(site, "first") == ("Deploy", "BenefitLikely")
        assert trust(site, "first") == ("True", "ChecksPassed")
        assert advice(site, "second") == ("Refine", "TwinNotFaithful")
        assert trust(site, "second") == ("False", "TwinNotFaithful")
        assert site.status("Simulation", "second")["effect"]["calibrated"] is False
        assert site.status("Simulation", "second")["warnings"][0]["type"] == "TwinNotFaithful"


async def test_a_new_leader_applies_what_it_has_not_seen_yet() -> None:
    async with Installation() as site:
        await ready_letters(site)
        await miss(site)
        uid = site.apply(simulation("question", model=NAME))["metadata"]["uid"]
        await site.until(lambda: run_of(site, uid).queued)
        await site.advance(1)
        await site.stop()
        assert [task.run for task in site.work(deployed)] == [uid]
        before = writes(site)
        site.watch_delay = SLOW_WATCH
        site.start()
        await site.until_phase("Simulation", "question", "Succeeded")
        await site.advance(90)
        assert advice(site, "question") == ("Refine", "TwinNotFaithful")
        assert writes(site) == before + 1


@pytest.mark.parametrize(
    ("against", "expected"),
    [("none", ("Refine", "AssignmentNotRandom")), ("call", ("Deploy", "BenefitLikely"))],
)
async def test_a_gate_of_the_version_counts_for_its_own_comparison(against: str, expected: tuple[str, str]) -> None:
    async with Installation() as site:
        install_twin(site)
        gate = {"type": "AssignmentNotRandom", "arm": "letter", "against": against, "message": "age tells the arm."}
        site.cluster.patch_status("TwinModel", "default", TWIN, {"status": {"model": {"gates": [gate]}}})
        site.apply(simulation())
        site.employ(deployed)
        await site.until_phase("Simulation", "question", "Succeeded")
        assert advice(site, "question") == expected


async def test_an_answer_of_a_version_that_is_not_active_waits_for_the_registry() -> None:
    async with Installation() as site:
        install_twin(site)
        site.apply(simulation(modelRef={"name": TWIN, "version": "1"}))
        await site.until(lambda: messages(site))
        await site.stop()
        site.work(deployed)
        gone: dict[str, Any] = {"status": {"model": {"version": "2", "runID": "another"}}}
        site.cluster.patch_status("TwinModel", "default", TWIN, gone)
        site.registry.reachable = False
        site.start()
        await site.advance(30)
        assert phase(site) != "Succeeded"
        site.registry.reachable = True
        await site.until_phase("Simulation", "question", "Succeeded")
        assert advice(site, "question") == ("Deploy", "BenefitLikely")
