"""A TwinModel that does not own its registered model answers, trains, records and promotes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.cluster import CLUSTER_UID
from tests.fakes.installation import Installation
from tests.fakes.ready_twin import TWIN, install_twin, simulation, small_bank, twin_model
from tests.fakes.registry import InMemoryRegistry, InMemoryVersions
from tests.unit.services.letters import (
    MODEL,
    NAME,
    REGISTERED,
    Workers,
    job,
    observe,
    reasons,
    serving,
    version,
)
from tests.unit.services.letters import twin_model as letters_model
from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.services.registered_models import RegisteredModels
from twin_operator.services.runs.run import TaskKind
from twin_operator.services.twin_models.status import taken as taken_status

pytestmark = pytest.mark.looptime
OTHER_OWNER = "other-cluster/default/letters/uid"
OWNER_TAG = f"{CLUSTER_UID}/default/letters/"


def taken(site: Installation, name: str = NAME, namespace: str = "default") -> bool:
    ready = site.condition("TwinModel", name, namespace=namespace)
    stalled = site.condition("TwinModel", name, "Stalled", namespace)
    return (ready.get("status"), stalled.get("reason")) == ("False", "RegisteredModelTaken")


async def lost(site: Installation) -> None:
    """Have an administrator give the registered model of a model that answers to another cluster."""
    site.registry.set_tag(REGISTERED, "twinops.owner", OTHER_OWNER)
    await site.until(lambda: taken(site))


async def returned(site: Installation) -> None:
    site.registry.set_tag(REGISTERED, "twinops.adopt", "default/letters")
    await site.until(lambda: site.condition(*MODEL)["status"] == "True")


async def known_of_version(site: Installation) -> None:
    """Have the conditions of a version whose training found something, and whose predictions were wrong."""
    found = {
        "Faithful": ("False", "PredictionError", "It is off by 40 %."),
        "AssignmentNotRandom": ("True", "AssignmentNotRandom", "age differs."),
        "DataWarning": ("True", "DataWarning", "12 rows without an arm."),
    }
    conditions = [
        {"type": kind, "status": status, "reason": reason, "message": message}
        for kind, (status, reason, message) in found.items()
    ]
    present = site.status(*MODEL)["conditions"]
    others = [each for each in present if each["type"] not in found]
    site.cluster.patch_status("TwinModel", "default", NAME, {"status": {"conditions": [*others, *conditions]}})


async def test_a_twin_that_may_not_use_its_version_stays_unfaithful() -> None:
    async with Installation() as site:
        await serving(site)
        await known_of_version(site)
        status = taken_status(TwinModel.model_validate(site.get(*MODEL)), "It is another's.", site.now())
        faithful = next(each for each in status.conditions if each.type == "Faithful")
        assert (faithful.status, faithful.reason) == ("False", "PredictionError")


@pytest.mark.parametrize("kind", ["AssignmentNotRandom", "DataWarning"])
async def test_what_is_known_against_a_version_stays_known_while_it_may_not_be_used(kind: str) -> None:
    async with Installation() as site:
        await serving(site)
        await known_of_version(site)
        before = site.condition(*MODEL, kind)["message"]
        await lost(site)
        assert site.condition(*MODEL, kind).get("message") == before


@pytest.mark.parametrize("kind", ["AssignmentNotRandom", "DataWarning"])
async def test_what_training_found_stays_known_while_a_pinned_version_is_not_there(kind: str) -> None:
    async with Installation() as site:
        await serving(site)
        await known_of_version(site)
        before = site.condition(*MODEL, kind)["message"]
        for version_wanted, status in (("9", "False"), (None, "True")):
            site.patch(*MODEL, {"spec": {"version": version_wanted}})
            await site.until(lambda wanted=status: site.condition(*MODEL)["status"] == wanted)  # type: ignore[misc]
        assert site.condition(*MODEL, kind).get("message") == before


async def test_a_foreign_model_is_never_touched_and_is_used_once_an_administrator_says_so() -> None:
    async with Installation() as site:
        workers = Workers(site)
        site.in_background(workers.work, 1.0)
        site.registry.create_foreign("fraud")
        before = site.registry.content("fraud")
        site.apply(letters_model(registeredModel="fraud"))
        await site.until(lambda: taken(site))
        site.apply(simulation("pinned", modelRef={"name": NAME, "version": "1"}))
        site.apply(simulation("any", model=NAME))
        await site.advance(200)
        assert site.registry.content("fraud") == before
        assert workers.done == []
        assert {site.condition("Simulation", each)["reason"] for each in ("pinned", "any")} == {"ModelNotReady"}
        site.registry.set_tag("fraud", "twinops.adopt", "default/letters")
        await site.until_phase(*MODEL, "Ready")
        found = site.registry.registered_model("fraud")
        assert found is not None
        assert found.tags["twinops.owner"].startswith(OWNER_TAG)
        assert "twinops.adopt" not in found.tags
        assert (version(site), site.condition(*MODEL, "Stalled")) == ("2", {})


async def test_a_twin_that_names_the_registered_model_of_another_gets_nothing_of_it() -> None:
    async with Installation() as site:
        site.employ()
        bank, summary = small_bank()
        owner = f"{CLUSTER_UID}/default/{TWIN}/u"
        site.registry.register("shared", owner, bank, summary, {"twinops.run": "r"}, promote=True)
        site.apply(twin_model("thief", "payments", registeredModel="shared"))
        await site.until(lambda: taken(site, "thief", "payments"))
        for name, wanted in (("asked", {}), ("pinned", {"version": "1"})):
            site.apply(simulation(name, "payments", modelRef={"name": "thief", **wanted}))
        await site.advance(100)
        for name in ("asked", "pinned"):
            status = site.status("Simulation", name, "payments")
            assert (status["phase"], "modelVersion" in status, status.get("attempts", 0)) == ("Pending", False, 0)
            assert "belongs to" in site.condition("Simulation", name, namespace="payments")["message"]
        assert await site.queue.depths(["training", "simulations"]) == {"training": 0, "simulations": 0}


async def test_a_model_that_lost_its_registered_model_answers_again_when_it_has_it_back() -> None:
    async with Installation() as site:
        install_twin(site, NAME)
        await lost(site)
        site.apply(simulation(model=NAME))
        await site.advance(100)
        assert site.condition("Simulation", "question")["reason"] == "ModelNotReady"
        assert await site.queue.depths(["simulations", "training"]) == {"simulations": 0, "training": 0}
        await returned(site)
        site.employ()
        await site.until_phase("Simulation", "question", "Succeeded")
        assert (version(site), site.registry.versions(REGISTERED)) == ("1", ["1"])


async def test_a_model_that_many_ask_is_checked_again_after_seconds_not_at_the_resync() -> None:
    async with Installation({"resync_seconds": 10_000}) as site:
        install_twin(site, NAME)
        site.employ()
        site.apply(simulation("first", model=NAME))
        await site.until_phase("Simulation", "first", "Succeeded")
        site.registry.set_tag(REGISTERED, "twinops.owner", OTHER_OWNER)
        for number in range(6):
            site.apply(simulation(f"more-{number}", model=NAME))
            await site.advance(4)
        assert taken(site)


async def test_a_leader_that_starts_binds_nothing_before_it_has_checked() -> None:
    async with Installation() as site:
        install_twin(site, NAME)
        await site.stop()
        site.registry.set_tag(REGISTERED, "twinops.owner", OTHER_OWNER)
        site.apply(simulation(model=NAME))
        site.start()
        await site.until(lambda: taken(site))
        assert await site.queue.depths(["simulations"]) == {"simulations": 0}


@pytest.mark.parametrize("restart", [False, True])
async def test_a_registry_that_is_away_makes_no_owner_a_stranger(*, restart: bool) -> None:
    async with Installation() as site:
        await serving(site)
        site.registry.reachable = False
        if restart:
            await site.restart()
        await site.advance(200)
        assert site.condition(*MODEL)["status"] == "True"
        assert site.condition(*MODEL, "Stalled") == {}


@pytest.mark.parametrize("restart", [False, True])
async def test_a_registry_that_is_away_makes_no_stranger_an_owner(*, restart: bool) -> None:
    async with Installation() as site:
        install_twin(site, NAME)
        await lost(site)
        site.registry.reachable = False
        if restart:
            await site.restart()
        site.apply(simulation(model=NAME))
        await site.advance(200)
        assert taken(site)
        assert site.condition("Simulation", "question")["reason"] == "ModelNotReady"


async def test_a_new_model_waits_to_answer_until_the_owner_of_its_registered_model_is_known() -> None:
    async with Installation() as site:
        body = site.apply(twin_model(NAME))
        site.registry.reachable = False
        kept = {"phase": "Ready", "registeredModel": "another", "model": {"version": "1"}}
        site.cluster.patch_status("TwinModel", "default", NAME, {"status": kept})
        site.apply(simulation(model=NAME))
        await site.until(lambda: site.condition("Simulation", "question"))
        assert "has not been read yet" in site.condition("Simulation", "question")["message"]
        assert body["metadata"]["name"] == NAME


async def test_a_training_is_stopped_when_the_registered_model_is_given_away() -> None:
    async with Installation() as site:
        site.apply(letters_model())
        await site.until_phase(*MODEL, "Training")
        (begun,) = site.work(lambda _task: None, ["training"])
        site.registry.check_owner(REGISTERED, OTHER_OWNER)
        await site.until(lambda: taken(site))
        assert site.queue.server.content().records[begun.run].stop == "cancelled"


async def test_a_training_that_ended_before_its_name_was_refused_is_repeated() -> None:
    async with Installation() as site:
        workers = Workers(site)
        site.apply(letters_model())
        await site.until_phase(*MODEL, "Training")
        await site.stop()
        workers.work()
        site.registry.set_tag(REGISTERED, "twinops.owner", OTHER_OWNER)
        site.start()
        await site.until(lambda: taken(site))
        site.registry.delete_registered_model(REGISTERED)
        await workers.do(TaskKind.TRAIN)
        await site.until_phase(*MODEL, "Ready")
        assert "ModelNotFound" not in reasons(site)


async def test_a_retraining_is_held_and_nothing_is_promoted_for_a_stranger() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.apply(job(approval={"approved": True, "by": "jane"}))
        await workers.do(TaskKind.RETRAIN)
        await site.until_phase("RetrainingJob", "again", "Validating")
        site.registry.set_tag(REGISTERED, "twinops.owner", OTHER_OWNER)
        before = site.registry.content(REGISTERED)
        workers.work()
        await site.until(lambda: site.condition("RetrainingJob", "again")["reason"] == "ModelNotReady")
        await site.advance(100)
        assert site.registry.content(REGISTERED) == before, "no tag, no alias"
        site.registry.set_tag(REGISTERED, "twinops.adopt", "default/letters")
        await site.until_phase("RetrainingJob", "again", "Completed")
        assert site.registry.champion_version(REGISTERED) == "2"


async def test_a_job_of_a_stranger_does_not_start() -> None:
    async with Installation() as site:
        workers = await serving(site)
        await lost(site)
        site.apply(job(approval={"approved": True, "by": "jane"}))
        await site.until(lambda: site.condition("RetrainingJob", "again").get("reason") == "ModelNotReady")
        await site.advance(100)
        assert (workers.count(TaskKind.RETRAIN), site.status("RetrainingJob", "again")["phase"]) == (0, "Pending")
        assert "belongs to other-cluster" in site.condition("RetrainingJob", "again")["message"]


async def test_no_version_is_rolled_back_for_a_stranger() -> None:
    async with Installation() as site:
        await serving(site)
        kept = site.registry.summary(REGISTERED, "1")
        site.registry.add(REGISTERED, f"{OWNER_TAG}u", "another", **kept, promote=False)
        site.registry.set_tag(REGISTERED, "twinops.owner", OTHER_OWNER)
        before = site.registry.content(REGISTERED)
        wanted = {"from": "1", "to": "2", "reason": "Wrong rows.", "by": "jane"}
        site.patch(*MODEL, {"metadata": {"annotations": {f"twinops.dev/rollback-{k}": v for k, v in wanted.items()}}})
        await site.until(lambda: taken(site))
        assert site.registry.content(REGISTERED) == before


def grade(site: Installation, number: int) -> Any:
    return site.status("Simulation", f"question-1-{number}").get("fidelity", {}).get("grade")


async def test_outcomes_are_recorded_for_the_owner_alone_and_later_when_it_is_one_again() -> None:
    async with Installation() as site:
        await serving(site)
        await lost(site)
        observe(site, 1, 0.07)
        await site.advance(100)
        assert (site.archive.outcomes(site.twin(MODEL[1])), grade(site, 1)) == ([], None)
        site.registry.set_tag(REGISTERED, "twinops.adopt", "default/letters")
        await site.until(lambda: grade(site, 1))
        assert len(site.archive.outcomes(site.twin(MODEL[1]))) == 1


def registered_models(registry: InMemoryRegistry) -> RegisteredModels:
    return RegisteredModels(InMemoryVersions(registry), CLUSTER_UID, lambda: 0.0, lambda _key: None)


@pytest.mark.parametrize(
    ("name", "own"),
    [("default.letters", True), ("default.before", True), ("before", True), ("payments.letters", False)],
)
async def test_a_registered_model_that_is_gone_may_be_of_a_twin_of_its_namespace(name: str, *, own: bool) -> None:
    assert await registered_models(InMemoryRegistry()).holds(("default", NAME), name) is own


@pytest.mark.parametrize(("name", "own"), [("default.letters", True), ("letters", False), ("payments.letters", False)])
async def test_while_the_registry_is_away_a_twin_has_the_registered_model_of_its_own_name(
    name: str, *, own: bool
) -> None:
    registry = InMemoryRegistry()
    registry.reachable = False
    assert await registered_models(registry).holds(("default", NAME), name) is own


async def test_outcomes_are_recorded_while_the_registry_is_away() -> None:
    async with Installation() as site:
        await serving(site)
        site.registry.reachable = False
        observe(site, 1, 0.07)
        await site.until(lambda: grade(site, 1))


async def test_every_object_restored_with_new_uids_is_adopted_with_its_version() -> None:
    async with Installation() as site:
        workers = await serving(site)
        before = site.get(*MODEL)
        site.remove(*MODEL)
        site.registry.set_tag(REGISTERED, "twinops.owner", OTHER_OWNER)
        site.in_background(workers.work, 1.0)
        site.apply({key: before[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": NAME}})
        site.cluster.patch_status("TwinModel", "default", NAME, {"status": before["status"]})
        await site.until(lambda: taken(site))
        await returned(site)
        assert (version(site), site.registry.versions(REGISTERED)) == ("1", ["1"])
        assert site.get(*MODEL)["metadata"]["uid"] != before["metadata"]["uid"]
