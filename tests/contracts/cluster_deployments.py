"""What the operator relies on in Deployments and Pods: server-side apply, scale, owners, which Pod goes first."""

from copy import deepcopy
from typing import Final

import pytest

from tests.contracts.cluster_world import Changes, World, until
from twin_operator.api.v1alpha1 import API_VERSION
from twin_operator.services.reconciling.ports import Changed, Refused
from twin_operator.services.runs.run import JSON

COST: Final = "controller.kubernetes.io/pod-deletion-cost"
NOBODY: Final = "11111111-1111-4111-8111-111111111111"
"""A uid that no object has."""


class DeploymentsContract:
    """Deployments, whichever cluster keeps them: a subclass provides the fixture `world`."""

    async def test_a_deployment_is_made_by_applying_it(self, world: World) -> None:
        applied = await world.resources.apply_deployment(deployment(world, replicas=0))
        assert applied["metadata"]["generation"] == 1
        assert applied["spec"]["replicas"] == 0
        assert applied["status"] == {}

    async def test_a_deployment_that_is_not_there_is_none(self, world: World) -> None:
        assert await world.resources.read_deployment(world.namespace, "workers") is None

    async def test_a_deployment_is_read(self, world: World) -> None:
        applied = await world.resources.apply_deployment(deployment(world))
        read = await world.resources.read_deployment(world.namespace, "workers")
        assert read is not None
        assert read["metadata"]["uid"] == applied["metadata"]["uid"]
        assert read["spec"] == applied["spec"]

    async def test_applying_again_changes_nothing(self, world: World) -> None:
        applied = await world.resources.apply_deployment(deployment(world, replicas=0))
        again = await world.resources.apply_deployment(deployment(world, replicas=0))
        assert again["metadata"]["generation"] == 1
        assert again["spec"] == applied["spec"]

    async def test_what_is_no_longer_applied_goes(self, world: World) -> None:
        await world.resources.apply_deployment(deployment(world, env={"A": "1", "B": "2"}, labels={"old": "1"}))
        applied = await world.resources.apply_deployment(deployment(world, env={"B": "3", "C": "4"}))
        assert env(applied) == {"B": "3", "C": "4"}
        assert applied["metadata"]["labels"] == {"app": "workers"}
        assert applied["metadata"]["generation"] == 2
        assert env(await world.resources.apply_deployment(deployment(world, env={"D": "1"}))) == {"D": "1"}

    async def test_what_others_set_stays(self, world: World) -> None:
        await world.resources.apply_deployment(deployment(world))
        patch = {"metadata": {"annotations": {"team": "growth"}}, "spec": {"minReadySeconds": 1}}
        await world.user.patch("Deployment", "workers", patch)
        applied = await world.resources.apply_deployment(deployment(world, env={"A": "1"}))
        assert applied["spec"]["minReadySeconds"] == 1
        assert applied["metadata"]["annotations"]["team"] == "growth"

    async def test_an_empty_map_that_is_applied_takes_nothing_away(self, world: World) -> None:
        manifest = deployment(world)
        await world.resources.apply_deployment(manifest)
        await world.user.patch("Deployment", "workers", {"metadata": {"annotations": {"team": "growth"}}})
        manifest["metadata"]["annotations"] = {}
        applied = await world.resources.apply_deployment(manifest)
        assert applied["metadata"]["annotations"]["team"] == "growth"

    async def test_a_list_that_is_no_map_is_applied_as_a_whole(self, world: World) -> None:
        manifest = deployment(world)
        for key in ("a", "b"):
            toleration = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
            manifest["spec"]["template"]["spec"]["tolerations"] = [toleration]
            applied = await world.resources.apply_deployment(manifest)
            assert applied["spec"]["template"]["spec"]["tolerations"] == [toleration]

    async def test_containers_of_others_stay(self, world: World) -> None:
        await world.resources.apply_deployment(deployment(world))
        template = deepcopy(deployment(world)["spec"]["template"])
        template["spec"]["containers"] += [{"name": "proxy", "image": "host", "command": ["sleep", "60"]}]
        await world.user.patch("Deployment", "workers", {"spec": {"template": template}})
        applied = await world.resources.apply_deployment(deployment(world, env={"A": "1"}))
        containers = {one["name"]: one.get("env") for one in applied["spec"]["template"]["spec"]["containers"]}
        assert containers == {"worker": [{"name": "A", "value": "1"}], "proxy": None}

    async def test_what_others_changed_of_what_is_applied_is_changed_back(self, world: World) -> None:
        await world.resources.apply_deployment(deployment(world, replicas=0))
        await world.user.patch("Deployment", "workers", {"spec": {"replicas": 3}})
        applied = await world.resources.apply_deployment(deployment(world, replicas=0))
        assert applied["spec"]["replicas"] == 0

    async def test_what_others_set_too_stays_when_it_is_no_longer_applied(self, world: World) -> None:
        await world.resources.apply_deployment(deployment(world, labels={"team": "growth"}))
        await world.user.patch("Deployment", "workers", {"metadata": {"labels": {"team": "risk"}}})
        applied = await world.resources.apply_deployment(deployment(world))
        assert applied["metadata"]["labels"] == {"app": "workers", "team": "risk"}

    async def test_what_was_changed_back_goes_when_it_is_no_longer_applied(self, world: World) -> None:
        await world.resources.apply_deployment(deployment(world, labels={"team": "growth"}))
        await world.user.patch("Deployment", "workers", {"metadata": {"labels": {"team": "risk"}}})
        await world.resources.apply_deployment(deployment(world, labels={"team": "growth"}))
        assert (await world.resources.apply_deployment(deployment(world)))["metadata"]["labels"] == {"app": "workers"}

    async def test_replicas_that_were_scaled_stay_when_no_longer_applied(self, world: World) -> None:
        applied = await world.resources.apply_deployment(deployment(world, replicas=0))
        await world.pods.scale(applied, 2)
        manifest = deployment(world)
        del manifest["spec"]["replicas"]
        assert (await world.resources.apply_deployment(manifest))["spec"]["replicas"] == 2

    async def test_an_annotation_of_a_deployment_raises_its_generation(self, world: World) -> None:
        await world.resources.apply_deployment(deployment(world, replicas=0))
        await world.user.settle("workers")
        before = (await world.user.get("Deployment", "workers"))["metadata"]["generation"]
        after = await world.user.patch("Deployment", "workers", {"metadata": {"annotations": {"a": "b"}}})
        assert after["metadata"]["generation"] == before + 1

    async def test_a_dry_run_writes_nothing(self, world: World) -> None:
        tried = await world.resources.apply_deployment(deployment(world, replicas=0), dry_run=True)
        assert tried["spec"]["replicas"] == 0
        assert await world.resources.read_deployment(world.namespace, "workers") is None

    async def test_a_dry_run_of_a_change_writes_nothing(self, world: World) -> None:
        await world.resources.apply_deployment(deployment(world, env={"A": "1"}))
        tried = await world.resources.apply_deployment(deployment(world, env={"B": "1"}), dry_run=True)
        read = await world.resources.read_deployment(world.namespace, "workers")
        assert env(tried) == {"B": "1"}
        assert read is not None
        assert env(read) == {"A": "1"}
        assert env(await world.resources.apply_deployment(deployment(world, env={"C": "1"}))) == {"C": "1"}

    @pytest.mark.parametrize("dry_run", [True, False])
    async def test_another_selector_is_refused(self, dry_run: bool, world: World) -> None:  # noqa: FBT001
        await world.resources.apply_deployment(deployment(world, replicas=0))
        with pytest.raises(Refused, match=r"spec\.selector"):
            await world.resources.apply_deployment(deployment(world, app="others"), dry_run=dry_run)

    async def test_a_template_that_the_selector_does_not_match_is_refused(self, world: World) -> None:
        manifest = deployment(world)
        manifest["spec"]["template"]["metadata"]["labels"] = {"app": "others"}
        with pytest.raises(Refused, match=r"spec\.template\.metadata\.labels"):
            await world.resources.apply_deployment(manifest)

    async def test_scaling_changes_replicas_and_the_generation(self, world: World) -> None:
        applied = await world.resources.apply_deployment(deployment(world, replicas=0))
        scaled = await world.pods.scale(applied, 2)
        assert scaled["spec"] == applied["spec"] | {"replicas": 2}
        assert scaled["metadata"]["generation"] == 2

    async def test_scaling_other_replicas_than_seen_is_a_conflict(self, world: World) -> None:
        applied = await world.resources.apply_deployment(deployment(world, replicas=0))
        await world.user.patch("Deployment", "workers", {"spec": {"replicas": 1}})
        with pytest.raises(Changed):
            await world.pods.scale(applied, 2)

    async def test_scaling_another_deployment_of_the_name_is_a_conflict(self, world: World) -> None:
        applied = await world.resources.apply_deployment(deployment(world, replicas=0))
        applied["metadata"]["uid"] = NOBODY
        with pytest.raises(Changed):
            await world.pods.scale(applied, 2)

    async def test_scaling_a_deployment_that_is_gone_is_a_conflict(self, world: World) -> None:
        applied = await world.resources.apply_deployment(deployment(world, replicas=0))
        await world.user.delete("Deployment", "workers")
        with pytest.raises(Changed):
            await world.pods.scale(applied, 2)

    async def test_a_deployment_goes_with_its_pool(self, world: World) -> None:
        pool = await world.user.create(world.manifest("WorkerPool", "workers"))
        manifest = deployment(world, replicas=0)
        owner = {"apiVersion": API_VERSION, "kind": "WorkerPool", "name": "workers", "uid": pool["metadata"]["uid"]}
        manifest["metadata"]["ownerReferences"] = [owner]
        async with world.user.watch("Deployment", "") as changes:
            await world.resources.apply_deployment(manifest)
            await world.user.delete("WorkerPool", "workers")
            await until(lambda: "DELETED" in [kind for kind, _ in changes])


class PodsContract:
    """Pods of Deployments, which real ones take seconds to start: few tests, of several steps each."""

    async def test_a_deployment_gets_its_pods_and_status(self, world: World) -> None:
        await world.resources.apply_deployment(deployment(world, replicas=2, env={"A": "1"}))
        await world.user.settle("workers")
        there = await world.resources.read_deployment(world.namespace, "workers")
        pods = await world.pods.list(world.namespace, "app=workers")
        assert there is not None
        assert counts(there) == (2, 2, 2, there["metadata"]["generation"])
        assert [pod["status"]["phase"] for pod in pods] == ["Running", "Running"]
        assert all(pod["metadata"]["name"].startswith("workers-") for pod in pods)
        assert [env_of_pod(pod) for pod in pods] == [{"A": "1"}] * 2
        assert await world.pods.list(world.namespace, "app=others") == []

    async def test_the_pod_of_the_lowest_cost_goes_first(self, world: World) -> None:
        await world.resources.apply_deployment(deployment(world, replicas=3))
        await world.user.settle("workers")
        first, *others = await world.pods.list(world.namespace, "app=workers")
        await world.pods.annotate(first, {COST: "-1000", "reason": "idle"})
        there = await world.resources.read_deployment(world.namespace, "workers")
        assert there is not None
        scaled = await world.pods.scale(there, 2)
        assert counts(scaled)[:3] == (3, 3, 3)
        await world.user.settle("workers")
        left = await world.pods.list(world.namespace, "app=workers")
        assert names(left) == names(others)

    async def test_a_new_template_replaces_the_pods(self, world: World) -> None:
        await world.resources.apply_deployment(deployment(world, replicas=1))
        await world.user.settle("workers")
        before = await world.pods.list(world.namespace, "app=workers")
        await world.resources.apply_deployment(deployment(world, replicas=1, env={"A": "1"}))
        await world.user.settle("workers")
        after = await world.pods.list(world.namespace, "app=workers")
        assert (len(after), env_of_pod(after[0])) == (1, {"A": "1"})
        assert names(before) != names(after)

    async def test_annotations_of_a_pod_are_merged(self, world: World) -> None:
        pod = await _pod(world)
        await world.pods.annotate(pod, {"a": "1", "b": "2"})
        await world.pods.annotate(pod, {"a": None, "c": "3"})
        await world.pods.annotate({**pod, "metadata": pod["metadata"] | {"uid": NOBODY}}, {"d": "4"})
        assert (await world.user.get("Pod", "one"))["metadata"]["annotations"] == {"b": "2", "c": "3"}

    async def test_annotating_a_pod_that_is_gone_is_no_error(self, world: World) -> None:
        pod = await _pod(world)
        pod["metadata"]["name"] = "two"
        await world.pods.annotate(pod, {"a": "1"})
        assert names(await world.pods.list(world.namespace, "")) == ["one"]

    async def test_pods_go_with_their_deployment(self, world: World) -> None:
        await world.resources.apply_deployment(deployment(world, replicas=1))
        await world.user.settle("workers")
        async with world.user.watch("Pod", "") as changes:
            await until(lambda: len(_left(changes)) == 1)
            await world.user.delete("Deployment", "workers")
            await until(lambda: _left(changes) == set())


def deployment(
    world: World,
    *,
    replicas: int = 0,
    app: str = "workers",
    env: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
) -> JSON:
    """Return a Deployment whose Pods sleep."""
    container: JSON = {"name": "worker", "image": "host", "command": ["sleep", "3600"]}
    if env:
        container["env"] = [{"name": name, "value": value} for name, value in env.items()]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "workers", "namespace": world.namespace, "labels": {"app": app, **(labels or {})}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": app}},
            "template": {
                "metadata": {"labels": {"app": app}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
            },
        },
    }


def env(body: JSON) -> dict[str, str]:
    """Return the environment of a Deployment's container."""
    return env_of_pod(body["spec"]["template"])


def env_of_pod(pod: JSON) -> dict[str, str]:
    """Return the environment of a Pod's container."""
    return {entry["name"]: entry["value"] for entry in pod["spec"]["containers"][0].get("env", ())}


def counts(body: JSON) -> tuple[int, ...]:
    """Return a Deployment's Pods: all, of the newest template, ready; and the generation that was observed."""
    status = body["status"]
    keys = "replicas", "updatedReplicas", "readyReplicas", "observedGeneration"
    return tuple(status.get(key, 0) for key in keys)


def names(pods: list[JSON]) -> list[str]:
    """Return the names of Pods, in order."""
    return sorted(pod["metadata"]["name"] for pod in pods)


def _left(changes: Changes) -> set[str]:
    """Return the names of the objects that a watch knows to be there."""
    last = {body["metadata"]["name"]: kind for kind, body in changes}
    return {name for name, kind in last.items() if kind != "DELETED"}


async def _pod(world: World) -> JSON:
    """Create a Pod that no node takes."""
    template = deepcopy(deployment(world)["spec"]["template"])
    template["spec"]["nodeSelector"] = {"disk": "none"}
    meta = {"name": "one", "namespace": world.namespace}
    return await world.user.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]})
