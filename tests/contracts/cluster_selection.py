"""What the operator relies on in lists and watches: field selectors, finished objects, what follows them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import pytest

from tests.contracts.cluster_world import Changes, World, until
from twin_operator.adapters.kubernetes_api.client import ApiError
from twin_operator.services.reconciling.ports import FinishedObject, GradedObject
from twin_operator.services.runs.run import JSON

UNFINISHED: Final = "status.phase!=Succeeded,status.phase!=Failed"
UNGRADED: Final = "spec.observed.experiment!=,status.fidelity.grade=,status.phase=Succeeded"
OBSERVED: Final[JSON] = {"experiment": "spring-25", "effect": 0.07, "low": 0.06, "high": 0.08, "confidence": 0.95}
LABELLED: Final[JSON] = {"metadata": {"labels": {"team": "growth"}}}
ENDED: Final = "2026-05-01T12:00:00Z"


class SelectionContract:
    """Lists, whichever cluster keeps the objects."""

    @pytest.mark.parametrize("kind", ["Simulation", "RetrainingJob"])
    async def test_the_objects_of_a_model_are_those_that_name_it(self, kind: str, world: World) -> None:
        for name, model in {"b": "spring", "a": "spring", "c": "spring-2", "d": "autumn"}.items():
            await world.user.create(world.manifest(kind, name, modelRef={"name": model}))
        found = await world.resources.of_model(kind, world.namespace, "spring")
        assert [body["metadata"]["name"] for body in found] == ["a", "b"]
        assert found[0] == await world.user.get(kind, "a")

    async def test_the_objects_of_a_model_are_those_of_its_namespace(self, world: World) -> None:
        await world.simulation("mens")
        assert await world.resources.of_model("Simulation", "default", "spring") == []

    async def test_a_field_that_is_not_selectable_is_refused(self, world: World) -> None:
        with pytest.raises(ApiError, match="400"):
            await world.resources.of_model("TwinModel", world.namespace, "spring")

    async def test_finished_objects_have_a_time_and_perhaps_a_ttl(self, world: World) -> None:
        done = {"completionTime": ENDED}
        kept = await world.simulation("kept", status={"phase": "Succeeded", **done})
        short = await world.simulation("short", status={"phase": "Failed", **done}, ttlSecondsAfterFinished=60)
        await world.simulation("running", status={"phase": "Running", **done})
        await world.simulation("untimed", status={"phase": "Succeeded"})
        found = [one async for one in world.resources.finished("Simulation") if one.namespace == world.namespace]
        assert found == [
            FinishedObject(world.namespace, "kept", kept["metadata"]["uid"], ENDED, None),
            FinishedObject(world.namespace, "short", short["metadata"]["uid"], ENDED, 60),
        ]

    async def test_graded_simulations_are_read_with_and_without_their_content(self, world: World) -> None:
        done = {"phase": "Succeeded", "completionTime": ENDED}
        graded = await world.simulation("graded", status={**done, "fidelity": {"grade": "Good"}}, observed=OBSERVED)
        await world.simulation("ungraded", status={**done, "fidelity": {"hindsight": True}}, observed=OBSERVED)
        await world.simulation("answered", status=done)
        uid = graded["metadata"]["uid"]
        found = [one async for one in world.resources.graded() if one.namespace == world.namespace]
        assert found == [GradedObject(world.namespace, "graded", uid, "spring", ENDED)]
        bodies = [body async for body in world.resources.graded_simulations()]
        own = [body for body in bodies if body["metadata"]["namespace"] == world.namespace]
        assert [(body["metadata"]["uid"], body["status"]["fidelity"]) for body in own] == [(uid, {"grade": "Good"})]


class WatchContract:
    """Watches, whichever cluster delivers the changes."""

    async def test_a_watch_begins_with_what_there_is(self, world: World) -> None:
        body = await world.simulation("mens")
        async with world.user.watch("Simulation", "") as changes:
            await until(lambda: len(changes) == 1)
        assert changes == [("ADDED", body)]

    async def test_a_watch_delivers_each_change_once_and_in_order(self, world: World) -> None:
        async with world.user.watch("Simulation", "") as changes:
            created = await world.simulation("mens")
            written = await world.resources.write_status("Simulation", created, {"phase": "Running"})
            await world.resources.write_status("Simulation", written, {"phase": "Running"})
            patched = await world.user.patch("Simulation", "mens", {"spec": {"suspend": True}})
            await world.user.delete("Simulation", "mens")
            await until(lambda: len(changes) == 4)
        expected = [("ADDED", created), ("MODIFIED", written), ("MODIFIED", patched)]
        assert changes[:3] == expected
        assert [kind for kind, _ in changes] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]

    async def test_a_deletion_is_delivered_with_the_last_content_and_a_new_version(self, world: World) -> None:
        body = await world.simulation("mens", status={"phase": "Running"})
        async with world.user.watch("Simulation", "") as changes:
            await world.user.delete("Simulation", "mens")
            await until(lambda: len(changes) == 2)
        _, last = changes[1]
        assert (last["spec"], last["status"]) == (body["spec"], body["status"])
        assert last["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]

    async def test_what_leaves_the_selector_is_deleted_as_it_last_matched(self, world: World) -> None:
        body = await world.simulation("mens", status={"phase": "Running"})
        async with world.user.watch("Simulation", UNFINISHED) as changes:
            ended = await world.resources.write_status("Simulation", body, {"phase": "Succeeded"})
            await world.simulation("marker")
            await until(lambda: _names(changes)[-1:] == ["marker"])
        assert [kind for kind, _ in changes] == ["ADDED", "DELETED", "ADDED"]
        assert changes[1][1]["status"] == body["status"]
        assert changes[1][1]["metadata"]["resourceVersion"] == ended["metadata"]["resourceVersion"]

    async def test_what_enters_the_selector_is_added(self, world: World) -> None:
        body = await world.simulation("mens", status={"phase": "Succeeded"})
        async with world.user.watch("Simulation", UNGRADED) as changes:
            await world.user.patch("Simulation", "mens", LABELLED)
            observed = await world.user.patch("Simulation", "mens", {"spec": {"observed": OBSERVED}})
            await until(lambda: len(changes) == 1)
            await world.resources.write_status("Simulation", observed, {"fidelity": {"grade": "Good"}})
            await until(lambda: len(changes) == 2)
        assert changes[0] == ("ADDED", observed)
        assert changes[1][0] == "DELETED"
        assert body["metadata"]["uid"] == observed["metadata"]["uid"]

    async def test_what_never_matched_is_not_delivered(self, world: World) -> None:
        async with world.user.watch("Simulation", UNGRADED) as changes:
            await world.simulation("other", status={"phase": "Failed"}, observed=OBSERVED)
            await world.user.delete("Simulation", "other")
            await world.simulation("marker", status={"phase": "Succeeded"}, observed=OBSERVED)
            await until(lambda: len(changes) == 1)
        assert _names(changes) == ["marker"]


class FollowContract:
    """`JSONResources.follow`: a watch for what matches."""

    async def test_what_matches_is_seen_now_and_later(self, world: World) -> None:
        before = await world.simulation("before", status={"phase": "Succeeded"}, observed=OBSERVED)
        async with _followed(world, UNGRADED) as seen:
            await until(lambda: seen == [before])
            await world.simulation("running", observed=OBSERVED)
            later = await world.simulation("later", status={"phase": "Succeeded"}, observed=OBSERVED)
            await until(lambda: len(seen) == 2)
        assert seen == [before, later]

    async def test_what_changes_and_still_matches_is_seen_again(self, world: World) -> None:
        body = await world.simulation("mens", status={"phase": "Succeeded"}, observed=OBSERVED)
        async with _followed(world, UNGRADED) as seen:
            await until(lambda: seen == [body])
            changed = await world.user.patch("Simulation", "mens", LABELLED)
            await until(lambda: len(seen) == 2)
        assert seen == [body, changed]

    async def test_what_leaves_the_selector_is_not_seen(self, world: World) -> None:
        body = await world.simulation("mens", status={"phase": "Succeeded"}, observed=OBSERVED)
        async with _followed(world, UNGRADED) as seen:
            await until(lambda: seen == [body])
            await world.resources.write_status("Simulation", body, {"fidelity": {"grade": "Good"}})
            marker = await world.simulation("marker", status={"phase": "Succeeded"}, observed=OBSERVED)
            await until(lambda: seen[-1] == marker)
        assert seen == [body, marker]


@asynccontextmanager
async def _followed(world: World, selector: str) -> AsyncIterator[list[JSON]]:
    seen: list[JSON] = []
    task = asyncio.create_task(world.resources.follow("Simulation", selector, seen.append))
    try:
        yield seen
    finally:
        assert not task.done(), "following ended before it was cancelled"
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _names(changes: Changes) -> list[str]:
    return [body["metadata"]["name"] for _, body in changes]
