"""What happens to a TwinModel and its Simulations when versions, pins and the alias change in the registry."""

from __future__ import annotations

import pytest

from tests.fakes.cluster import CLUSTER_UID
from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, simulation, small_bank
from tests.unit.services.letters import MODEL, NAME, REGISTERED, job, promoted, reasons, second, serving, version
from tests.unit.services.simulations.site import PUBLISHED
from twin_operator.services.reconciling.version_tags import RUN
from twin_operator.services.runs.run import TaskKind

pytestmark = pytest.mark.looptime
QUESTION = ("Simulation", "question")


def event(site: Installation, reason: str) -> str:
    (found,) = [each.message for each in site.cluster.events if each.reason == reason]
    return found


async def test_an_active_version_that_is_deleted_is_not_found_and_another_is_trained_without_a_job() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.registry.delete_version(REGISTERED, "1")
        await site.until(lambda: site.condition(*MODEL)["reason"] == "ModelNotFound", seconds=65)
        assert (site.condition(*MODEL)["status"], version(site)) == ("False", None)
        assert "Version 1 of default.letters was deleted in the registry" in site.condition(*MODEL)["message"]
        assert "was deleted" in event(site, "ModelNotFound")
        site.apply(simulation(model=NAME))
        await site.until(lambda: site.condition(*QUESTION).get("reason") == "ModelNotFound")
        workers.work()
        await site.until_phase(*MODEL, "Ready")
        assert (version(site), site.registry.versions(REGISTERED)) == ("2", ["2"])
        assert site.cluster.objects("RetrainingJob") == []
        await site.until(lambda: site.status(*QUESTION).get("modelVersion") == "2")
        assert site.status(*QUESTION).get("attempts", 0) == 0


async def test_a_deleted_version_is_not_replaced_by_an_older_one_of_the_first_training() -> None:
    async with Installation() as site:
        workers = await promoted(site)
        site.registry.delete_version(REGISTERED, "2")
        await site.until(lambda: version(site) is None)
        workers.work()
        await site.until_phase(*MODEL, "Ready")
        assert version(site) == "3"


async def test_a_registered_model_that_is_deleted_is_trained_for_again() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.registry.delete_registered_model(REGISTERED)
        for _again in range(2):
            await site.until(lambda: version(site) is None)
            await site.restart()
            await site.until(lambda: TaskKind.TRAIN in workers.work())
            await site.until_phase(*MODEL, "Ready")
            assert site.registry.versions(REGISTERED) == ["1"]
            assert site.status(*MODEL)["model"]["runID"] == site.registry.summary(REGISTERED, "1")["runID"]
            site.registry.delete_registered_model(REGISTERED)


async def test_a_registered_model_that_is_deleted_again_right_after_a_training_is_trained_for_again() -> None:
    async with Installation(watch_delay=2) as site:
        workers = await serving(site)
        for _again in range(2):
            site.registry.delete_registered_model(REGISTERED)
            await site.until(lambda: version(site) is None)
            await site.until(lambda: TaskKind.TRAIN in workers.work())
            await site.until_phase(*MODEL, "Ready")
            await site.restart()


async def test_a_version_that_took_the_number_of_the_active_one_is_another_version() -> None:
    async with Installation() as site:
        await serving(site)
        before, summary = site.status(*MODEL)["model"]["runID"], site.registry.summary(REGISTERED, "1")
        owner = f"{CLUSTER_UID}/default/letters/{site.get(*MODEL)['metadata']['uid']}"
        site.registry.delete_registered_model(REGISTERED)
        site.registry.add(REGISTERED, owner, "again", **summary)
        await site.until(lambda: site.status(*MODEL)["model"]["runID"] != before, seconds=65)
        assert site.status(*MODEL)["model"]["runID"] == site.registry.summary(REGISTERED, "1")["runID"]


async def test_a_version_that_took_the_number_of_the_active_one_without_the_alias_does_not_answer() -> None:
    async with Installation() as site:
        await serving(site)
        summary = site.registry.summary(REGISTERED, "1")
        owner = f"{CLUSTER_UID}/default/letters/{site.get(*MODEL)['metadata']['uid']}"
        site.registry.delete_registered_model(REGISTERED)
        site.registry.add(REGISTERED, owner, "again", **summary, promote=False)
        await site.until(lambda: site.condition(*MODEL)["reason"] == "ModelNotFound", seconds=65)


async def test_an_active_version_whose_run_the_status_does_not_have_stays_active() -> None:
    async with Installation() as site:
        install_twin(site, NAME)
        site.cluster.patch_status("TwinModel", "default", NAME, {"status": {"model": {"runID": None}}})
        await site.advance(70)
        assert (version(site), "ChampionMoved" in reasons(site)) == ("1", False)


async def test_an_alias_that_is_removed_leaves_the_version() -> None:
    async with Installation() as site:
        await serving(site)
        site.registry.remove_champion(REGISTERED)
        await site.advance(200)
        assert (version(site), site.condition(*MODEL)["status"]) == ("1", "True")


async def test_a_version_that_the_alias_is_moved_to_by_hand_is_active_with_an_event() -> None:
    async with Installation() as site:
        await serving(site)
        await second(site)
        site.registry.set_champion(REGISTERED, "2")
        await site.until(lambda: version(site) == "2", seconds=65)
        assert "was moved to version 2" in event(site, "ChampionMoved")


async def test_a_version_that_the_alias_is_on_when_the_active_one_is_deleted_is_active_with_an_event() -> None:
    async with Installation() as site:
        await serving(site)
        await second(site)
        site.registry.delete_version(REGISTERED, "1")
        site.registry.set_champion(REGISTERED, "2")
        await site.until(lambda: version(site) == "2", seconds=65)
        assert "was moved to version 2" in event(site, "ChampionMoved")


async def test_a_promotion_of_the_operator_is_no_move_by_hand() -> None:
    async with Installation() as site:
        await promoted(site)
        assert "ChampionMoved" not in reasons(site)


async def test_an_alias_on_a_version_of_others_is_a_conflict_while_the_old_one_answers() -> None:
    async with Installation() as site:
        await serving(site)
        foreign = site.registry.add_foreign_version(REGISTERED)
        site.registry.set_champion(REGISTERED, foreign)
        await site.until(lambda: site.condition(*MODEL, "RegistryConflict"), seconds=65)
        conflict = site.condition(*MODEL, "RegistryConflict")
        assert (conflict["status"], conflict["reason"]) == ("True", "ForeignVersion")
        assert "on version 2" in conflict["message"]
        site.patch(*MODEL, {"metadata": {"labels": {"touched": "yes"}}})
        await site.advance(5)
        assert site.condition(*MODEL, "RegistryConflict"), "it stays between two reads"
        assert (version(site), site.condition(*MODEL)["status"]) == ("1", "True")
        site.apply(job(approval={"approved": True, "by": "jane"}))
        await site.until(lambda: site.condition("RetrainingJob", "again").get("reason") == "ModelNotReady")
        assert site.registry.champion_version(REGISTERED) == foreign
        site.registry.set_champion(REGISTERED, "1")
        await site.until(lambda: not site.condition(*MODEL, "RegistryConflict"))


async def test_a_conflict_under_the_name_before_is_none_under_the_present_one() -> None:
    async with Installation() as site:
        workers = await serving(site)
        site.registry.set_champion(REGISTERED, site.registry.add_foreign_version(REGISTERED))
        await site.until(lambda: site.condition(*MODEL, "RegistryConflict"))
        site.patch(*MODEL, {"spec": {"registeredModel": "default.renamed"}})
        await workers.do(TaskKind.TRAIN)
        await site.until(lambda: version(site) == "1")
        await site.advance(5)
        assert site.condition(*MODEL, "RegistryConflict") == {}


async def test_a_pin_that_does_not_exist_makes_the_model_not_ready_and_simulations_wait() -> None:
    async with Installation() as site:
        install_twin(site, NAME)
        site.patch(*MODEL, {"spec": {"version": "9"}})
        await site.until(lambda: site.condition(*MODEL, "Stalled").get("reason") == "ModelNotFound")
        assert (site.condition(*MODEL)["status"], site.condition(*MODEL)["reason"]) == ("False", "ModelNotFound")
        site.apply(simulation(model=NAME))
        await site.until(lambda: site.condition(*QUESTION).get("reason") == "ModelNotFound")
        assert "has no version 9" in site.condition(*QUESTION)["message"]
        await site.advance(100)
        assert (site.status(*QUESTION)["phase"], await site.queue.depths(["simulations"])) == (
            "Pending",
            {"simulations": 0},
        )
        site.employ()
        site.patch(*MODEL, {"spec": {"version": None}})
        await site.until_phase(*QUESTION, "Succeeded")


async def test_a_pinned_version_that_is_deleted_while_it_is_active_is_not_found() -> None:
    async with Installation() as site:
        await serving(site)
        site.patch(*MODEL, {"spec": {"version": "1"}})
        await site.advance(5)
        site.registry.delete_version(REGISTERED, "1")
        await site.until(lambda: site.condition(*MODEL, "Stalled").get("reason") == "ModelNotFound", seconds=65)


async def test_another_registered_model_is_trained_for_and_the_version_before_is_not_used() -> None:
    async with Installation() as site:
        workers = await serving(site)
        before = site.registry.content(REGISTERED)
        site.patch(*MODEL, {"spec": {"registeredModel": "default.renamed"}})
        await site.until_phase(*MODEL, "Training")
        assert (version(site), site.condition(*MODEL)["status"]) == (None, "False")
        site.apply(simulation(model=NAME))
        site.apply(simulation("pinned", modelRef={"name": NAME, "version": "1"}))
        await site.advance(10)
        assert site.condition(*QUESTION)["reason"] == "ModelNotReady"
        assert site.condition("Simulation", "pinned")["reason"] == "ModelNotFound"
        workers.work()
        await site.until_phase(*MODEL, "Ready")
        assert (version(site), site.registry.versions("default.renamed")) == ("1", ["1"])
        assert site.registry.content(REGISTERED) == before


async def test_a_job_that_began_with_a_version_of_another_registered_model_fails() -> None:
    async with Installation() as site:
        await serving(site)
        site.apply(job(approval={"approved": True, "by": "jane"}))
        await site.until_phase("RetrainingJob", "again", "Training")
        site.patch(*MODEL, {"spec": {"registeredModel": "default.renamed"}})
        await site.until_phase("RetrainingJob", "again", "Failed")
        assert site.condition("RetrainingJob", "again")["reason"] == "ModelNotFound"


async def test_a_worker_that_does_not_find_the_bound_version_spends_no_attempt() -> None:
    async with Installation() as site:
        install_twin(site, NAME)
        site.apply(simulation(model=NAME, backoffLimit=0))
        site.apply(simulation("pinned", modelRef={"name": NAME, "version": "1"}, backoffLimit=0))
        await site.until(lambda: site.status("Simulation", "pinned").get("modelVersion") == "1")
        site.registry.delete_version(REGISTERED, "1")
        site.employ()
        names = ("question", "pinned")
        await site.until(
            lambda: {site.condition("Simulation", each).get("reason") for each in names} == {"ModelNotFound"}
        )
        assert {site.status("Simulation", each)["phase"] for each in names} == {"Pending"}
        assert site.condition(*MODEL)["reason"] == "ModelNotFound", "noticed before the next resync"
        assert site.queue.server.content().records


async def test_a_version_that_was_asked_for_by_number_is_not_bound_after_its_deletion() -> None:
    async with Installation() as site:
        install_twin(site, NAME)
        await second(site)
        site.apply(simulation("first", modelRef={"name": NAME, "version": "2"}))
        await site.until(lambda: site.status("Simulation", "first").get("modelVersion") == "2")
        site.registry.delete_version(REGISTERED, "2")
        await site.advance(70)
        before = site.metric(PUBLISHED)
        site.apply(simulation("later", modelRef={"name": NAME, "version": "2"}))
        await site.until(lambda: site.condition("Simulation", "later").get("reason") == "ModelNotFound")
        assert "modelVersion" not in site.status("Simulation", "later")
        assert site.metric(PUBLISHED) == before


async def test_a_version_that_was_asked_for_by_number_is_bound_while_the_registry_is_away() -> None:
    async with Installation() as site:
        install_twin(site, NAME)
        await second(site)
        site.apply(simulation("first", modelRef={"name": NAME, "version": "2"}))
        await site.until(lambda: site.status("Simulation", "first").get("modelVersion") == "2")
        await site.advance(70)
        site.registry.reachable = False
        site.apply(simulation("later", modelRef={"name": NAME, "version": "2"}))
        await site.until(lambda: site.status("Simulation", "later").get("modelVersion") == "2")


async def test_a_simulation_whose_version_was_made_again_under_its_number_spends_no_attempt() -> None:
    async with Installation() as site:
        install_twin(site, NAME)
        site.apply(simulation(model=NAME, backoffLimit=0))
        await site.until(lambda: site.status(*QUESTION).get("modelVersion") == "1")
        uid = site.get(*MODEL)["metadata"]["uid"]
        bank, summary = small_bank()
        site.registry.delete_registered_model(REGISTERED)
        owner = f"{CLUSTER_UID}/default/{NAME}/{uid}"
        site.registry.register(REGISTERED, owner, bank, summary, {RUN: "again"}, promote=True)
        site.employ()
        await site.until_phase(*QUESTION, "Succeeded")
        assert (site.status(*QUESTION)["modelVersion"], site.status(*QUESTION)["attempts"]) == ("1", 1)
