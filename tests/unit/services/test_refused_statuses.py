"""Statuses that the API server refuses: each kind gets a small one that says so, and nothing is tried again at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, simulation
from tests.unit.services.letters import MODEL, REGISTERED, Workers, job, observe, serving, twin_model
from tests.unit.services.pools.site import POOL, pool
from twin_operator.services.runs.run import JSON, TaskKind

pytestmark = pytest.mark.looptime
RESYNC_SECONDS = 300
SETTINGS: JSON = {"resync_seconds": RESYNC_SECONDS}
JOB = ("RetrainingJob", "again")
QUESTION = ("Simulation", "question")


@dataclass
class Refusing:
    """Has the API server refuse the statuses of a kind for which a rule holds, and counts them."""

    kind: str
    field: str
    rule: Callable[[JSON], object]
    refused: int = 0

    def __call__(self, body: JSON) -> str | None:
        if body["kind"] != self.kind or not self.rule(body.get("status") or {}):
            return None
        self.refused += 1
        return f"{self.field}: Invalid value: it is too long"


def refuse(site: Installation, kind: str, field: str, rule: Callable[[JSON], object]) -> Refusing:
    refusing = Refusing(kind, field, rule)
    site.cluster.policies.append(refusing)
    return refusing


async def stalled(site: Installation, kind: str, name: str, field: str) -> JSON:
    """Wait until an object is Stalled as a field of its status was refused; return its status."""
    await site.until(lambda: site.condition(kind, name, "Stalled"))
    ready, status = site.condition(kind, name), site.status(kind, name)
    assert (ready["status"], ready["reason"]) == ("False", "InternalError")
    assert ready["message"].startswith(f"The API server does not accept {field}, ")
    assert ready["message"].endswith("it is too long")
    assert site.condition(kind, name, "Reconciling") == {}
    assert status["observedGeneration"] == site.get(kind, name)["metadata"]["generation"]
    return status


async def trained(site: Installation) -> None:
    site.apply(twin_model())
    await site.until_phase(*MODEL, "Training")
    Workers(site).work()


async def test_a_version_whose_details_are_refused_serves_without_them() -> None:
    async with Installation(SETTINGS) as site:
        refusing = refuse(site, "TwinModel", "status.effects", lambda status: status.get("effects"))
        await trained(site)
        await site.until(lambda: "model" in site.status(*MODEL))
        await site.until_phase(*MODEL, "Ready")
        model = site.status(*MODEL)["model"]
        assert (model["version"], site.registry.champion_version(REGISTERED)) == ("1", "1")
        assert "does not accept status.effects" in model["omitted"]
        assert refusing.refused == 1
        await site.advance(2 * RESYNC_SECONDS)
        assert refusing.refused == 1


async def test_a_model_of_which_no_version_can_be_shown_is_stalled_until_it_can() -> None:
    async with Installation(SETTINGS) as site:
        refusing = refuse(site, "TwinModel", "status.model.arms[3]", lambda status: status.get("model"))
        await trained(site)
        assert (await stalled(site, *MODEL, "status.model.arms[3]"))["phase"] == "Failed"
        refusing.refused = 0
        await site.advance(600)
        assert refusing.refused <= 3 * 2 * 11  # three statuses, at most twice a minute
        site.cluster.policies.clear()
        await site.until_phase(*MODEL, "Ready")
        assert site.status(*MODEL)["model"]["version"] == "1"
        assert site.condition(*MODEL, "Stalled") == {}


async def test_a_refused_status_of_a_model_that_serves_leaves_its_version_as_it_was() -> None:
    async with Installation(SETTINGS) as site:
        await serving(site)
        before = site.status(*MODEL)
        refuse(site, "TwinModel", "status.data", lambda status: status.get("data"))
        Workers(site).work()
        status = await stalled(site, *MODEL, "status.data")
        assert (status["model"], status["effects"]) == (before["model"], before["effects"])
        assert site.condition(*MODEL, "Faithful")["reason"] == "NotValidated"


async def test_a_refused_answer_fails_its_simulation() -> None:
    async with Installation(SETTINGS) as site:
        install_twin(site)
        refusing = refuse(site, "Simulation", "status.effect.low", lambda status: status.get("effect"))
        site.employ()
        site.apply(simulation())
        assert (await stalled(site, *QUESTION, "status.effect.low"))["phase"] == "Failed"
        await site.advance(2 * RESYNC_SECONDS)
        assert refusing.refused == 1


async def test_a_simulation_whose_end_has_no_other_status_keeps_the_one_that_it_had() -> None:
    async with Installation(SETTINGS) as site:
        install_twin(site)
        refusing = refuse(site, "Simulation", "status.worker", lambda status: status.get("worker"))
        site.employ()
        site.apply(simulation())
        status = await stalled(site, *QUESTION, "status.worker")
        assert (status["phase"], "completionTime" in status) == ("Failed", True)
        await site.advance(2 * RESYNC_SECONDS)
        assert refusing.refused == 2


async def test_a_refused_status_of_an_unfinished_simulation_keeps_it_from_no_answer() -> None:
    async with Installation(SETTINGS) as site:
        install_twin(site)
        refuse(site, "Simulation", "status.queuedTime", lambda s: s.get("queuedTime") and "effect" not in s)
        site.apply(simulation())
        await stalled(site, *QUESTION, "status.queuedTime")
        site.work()
        await site.until_phase(*QUESTION, "Succeeded")


async def test_a_job_whose_comparison_is_refused_is_stalled_and_promotes_nothing() -> None:
    async with Installation(SETTINGS) as site:
        workers = await serving(site)
        refusing = refuse(site, "RetrainingJob", "status.gate.message", lambda status: status.get("gate"))
        site.apply(job(approval={"approved": True, "by": "jane"}))
        await workers.do(TaskKind.RETRAIN)
        await workers.do(TaskKind.GATE)
        status = await stalled(site, *JOB, "status.gate.message")
        assert (status["phase"], status["candidate"]["version"]) == ("Validating", "2")
        refusing.refused = 0
        await site.advance(600)
        assert refusing.refused <= 2 * 11  # at most twice a minute
        assert site.registry.champion_version(REGISTERED) == "1"


async def test_a_job_whose_last_status_is_refused_ends_all_the_same() -> None:
    async with Installation(SETTINGS) as site:
        workers = await serving(site)
        refuse(site, "RetrainingJob", "status.conditions", has_promoted)
        site.apply(job(approval={"approved": True, "by": "jane"}))
        await workers.do(TaskKind.RETRAIN)
        await workers.do(TaskKind.GATE)
        status = await stalled(site, *JOB, "status.conditions")
        assert (status["phase"], status["gate"]["passed"]) == ("Completed", True)
        assert site.registry.champion_version(REGISTERED) == "2"


def has_promoted(status: JSON) -> bool:
    return any(each["type"] == "Promoted" for each in status.get("conditions", ()))


async def test_a_pool_whose_queues_are_refused_is_stalled_and_tried_once_a_minute() -> None:
    async with Installation(SETTINGS) as site:
        refusing = refuse(site, POOL, "status.queues[0].depth", lambda status: status.get("queues"))
        site.apply(pool())
        assert (await stalled(site, POOL, "fast", "status.queues[0].depth"))["phase"] == "Failed"
        refusing.refused = 0
        await site.advance(600)
        assert refusing.refused <= 2 * 11  # two pools
        site.cluster.policies.clear()
        await site.until(lambda: site.status(POOL, "fast").get("queues"))
        assert site.condition(POOL, "fast", "Stalled") == {}


async def test_a_refused_grade_delays_no_other() -> None:
    async with Installation(SETTINGS) as site:
        await serving(site)
        refused = "question-1-1"
        refuse(site, "Simulation", "status.fidelity", lambda s: s.get("fidelity", {}).get("covered") is False)
        observe(site, 1, effect=0.9)
        observe(site, 2, effect=0.07)
        status = await stalled(site, "Simulation", refused, "status.fidelity")
        assert status["phase"] == "Succeeded"
        await site.until(lambda: site.status("Simulation", "question-1-2").get("fidelity"))
