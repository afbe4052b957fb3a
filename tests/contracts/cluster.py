"""What the operator relies on in the API server: objects, their versions, their status, their owners, Events."""

from typing import Final

import pytest

from tests.contracts.cluster_world import World, until
from tests.unit.services.twin_models.test_listing import of_arms
from tests.unit.services.twin_models.test_plan import NOW, model
from twin_operator.api.v1alpha1 import PLURALS, Simulation
from twin_operator.services.reconciling.ports import Changed, Event, Gone, Refused
from twin_operator.services.runs.run import JSON
from twin_operator.services.twin_models.status import with_new_version

NOBODY: Final = "11111111-1111-4111-8111-111111111111"
"""A uid that no object has."""


FIDELITY: Final[JSON] = {"grade": "Good", "relativeError": 0.1}


class ObjectsContract:
    """Objects, whichever cluster keeps them: a subclass provides the fixture `world`."""

    async def test_a_new_object_has_a_uid_a_time_and_the_first_generation(self, world: World) -> None:
        meta = (await world.resources.create("Simulation", world.manifest("Simulation", "mens")))["metadata"]
        assert (meta["name"], meta["generation"]) == ("mens", 1)
        assert len(meta["uid"]) == len(NOBODY)
        assert meta["creationTimestamp"].endswith("Z")
        assert meta["resourceVersion"]

    async def test_an_object_is_read_as_it_was_created(self, world: World) -> None:
        created = await world.resources.create("Simulation", world.manifest("Simulation", "mens"))
        assert await world.resources.read("Simulation", world.namespace, "mens") == created

    @pytest.mark.parametrize("kind", PLURALS)
    async def test_a_new_object_is_pending_whatever_status_its_manifest_has(self, kind: str, world: World) -> None:
        manifest = world.full(kind, "one") | {"status": {"phase": "Failed"}}
        created = await world.resources.create(kind, manifest)
        assert created["status"].items() >= {"phase": "Pending", "observedGeneration": -1}.items()

    async def test_a_taken_name_is_a_conflict(self, world: World) -> None:
        await world.resources.create("Simulation", world.manifest("Simulation", "mens"))
        with pytest.raises(Changed):
            await world.resources.create("Simulation", world.manifest("Simulation", "mens"))

    async def test_a_name_can_be_generated(self, world: World) -> None:
        manifest = world.manifest("RetrainingJob", "")
        manifest["metadata"] = {"namespace": world.namespace, "generateName": "spring-"}
        names = {(await world.resources.create("RetrainingJob", manifest))["metadata"]["name"] for _ in range(2)}
        assert len(names) == 2
        assert all(name.startswith("spring-") and name != "spring-" for name in names)

    @pytest.mark.parametrize("name", ["", "Upper", "under_score", "-dash", "a" * 254])
    async def test_a_malformed_name_is_refused(self, name: str, world: World) -> None:
        with pytest.raises(Refused):
            await world.resources.create("Simulation", world.manifest("Simulation", name))

    async def test_an_object_that_is_not_there_is_gone(self, world: World) -> None:
        with pytest.raises(Gone):
            await world.resources.read("Simulation", world.namespace, "mens")

    async def test_an_object_of_another_namespace_is_gone(self, world: World) -> None:
        await world.simulation("mens")
        with pytest.raises(Gone):
            await world.resources.read("Simulation", "default", "mens")

    async def test_an_object_made_again_has_another_uid(self, world: World) -> None:
        before = await world.simulation("mens")
        await world.user.delete("Simulation", "mens")
        assert (await world.simulation("mens"))["metadata"]["uid"] != before["metadata"]["uid"]

    async def test_what_was_read_is_a_copy(self, world: World) -> None:
        created = await world.simulation("mens")
        for body in (created, await world.resources.read("Simulation", world.namespace, "mens")):
            body["spec"]["modelRef"]["name"] = "autumn"
        assert (await world.user.get("Simulation", "mens"))["spec"]["modelRef"]["name"] == "spring"

    async def test_the_cluster_has_one_uid(self, world: World) -> None:
        assert len(await world.resources.cluster_uid()) == len(NOBODY)
        assert await world.resources.cluster_uid() == await world.resources.cluster_uid()


class UpdatesContract:
    """Updates by users: patches, generations, conflicts."""

    async def test_a_change_of_the_spec_raises_the_generation(self, world: World) -> None:
        before = await world.simulation("mens")
        after = await world.user.patch("Simulation", "mens", {"spec": {"suspend": True}})
        assert after["metadata"]["generation"] == 2
        assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
        assert after["spec"] == before["spec"] | {"suspend": True}

    async def test_a_change_of_metadata_does_not_raise_the_generation(self, world: World) -> None:
        before = await world.simulation("mens")
        after = await world.user.patch("Simulation", "mens", {"metadata": {"labels": {"team": "growth"}}})
        assert after["metadata"]["labels"] == {"team": "growth"}
        assert after["metadata"]["generation"] == 1
        assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]

    async def test_a_patch_of_the_object_does_not_change_its_status(self, world: World) -> None:
        before = await world.simulation("mens", status={"phase": "Running"})
        after = await world.user.patch("Simulation", "mens", {"status": {"phase": "Failed"}})
        assert after == before

    async def test_metadata_of_the_api_server_are_not_patched(self, world: World) -> None:
        before = await world.simulation("mens")
        patch = {"metadata": {"generation": 7, "creationTimestamp": "2020-01-01T00:00:00Z", "labels": {"a": "b"}}}
        after = (await world.user.patch("Simulation", "mens", patch))["metadata"]
        assert after["generation"] == 1
        assert after["creationTimestamp"] == before["metadata"]["creationTimestamp"]

    async def test_null_removes_a_field_and_a_default_takes_its_place(self, world: World) -> None:
        await world.simulation("mens", priority=9, seed=3)
        spec = (await world.user.patch("Simulation", "mens", {"spec": {"ttlSecondsAfterFinished": 60}}))["spec"]
        assert spec["ttlSecondsAfterFinished"] == 60
        patch = {"spec": {"ttlSecondsAfterFinished": None, "suspend": None}}
        spec = (await world.user.patch("Simulation", "mens", patch))["spec"]
        assert "ttlSecondsAfterFinished" not in spec
        assert spec["suspend"] is False

    async def test_the_last_annotation_that_is_removed_removes_the_map(self, world: World) -> None:
        await world.simulation("mens")
        await world.user.patch("Simulation", "mens", {"metadata": {"annotations": {"a": "b"}}})
        after = await world.user.patch("Simulation", "mens", {"metadata": {"annotations": {"a": None}}})
        assert "annotations" not in after["metadata"]

    async def test_a_patch_that_changes_nothing_makes_no_version(self, world: World) -> None:
        before = await world.simulation("mens", status={"phase": "Running"})
        after = await world.user.patch("Simulation", "mens", {"spec": {"modelRef": {"name": "spring"}}})
        assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]

    async def test_the_first_patch_makes_a_version_since_it_stores_the_default_status(self, world: World) -> None:
        before = await world.simulation("mens")
        after = await world.user.patch("Simulation", "mens", {})
        again = await world.user.patch("Simulation", "mens", {})
        assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
        assert (after["metadata"]["generation"], after["status"]) == (1, before["status"])
        assert again == after

    async def test_a_patch_of_another_version_is_a_conflict(self, world: World) -> None:
        await world.simulation("mens")
        patch = {"metadata": {"resourceVersion": "999999999"}, "spec": {"suspend": True}}
        with pytest.raises(Changed):
            await world.user.patch("Simulation", "mens", patch)

    async def test_a_patch_of_another_uid_is_refused(self, world: World) -> None:
        await world.simulation("mens")
        with pytest.raises(Refused, match=r"metadata\.uid"):
            await world.user.patch("Simulation", "mens", {"metadata": {"uid": NOBODY}, "spec": {"suspend": True}})

    async def test_a_refused_patch_changes_nothing(self, world: World) -> None:
        before = await world.simulation("mens")
        with pytest.raises(Refused):
            await world.user.patch("Simulation", "mens", {"spec": {"suspend": "perhaps"}})
        assert await world.user.get("Simulation", "mens") == before

    async def test_what_is_not_there_is_not_patched(self, world: World) -> None:
        with pytest.raises(KeyError):
            await world.user.patch("Simulation", "mens", {"spec": {"suspend": True}})


class StatusContract:
    """The status subresource, as the operator writes it."""

    async def test_a_status_is_merged_and_nothing_else_changes(self, world: World) -> None:
        before = await world.simulation("mens", status={"phase": "Running", "attempts": 1})
        after = await world.resources.write_status("Simulation", before, {"phase": "Succeeded"})
        assert after["status"] == before["status"] | {"phase": "Succeeded"}
        assert after["spec"] == before["spec"]
        assert after["metadata"]["generation"] == before["metadata"]["generation"]
        assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]

    async def test_the_status_of_a_twin_with_more_and_longer_of_everything_is_accepted(self, world: World) -> None:
        before = await world.resources.create("TwinModel", world.full("TwinModel", "wide"))
        arms = tuple(f"{number} письмо " * 40 for number in range(100))
        trained = of_arms(99, arms=arms, experiments=arms * 11, warnings=arms, assignment_not_random="за " * 2_000)
        status = with_new_version(model(), trained, NOW).manifest()
        after = await world.resources.write_status("TwinModel", before, status)
        assert len(after["status"]["model"]["arms"]) == 33

    async def test_a_patch_of_the_status_changes_neither_spec_nor_labels(self, world: World) -> None:
        before = await world.simulation("mens")
        patch = {"status": {"phase": "Running"}, "spec": {"suspend": True}, "metadata": {"labels": {"team": "growth"}}}
        after = await world.user.patch_status("Simulation", "mens", patch)
        assert (after["status"]["phase"], after["spec"]) == ("Running", before["spec"])
        assert "labels" not in after["metadata"]

    async def test_null_removes_a_field_of_a_status(self, world: World) -> None:
        before = await world.simulation("mens", status={"modelVersion": "3", "fidelity": FIDELITY})
        status = {"modelVersion": None, "fidelity": {"relativeError": None}, "population": None}
        after = await world.resources.write_status("Simulation", before, status)
        assert after["status"] == {"phase": "Pending", "observedGeneration": -1, "fidelity": {"grade": "Good"}}

    async def test_a_status_of_an_earlier_version_is_a_conflict(self, world: World) -> None:
        before = await world.simulation("mens")
        after = await world.user.patch("Simulation", "mens", {"spec": {"suspend": True}})
        with pytest.raises(Changed):
            await world.resources.write_status("Simulation", before, {"phase": "Succeeded"})
        assert await world.user.get("Simulation", "mens") == after

    async def test_a_status_of_an_object_made_again_is_a_conflict(self, world: World) -> None:
        before = await world.simulation("mens")
        await world.user.delete("Simulation", "mens")
        await world.simulation("mens")
        with pytest.raises(Changed):
            await world.resources.write_status("Simulation", before, {"phase": "Succeeded"})

    async def test_the_status_of_an_object_that_is_not_there_is_gone(self, world: World) -> None:
        before = await world.simulation("mens")
        await world.user.delete("Simulation", "mens")
        with pytest.raises(Gone):
            await world.resources.write_status("Simulation", before, {"phase": "Succeeded"})

    async def test_a_status_that_changes_nothing_makes_no_version(self, world: World) -> None:
        before = await world.simulation("mens", status={"phase": "Running"})
        again = await world.resources.write_status("Simulation", before, {"phase": "Running", "modelVersion": None})
        assert again["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
        assert (await world.resources.write_status("Simulation", before, {"phase": "Failed"}))["status"]["phase"]

    async def test_a_refused_status_changes_nothing(self, world: World) -> None:
        before = await world.simulation("mens")
        with pytest.raises(Refused, match=r"status\.phase"):
            await world.resources.write_status("Simulation", before, {"phase": "Nonsense"})
        assert await world.user.get("Simulation", "mens") == before

    async def test_unknown_fields_of_a_status_are_dropped(self, world: World) -> None:
        before = await world.simulation("mens")
        after = await world.resources.write_status("Simulation", before, {"phase": "Running", "mood": "good"})
        assert after["status"] == {"phase": "Running", "observedGeneration": -1}


class DeletionContract:
    """Deletion, and the collection of what was owned."""

    async def test_an_object_is_deleted_by_its_uid(self, world: World) -> None:
        meta = (await world.simulation("mens"))["metadata"]
        await world.resources.delete("Simulation", world.namespace, "mens", meta["uid"])
        with pytest.raises(Gone):
            await world.resources.read("Simulation", world.namespace, "mens")

    async def test_an_object_with_another_uid_is_left_alone(self, world: World) -> None:
        before = await world.simulation("mens")
        await world.resources.delete("Simulation", world.namespace, "mens", NOBODY)
        assert await world.user.get("Simulation", "mens") == before

    async def test_deleting_what_is_not_there_is_no_error(self, world: World) -> None:
        await world.resources.delete("Simulation", world.namespace, "mens", NOBODY)

    async def test_what_an_owner_leaves_behind_is_collected(self, world: World) -> None:
        owner = await world.user.create(world.manifest("TwinModel", "spring"))
        await world.user.create(_owned(world, "job", owner))
        async with world.user.watch("RetrainingJob", "") as changes:
            await world.resources.delete("TwinModel", world.namespace, "spring", owner["metadata"]["uid"])
            await until(lambda: ("DELETED", "job") in [(kind, body["metadata"]["name"]) for kind, body in changes])

    async def test_what_has_another_owner_stays(self, world: World) -> None:
        owners = [await world.user.create(world.manifest("TwinModel", name)) for name in ("spring", "autumn")]
        await world.user.create(_owned(world, "both", *owners))
        await world.user.create(_owned(world, "one", owners[0]))
        async with world.user.watch("RetrainingJob", "") as changes:
            await world.user.delete("TwinModel", "spring")
            await until(lambda: ("DELETED", "one") in [(kind, body["metadata"]["name"]) for kind, body in changes])
        assert (await world.user.get("RetrainingJob", "both"))["metadata"]["name"] == "both"


class EventsContract:
    """Events of Kubernetes."""

    async def test_an_occasion_is_one_event(self, world: World) -> None:
        simulation = Simulation.model_validate(await world.simulation("mens"))
        for message in ("It ended.", "It ended, said again."):
            await world.resources.emit(Event(simulation, "Ended", message, occasion="1"))
        assert await world.user.events() == [("Ended", "It ended.")]

    async def test_two_occasions_are_two_events(self, world: World) -> None:
        simulation = Simulation.model_validate(await world.simulation("mens"))
        for occasion in ("1", "2"):
            await world.resources.emit(Event(simulation, "Ended", "It ended.", occasion=occasion))
        await world.resources.emit(Event(simulation, "Began", "It began.", warning=True, occasion="1"))
        assert sorted(await world.user.events()) == [("Began", "It began."), *[("Ended", "It ended.")] * 2]


def _owned(world: World, name: str, *owners: JSON) -> JSON:
    manifest = world.manifest("RetrainingJob", name)
    manifest["metadata"]["ownerReferences"] = [
        {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
        | {key: owner["metadata"][key] for key in ("name", "uid")}
        for owner in owners
    ]
    return manifest
