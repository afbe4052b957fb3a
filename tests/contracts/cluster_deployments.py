"""What the operator relies on in Deployments and Pods: server-side apply, scale, owners, which Pod goes first."""

from copy import deepcopy
from dataclasses import replace
from typing import Final

import pytest

from tests.contracts.cluster_world import Changes, World, until
from twin_operator.adapters.kubernetes_api.workloads import pod_view
from twin_operator.api.v1alpha1 import OwnerReference
from twin_operator.services.pools.ports import Deployment, Pod, ReplicaCounts
from twin_operator.services.reconciling.ports import Changed, Refused
from twin_operator.services.runs.run import JSON

COST: Final = "controller.kubernetes.io/pod-deletion-cost"
NOBODY: Final = "11111111-1111-4111-8111-111111111111"
"""A uid that no object has."""
REPLACED: Final[dict[str, tuple[JSON, JSON]]] = {
    "the number of a port": (
        {"ports": [{"name": "metrics", "containerPort": 9090}]},
        {"ports": [{"name": "metrics", "containerPort": 9191}]},
    ),
    "the value of a variable by a source": (
        {"env": [{"name": "POD", "value": "one"}]},
        {"env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
    ),
    "the kind of a probe": (
        {"readinessProbe": {"httpGet": {"path": "/healthz", "port": 9090}}},
        {"readinessProbe": {"tcpSocket": {"port": 9090}}},
    ),
}
"""Fields of a container that cannot be added to the old ones: an apply has to remove these."""


class DeploymentsContract:
    """Deployments, whichever cluster keeps them: a subclass provides the fixture `world`."""

    async def test_a_deployment_is_created(self, world: World) -> None:
        made = await world.workloads.create_deployment(deployment(world, replicas=0))
        assert (made.namespace, made.name, made.generation) == (world.namespace, "workers", 1)
        assert (made.observed_generation, made.conditions) == (0, ())
        assert made.replicas == ReplicaCounts(desired=0, current=0, updated=0, ready=0)

    async def test_a_deployment_that_is_not_there_is_none(self, world: World) -> None:
        assert await world.workloads.read_deployment(world.namespace, "workers") is None

    async def test_a_deployment_is_read(self, world: World) -> None:
        made = await apply(world, deployment(world, replicas=3))
        read = await world.workloads.read_deployment(world.namespace, "workers")
        assert read is not None
        assert (read.name, read.uid, read.replicas.desired) == ("workers", made.uid, 3)

    async def test_creating_leaves_a_deployment_that_another_client_created(self, world: World) -> None:
        before = await world.user.create(deployment(world))
        with pytest.raises(Changed):
            await world.workloads.create_deployment(deployment(world, env={"A": "1"}, labels={"team": "growth"}))
        after = await world.user.get("Deployment", "workers")
        assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
        assert after["metadata"]["labels"] == {"app": "workers"}

    async def test_applying_leaves_another_deployment_of_the_name(self, world: World) -> None:
        made = await world.workloads.create_deployment(deployment(world))
        await world.user.delete("Deployment", "workers")
        before = await world.user.create(deployment(world))
        with pytest.raises(Changed):
            await world.workloads.apply_deployment(made, deployment(world, env={"A": "1"}))
        after = await world.user.get("Deployment", "workers")
        assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])

    async def test_applying_makes_no_deployment_that_is_gone(self, world: World) -> None:
        made = await world.workloads.create_deployment(deployment(world))
        await world.user.delete("Deployment", "workers")
        with pytest.raises(Changed):
            await world.workloads.apply_deployment(made, deployment(world))
        assert await world.workloads.read_deployment(world.namespace, "workers") is None

    async def test_adopting_replaces_the_owners(self, world: World) -> None:
        pool = await world.user.create(world.manifest("WorkerPool", "workers"))
        other = await world.user.create(world.manifest("WorkerPool", "other", queues=["other"]))
        manifest = deployment(world)
        manifest["metadata"]["ownerReferences"] = [owner_of(other).model_dump(mode="json")]
        await world.workloads.create_deployment(manifest)
        await world.user.settle("workers")
        made = await world.workloads.read_deployment(world.namespace, "workers")
        assert made is not None
        adopted = await world.workloads.adopt(made, owner_of(pool))
        assert adopted.owners == (owner_of(pool),)

    async def test_adopting_a_deployment_that_has_changed_is_a_conflict(self, world: World) -> None:
        pool = await world.user.create(world.manifest("WorkerPool", "workers"))
        made = await world.workloads.create_deployment(deployment(world))
        await world.user.patch("Deployment", "workers", {"metadata": {"labels": {"team": "risk"}}})
        with pytest.raises(Changed):
            await world.workloads.adopt(made, owner_of(pool))
        assert "ownerReferences" not in (await world.user.get("Deployment", "workers"))["metadata"]

    async def test_applying_again_changes_nothing(self, world: World) -> None:
        before = await applied(world, deployment(world, replicas=0))
        again = await apply(world, deployment(world, replicas=0))
        assert again.generation == 1
        assert (await world.user.get("Deployment", "workers"))["spec"] == before["spec"]

    async def test_what_is_no_longer_applied_goes(self, world: World) -> None:
        await apply(world, deployment(world, env={"A": "1", "B": "2"}, labels={"old": "1"}))
        changed = await apply(world, deployment(world, env={"B": "3", "C": "4"}))
        body = await world.user.get("Deployment", "workers")
        assert env(body) == {"B": "3", "C": "4"}
        assert body["metadata"]["labels"] == {"app": "workers"}
        assert changed.generation == 2
        assert env(await applied(world, deployment(world, env={"D": "1"}))) == {"D": "1"}

    async def test_what_others_set_stays(self, world: World) -> None:
        await apply(world, deployment(world))
        patch = {"metadata": {"annotations": {"team": "growth"}}, "spec": {"minReadySeconds": 1}}
        await world.user.patch("Deployment", "workers", patch)
        body = await applied(world, deployment(world, env={"A": "1"}))
        assert body["spec"]["minReadySeconds"] == 1
        assert body["metadata"]["annotations"]["team"] == "growth"

    async def test_an_empty_map_that_is_applied_takes_nothing_away(self, world: World) -> None:
        manifest = deployment(world)
        await apply(world, manifest)
        await world.user.patch("Deployment", "workers", {"metadata": {"annotations": {"team": "growth"}}})
        manifest["metadata"]["annotations"] = {}
        assert (await applied(world, manifest))["metadata"]["annotations"]["team"] == "growth"

    async def test_a_list_that_is_no_map_is_applied_as_a_whole(self, world: World) -> None:
        manifest = deployment(world)
        for key in ("a", "b"):
            toleration = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
            manifest["spec"]["template"]["spec"]["tolerations"] = [toleration]
            body = await applied(world, manifest)
            assert body["spec"]["template"]["spec"]["tolerations"] == [toleration]

    async def test_containers_of_others_stay(self, world: World) -> None:
        await apply(world, deployment(world))
        template = deepcopy(deployment(world)["spec"]["template"])
        template["spec"]["containers"] += [{"name": "proxy", "image": "host", "command": ["sleep", "60"]}]
        await world.user.patch("Deployment", "workers", {"spec": {"template": template}})
        body = await applied(world, deployment(world, env={"A": "1"}))
        containers = {one["name"]: one.get("env") for one in body["spec"]["template"]["spec"]["containers"]}
        assert containers == {"worker": [{"name": "A", "value": "1"}], "proxy": None}

    async def test_what_others_changed_of_what_is_applied_is_changed_back(self, world: World) -> None:
        await apply(world, deployment(world, replicas=0))
        await world.user.patch("Deployment", "workers", {"spec": {"replicas": 3}})
        back = await apply(world, deployment(world, replicas=0))
        assert back.replicas.desired == 0

    async def test_what_others_set_too_stays_when_it_is_no_longer_applied(self, world: World) -> None:
        await apply(world, deployment(world, labels={"team": "growth"}))
        await world.user.patch("Deployment", "workers", {"metadata": {"labels": {"team": "risk"}}})
        body = await applied(world, deployment(world))
        assert body["metadata"]["labels"] == {"app": "workers", "team": "risk"}

    async def test_what_was_changed_back_goes_when_it_is_no_longer_applied(self, world: World) -> None:
        await apply(world, deployment(world, labels={"team": "growth"}))
        await world.user.patch("Deployment", "workers", {"metadata": {"labels": {"team": "risk"}}})
        await apply(world, deployment(world, labels={"team": "growth"}))
        assert (await applied(world, deployment(world)))["metadata"]["labels"] == {"app": "workers"}

    async def test_replicas_that_were_scaled_stay_when_no_longer_applied(self, world: World) -> None:
        made = await apply(world, deployment(world, replicas=0))
        await world.workloads.scale(made, 2)
        manifest = deployment(world)
        del manifest["spec"]["replicas"]
        assert (await apply(world, manifest)).replicas.desired == 2

    async def test_an_annotation_of_a_deployment_raises_its_generation(self, world: World) -> None:
        await apply(world, deployment(world, replicas=0))
        await world.user.settle("workers")
        before = (await world.user.get("Deployment", "workers"))["metadata"]["generation"]
        after = await world.user.patch("Deployment", "workers", {"metadata": {"annotations": {"a": "b"}}})
        assert after["metadata"]["generation"] == before + 1

    async def test_a_dry_run_for_a_deployment_that_is_gone_is_a_conflict(self, world: World) -> None:
        made = await world.workloads.create_deployment(deployment(world))
        await world.user.delete("Deployment", "workers")
        with pytest.raises(Changed):
            await world.workloads.check_deployment(made, deployment(world))
        await world.user.create(deployment(world))
        with pytest.raises(Changed):
            await world.workloads.check_deployment(made, deployment(world))

    @pytest.mark.parametrize(("before", "after"), REPLACED.values(), ids=REPLACED)
    async def test_a_dry_run_accepts_what_the_apply_accepts(self, world: World, before: JSON, after: JSON) -> None:
        made = await world.workloads.create_deployment(with_container(world, before))
        await world.workloads.check_deployment(made, with_container(world, after))
        applied = await world.workloads.apply_deployment(made, with_container(world, after))
        assert applied.generation == 2

    async def test_a_dry_run_of_a_change_writes_nothing(self, world: World) -> None:
        made = await apply(world, deployment(world, env={"A": "1"}))
        before = await world.user.get("Deployment", "workers")
        await world.workloads.check_deployment(made, deployment(world, env={"B": "1"}))
        assert (await world.user.get("Deployment", "workers"))["spec"] == before["spec"]
        assert env(await applied(world, deployment(world, env={"C": "1"}))) == {"C": "1"}

    async def test_another_selector_is_refused(self, world: World) -> None:
        made = await apply(world, deployment(world, replicas=0))
        with pytest.raises(Refused, match=r"spec\.selector"):
            await world.workloads.check_deployment(made, deployment(world, app="others"))
        with pytest.raises(Refused, match=r"spec\.selector"):
            await apply(world, deployment(world, app="others"))

    async def test_a_template_that_the_selector_does_not_match_is_refused(self, world: World) -> None:
        manifest = deployment(world)
        manifest["spec"]["template"]["metadata"]["labels"] = {"app": "others"}
        with pytest.raises(Refused, match=r"spec\.template\.metadata\.labels"):
            await apply(world, manifest)

    async def test_scaling_changes_replicas_and_the_generation(self, world: World) -> None:
        made = await apply(world, deployment(world, replicas=0))
        scaled = await world.workloads.scale(made, 2)
        assert (scaled.replicas.desired, scaled.generation) == (2, 2)
        body = await world.user.get("Deployment", "workers")
        assert body["spec"] == (await applied(world, deployment(world, replicas=2)))["spec"]

    async def test_scaling_other_replicas_than_seen_is_a_conflict(self, world: World) -> None:
        made = await apply(world, deployment(world, replicas=0))
        await world.user.patch("Deployment", "workers", {"spec": {"replicas": 1}})
        with pytest.raises(Changed):
            await world.workloads.scale(made, 2)

    async def test_scaling_another_deployment_of_the_name_is_a_conflict(self, world: World) -> None:
        made = await apply(world, deployment(world, replicas=0))
        with pytest.raises(Changed):
            await world.workloads.scale(replace(made, uid=NOBODY), 2)

    async def test_scaling_a_deployment_that_is_gone_is_a_conflict(self, world: World) -> None:
        made = await apply(world, deployment(world, replicas=0))
        await world.user.delete("Deployment", "workers")
        with pytest.raises(Changed):
            await world.workloads.scale(made, 2)

    async def test_a_deployment_goes_with_its_pool(self, world: World) -> None:
        pool = await world.user.create(world.manifest("WorkerPool", "workers"))
        manifest = deployment(world, replicas=0)
        manifest["metadata"]["ownerReferences"] = [owner_of(pool).model_dump(mode="json")]
        async with world.user.watch("Deployment", "") as changes:
            await apply(world, manifest)
            await world.user.delete("WorkerPool", "workers")
            await until(lambda: "DELETED" in [kind for kind, _ in changes])


class PodsContract:
    """Pods of Deployments, which real ones take seconds to start: few tests, of several steps each."""

    async def test_a_deployment_gets_its_pods_and_status(self, world: World) -> None:
        await apply(world, deployment(world, replicas=2, env={"A": "1"}))
        await world.user.settle("workers")
        there = await world.workloads.read_deployment(world.namespace, "workers")
        assert there is not None
        pods = await world.workloads.list_pods(there, "app=workers")
        assert there.replicas == ReplicaCounts(desired=2, current=2, updated=2, ready=2)
        assert there.observed_generation == there.generation
        assert [(pod.phase, pod.ready, pod.assigned, pod.terminating) for pod in pods] == [
            ("Running", True, True, False)
        ] * 2
        assert all(pod.name.startswith("workers-") for pod in pods)
        assert [await env_of_pod(world, pod) for pod in pods] == [{"A": "1"}] * 2
        assert await world.workloads.list_pods(there, "app=others") == []

    async def test_a_pod_of_the_labels_that_the_deployment_does_not_own_is_not_its(self, world: World) -> None:
        made = await apply(world, deployment(world))
        await _pod(world, {"labels": {"app": "workers"}})
        assert await world.workloads.list_pods(made, "app=workers") == []

    async def test_the_pod_of_the_lowest_cost_goes_first(self, world: World) -> None:
        await apply(world, deployment(world, replicas=3))
        await world.user.settle("workers")
        first, *others = await pods_of(world)
        await world.workloads.set_deletion_cost(first, -1000)
        there = await world.workloads.read_deployment(world.namespace, "workers")
        assert there is not None
        scaled = await world.workloads.scale(there, 2)
        assert scaled.replicas == ReplicaCounts(desired=2, current=3, updated=3, ready=3)
        await world.user.settle("workers")
        left = await pods_of(world)
        assert names(left) == names(others)

    async def test_a_new_template_replaces_the_pods(self, world: World) -> None:
        await apply(world, deployment(world, replicas=1))
        await world.user.settle("workers")
        before = await pods_of(world)
        await apply(world, deployment(world, replicas=1, env={"A": "1"}))
        await world.user.settle("workers")
        after = await pods_of(world)
        assert [await env_of_pod(world, pod) for pod in after] == [{"A": "1"}]
        assert names(before) != names(after)

    async def test_a_pod_that_no_node_takes_is_pending(self, world: World) -> None:
        pod = await _pod(world)
        assert (pod.name, pod.phase, pod.ready, pod.assigned, pod.deletion_cost) == ("one", "Pending", False, False, 0)

    async def test_a_deletion_cost_leaves_other_annotations(self, world: World) -> None:
        pod = await _pod(world)
        await world.user.patch("Pod", "one", {"metadata": {"annotations": {"team": "growth"}}})
        await world.workloads.set_deletion_cost(pod, -1000)
        costly = pod_view(await world.user.get("Pod", "one"))
        assert costly.deletion_cost == -1000
        assert await _annotations(world) == {"team": "growth", COST: "-1000"}
        await world.workloads.set_deletion_cost(pod, None)
        await world.workloads.set_deletion_cost(replace(pod, uid=NOBODY), -500)
        assert await _annotations(world) == {"team": "growth"}

    async def test_the_deletion_cost_of_a_pod_that_is_gone_is_no_error(self, world: World) -> None:
        pod = await _pod(world)
        await world.workloads.set_deletion_cost(replace(pod, name="two"), -1000)
        assert pod_view(await world.user.get("Pod", "one")).deletion_cost == 0

    async def test_pods_go_with_their_deployment(self, world: World) -> None:
        await apply(world, deployment(world, replicas=1))
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


def with_container(world: World, fields: JSON) -> JSON:
    """Return a Deployment whose container has further fields."""
    manifest = deployment(world)
    manifest["spec"]["template"]["spec"]["containers"][0].update(fields)
    return manifest


def env(body: JSON) -> dict[str, str]:
    """Return the environment of a Deployment's container."""
    return _env_of(body["spec"]["template"])


async def env_of_pod(world: World, pod: Pod) -> dict[str, str]:
    """Return the environment of a Pod's container."""
    return _env_of(await world.user.get("Pod", pod.name))


def _env_of(pod: JSON) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in pod["spec"]["containers"][0].get("env", ())}


async def apply(world: World, manifest: JSON) -> Deployment:
    """Create a Deployment, or apply a manifest to the one that is there."""
    there = await world.workloads.read_deployment(world.namespace, "workers")
    if there is None:
        return await world.workloads.create_deployment(manifest)
    return await world.workloads.apply_deployment(there, manifest)


async def pods_of(world: World) -> list[Pod]:
    """Return the Pods of the Deployment."""
    there = await world.workloads.read_deployment(world.namespace, "workers")
    assert there is not None
    return await world.workloads.list_pods(there, "app=workers")


def owner_of(body: JSON) -> OwnerReference:
    """Return a reference to an object as the controller."""
    meta = body["metadata"]
    return OwnerReference(
        api_version=body["apiVersion"], kind=body["kind"], name=meta["name"], uid=meta["uid"], controller=True
    )


async def applied(world: World, manifest: JSON) -> JSON:
    """Apply a Deployment, and return what a user gets of it."""
    await apply(world, manifest)
    return await world.user.get("Deployment", "workers")


def names(pods: list[Pod]) -> list[str]:
    """Return the names of Pods, in order."""
    return sorted(pod.name for pod in pods)


def _left(changes: Changes) -> set[str]:
    """Return the names of the objects that a watch knows to be there."""
    last = {body["metadata"]["name"]: kind for kind, body in changes}
    return {name for name, kind in last.items() if kind != "DELETED"}


async def _annotations(world: World) -> dict[str, str]:
    annotations: dict[str, str] = (await world.user.get("Pod", "one"))["metadata"]["annotations"]
    return annotations


async def _pod(world: World, labels: JSON | None = None) -> Pod:
    """Create a Pod that no node takes, and that nothing owns."""
    template = deepcopy(deployment(world)["spec"]["template"])
    template["spec"]["nodeSelector"] = {"disk": "none"}
    meta = {"name": "one", "namespace": world.namespace}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, **(labels or {})}, "spec": template["spec"]}
    return pod_view(await world.user.create(body))
