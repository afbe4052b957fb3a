"""Which Deployment and which Pods are a WorkerPool's: by uid, never by name or labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.fakes.every_crash import every_crash
from tests.fakes.installation import Installation
from tests.fakes.workloads import InMemoryWorkloads
from tests.unit.services.pools.site import (
    POOL,
    SCALED,
    costs,
    deployed,
    figures,
    pod_names,
    pool,
    publish,
    reasons,
    replicas,
    start_workers,
)
from twin_operator.services.pools.ports import Deployment
from twin_operator.services.pools.reconciler import GARBAGE_SECONDS
from twin_operator.services.runs.run import JSON

pytestmark = pytest.mark.looptime


def a_deployment(name: str = "fast", owners: Sequence[JSON] = (), labels: JSON | None = None) -> JSON:
    """Return a Deployment of another client, with the selector and labels of a pool's."""
    pool_labels = {"twinops.dev/pool": name}
    template = {"metadata": {"labels": pool_labels}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels or {}, "ownerReferences": [*owners]},
        "spec": {"replicas": 2, "selector": {"matchLabels": pool_labels}, "template": template},
    }


def pool_owner(uid: str, *, name: str = "fast", api_version: str = "twinops.dev/v1alpha1", kind: str = POOL) -> JSON:
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True}


def taken(site: Installation) -> bool:
    return site.condition(POOL, "fast", "Stalled").get("reason") == "NameTaken"


NOT_OWN: Final[dict[str, Sequence[JSON]]] = {
    "no owner": (),
    "a pool of another name": (pool_owner("gone", name="slow"),),
    "a kind of another group": (pool_owner("gone", api_version="example.com/v1"),),
    "another kind": (pool_owner("gone", api_version="apps/v1", kind="ReplicaSet"),),
    "an earlier pool and another object": (
        pool_owner("gone"),
        {**pool_owner("other", kind="Team"), "controller": False},
    ),
}


@pytest.mark.parametrize("labels", [{}, {"twinops.dev/pool": "fast"}], ids=["unlabelled", "labelled"])
@pytest.mark.parametrize("owners", NOT_OWN.values(), ids=NOT_OWN)
@pytest.mark.parametrize("spec", [{"replicas": 0}, {"replicas": 3}, {"autoscaling": SCALED}], ids=str)
async def test_a_deployment_that_the_pool_does_not_own_is_not_touched(
    spec: JSON, owners: Sequence[JSON], labels: JSON
) -> None:
    async with Installation(pool=None) as site:
        site.apply(a_deployment(owners=owners, labels=labels))
        site.workloads.settle()
        before = site.get("Deployment", "fast"), site.cluster.objects("Pod")
        site.apply(pool(**spec))
        await publish(site, 5)
        await site.until(lambda: taken(site))
        await site.advance(300)
        assert (site.get("Deployment", "fast"), site.cluster.objects("Pod")) == before
        assert {write.kind for write in site.cluster.writes} == {POOL}
        status = site.status(POOL, "fast")
        assert (status["phase"], status["replicas"], status["readyReplicas"]) == ("Failed", 0, 0)
        assert not figures(site, "fast")


async def test_the_queues_of_a_pool_whose_name_is_taken_are_not_read() -> None:
    async with Installation(pool=None) as site:
        site.apply(a_deployment())
        site.apply(pool(autoscaling=SCALED))
        await site.until(lambda: taken(site))
        site.queue.reachable = False
        await site.advance(120)
        assert "QueueUnreachable" not in reasons(site)


async def test_a_deployment_with_another_controller_is_not_touched_though_it_names_the_pool() -> None:
    async with Installation(pool=None) as site:
        site.apply(a_deployment())
        uid = site.apply(pool(replicas=3))["metadata"]["uid"]
        await site.until(lambda: taken(site))
        owners = [{**pool_owner(uid), "controller": False}, pool_owner("other", kind="Team")]
        site.patch("Deployment", "fast", {"metadata": {"ownerReferences": owners}})
        before = site.get("Deployment", "fast")
        await site.advance(120)
        assert (taken(site), site.get("Deployment", "fast")) == (True, before)


@pytest.mark.parametrize("labels", [{}, {"twinops.dev/pool": "fast"}], ids=["unlabelled", "labelled"])
async def test_a_pool_goes_on_when_the_deployment_that_has_its_name_is_deleted(labels: JSON) -> None:
    async with Installation(pool=None) as site:
        site.apply(a_deployment(labels=labels))
        uid = site.apply(pool(replicas=1))["metadata"]["uid"]
        await site.until(lambda: taken(site))
        site.remove("Deployment", "fast")
        await site.until(lambda: deployed(site), seconds=site.settings.resync_seconds)
        await start_workers(site)
        assert site.get("Deployment", "fast")["metadata"]["ownerReferences"][0]["uid"] == uid
        assert not taken(site)


async def test_a_deployment_that_takes_the_place_of_the_pools_own_is_not_touched() -> None:
    async with Installation(watch_delay=1.0, pool=None) as site:
        site.apply(pool(replicas=1))
        await site.until(lambda: deployed(site))
        await start_workers(site)
        site.remove("Deployment", "fast")
        site.apply(a_deployment(labels={"twinops.dev/pool": "fast"}))
        before = site.get("Deployment", "fast")
        site.patch(POOL, "fast", {"spec": {"replicas": 3, "concurrency": 2}})
        await site.until(lambda: taken(site))
        assert site.get("Deployment", "fast") == before


@dataclass
class LateDeployment(InMemoryWorkloads):
    """Deployments; another client creates one of the same name after the read that finds none."""

    created: list[JSON] = field(default_factory=list)

    async def read_deployment(self, namespace: str, name: str) -> Deployment | None:
        """Return what is there, then create another one."""
        found = await super().read_deployment(namespace, name)
        if found is None and not self.created:
            body = a_deployment(name)
            self.created.append(self.cluster.apply({**body, "metadata": {**body["metadata"], "namespace": namespace}}))
        return found


async def test_a_deployment_that_appears_between_the_read_and_the_write_is_not_touched() -> None:
    site = Installation(pool=None)
    late = LateDeployment(site.cluster)
    site.workloads = late
    async with site:
        site.apply(pool(replicas=3))
        await site.until(lambda: taken(site))
        assert late.created == [site.get("Deployment", "fast")]


async def test_a_deployment_of_an_earlier_pool_is_waited_for_and_not_touched() -> None:
    async with Installation(pool=None) as site:
        site.apply(a_deployment(owners=[pool_owner("gone")]))
        before = site.get("Deployment", "fast")
        uid = site.apply(pool(replicas=1))["metadata"]["uid"]
        await site.until(lambda: "earlier WorkerPool" in site.condition(POOL, "fast").get("message", ""))
        await site.advance(GARBAGE_SECONDS / 2)
        assert (site.get("Deployment", "fast"), site.condition(POOL, "fast", "Stalled")) == (before, {})
        site.remove("Deployment", "fast")
        await site.until(lambda: deployed(site), seconds=GARBAGE_SECONDS / 3)
        assert site.get("Deployment", "fast")["metadata"]["ownerReferences"][0]["uid"] == uid


async def test_a_deployment_of_an_earlier_pool_that_stays_is_adopted_with_its_pods() -> None:
    async with Installation(pool=None) as site:
        site.apply(a_deployment(owners=[pool_owner("gone")], labels={"twinops.dev/pool": "fast"}))
        kept = site.get("Deployment", "fast")["metadata"]["uid"]
        uid = site.apply(pool(replicas=1))["metadata"]["uid"]
        await site.until(lambda: replicas(site) == 1, seconds=2 * GARBAGE_SECONDS)
        meta = site.get("Deployment", "fast")["metadata"]
        assert (meta["uid"], [owner["uid"] for owner in meta["ownerReferences"]]) == (kept, [uid])
        await start_workers(site)


async def test_a_deployment_of_an_earlier_pool_that_is_being_deleted_is_not_adopted() -> None:
    async with Installation(pool=None) as site:
        body = a_deployment(owners=[pool_owner("gone")])
        body["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
        site.apply(body)
        before = site.get("Deployment", "fast")
        site.apply(pool(replicas=1))
        await site.advance(4 * GARBAGE_SECONDS)
        assert site.get("Deployment", "fast") == before


async def test_a_pool_that_is_created_again_leaves_a_newer_pools_deployment_alone() -> None:
    delay = 4 * GARBAGE_SECONDS
    async with Installation(watch_delay=delay, pool=None) as site:
        site.apply(pool(replicas=1))
        await site.advance(delay - 1)
        site.remove(POOL, "fast")
        uid = site.apply(pool(replicas=2))["metadata"]["uid"]
        site.apply(a_deployment(owners=[pool_owner(uid)]))
        before = site.get("Deployment", "fast")
        await site.advance(delay - 1)
        assert site.get("Deployment", "fast") == before


async def test_pods_of_others_with_the_labels_of_a_pool_are_not_its_workers() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(replicas=2))
        await site.until(lambda: deployed(site))
        await start_workers(site)
        (mine, *_), meta = pod_names(site), {"name": "stranger", "labels": {"twinops.dev/pool": "fast"}}
        site.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": []}})
        site.patch(POOL, "fast", {"spec": {"replicas": 1}})
        await site.until(lambda: replicas(site) == 1)
        assert costs(site)["stranger"] is None
        assert "-1000" in costs(site).values()
        assert mine


async def an_adoption(site: Installation) -> None:
    """A pool waits for the Deployment of an earlier pool, adopts it and is ready."""
    site.apply(a_deployment(owners=[pool_owner("gone")], labels={"twinops.dev/pool": "fast"}))
    site.apply(pool(replicas=2))
    await site.until(lambda: "twin-operator" in str(site.get("Deployment", "fast")["spec"]))
    await start_workers(site)


@pytest.mark.slow
async def test_a_crash_at_any_call_changes_nothing_of_an_adoption() -> None:
    await every_crash(an_adoption, ports=("resources", "workloads"))
