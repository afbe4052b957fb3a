"""WorkerPools at the outer boundary of their controller: pools, queues and Pods in, Deployments and statuses out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.fakes.every_crash import every_crash
from tests.fakes.installation import NAMESPACE, Installation
from tests.fakes.loads import InMemoryLoads
from tests.unit.services.pools.site import (
    POOL,
    SCALED,
    WINDOW_SECONDS,
    all_samples,
    costs,
    deployed,
    figures,
    pod_names,
    pool,
    publish,
    reasons,
    replicas,
    start_workers,
    task,
)
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.run import JSON, Outcome

pytestmark = pytest.mark.looptime

DONE = Outcome(Reason.SUCCEEDED, "Done.", {})


def applied(site: Installation) -> int:
    return sum(write.verb == "apply" for write in site.cluster.writes)


def hold(site: Installation, workers: list[str]) -> None:
    """Have each of these workers take a task and keep it."""
    for worker in workers:
        assert len(site.work(lambda _task: None, ["batch"], worker)) == 1 or pytest.fail(f"{worker} took no task")


async def busy_pool(site: Installation, workers: int = 3) -> list[str]:
    """Return the Pods of an autoscaled pool, all ready, of which each but the last holds a task."""
    site.apply(pool(autoscaling=SCALED))
    await publish(site, workers)
    await site.until(lambda: deployed(site) and replicas(site) == workers)
    await start_workers(site)
    names = pod_names(site)
    for worker in names:
        delivery = site.queue.claimed("batch", worker)
        if worker == names[-1]:
            site.queue.record(delivery, DONE)
        else:
            keep_lease(site, delivery)
    return names


def keep_lease(site: Installation, delivery: Any) -> None:
    """Renew a lease until the end of the test, as the worker's lease thread does."""
    site.in_background(lambda: site.queue.renew(delivery), every=1.0)


async def test_a_pool_with_a_fixed_number_gets_a_deployment_that_it_owns() -> None:
    async with Installation(pool=None) as site:
        body = site.apply(pool(replicas=2))
        await site.until(lambda: deployed(site))
        (owner,) = site.get("Deployment", "fast")["metadata"]["ownerReferences"]
        assert (replicas(site), owner["uid"], owner["controller"]) == (2, body["metadata"]["uid"], True)
        await site.until(lambda: site.condition(POOL, "fast").get("reason") == "Scaling")
        await start_workers(site)
        status = site.status(POOL, "fast")
        assert (status["phase"], status["readyReplicas"], status["desiredReplicas"]) == ("Ready", 2, 2)
        assert "ScalingActive" not in {each["type"] for each in status["conditions"]}


async def test_a_pool_at_zero_wants_a_worker_as_soon_as_the_operator_publishes_a_task() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(autoscaling=SCALED))
        await site.until_phase(POOL, "fast", "Idle")
        assert (replicas(site), site.condition(POOL, "fast")["reason"]) == (0, "ScaledToZero")
        await publish(site, 1)
        await site.until(lambda: replicas(site) == 1, seconds=0.5)
        await site.until(lambda: "ScaledUp" in reasons(site))
        scaled = {"namespace": NAMESPACE, "pool": "fast", "tier": "Light", "direction": "up"}
        assert site.metric("twinops_pool_scalings_total", **scaled) == 1.0


async def test_more_tasks_want_more_workers_up_to_the_limit() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(autoscaling=SCALED))
        await site.until_phase(POOL, "fast", "Idle")
        await publish(site, 50)
        await site.until(lambda: replicas(site) == 3)
        await site.until(lambda: site.condition(POOL, "fast", "ScalingLimited").get("reason") == "TooManyTasks")
        assert "PoolAtLimit" not in reasons(site)
        await site.advance(90)
        assert reasons(site).count("PoolAtLimit") == 1


async def test_a_minimum_is_kept_without_tasks_and_shown_as_a_limit() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(autoscaling={**SCALED, "minReplicas": 2}))
        await site.until(lambda: deployed(site) and replicas(site) == 2)
        await start_workers(site)
        await site.until(lambda: site.condition(POOL, "fast", "ScalingLimited").get("reason") == "TooFewTasks")
        await site.advance(3 * WINDOW_SECONDS)
        assert replicas(site) == 2


async def test_an_idle_pool_goes_to_zero_after_the_window_and_not_before() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(autoscaling=SCALED))
        await publish(site, 1)
        await site.until(lambda: deployed(site) and replicas(site) == 1)
        await start_workers(site)
        site.work(lambda _task: DONE, ["batch"], pod_names(site)[0])
        await site.advance(WINDOW_SECONDS - 3)
        assert replicas(site) == 1
        await site.until(lambda: replicas(site) == 0, seconds=2 * WINDOW_SECONDS)
        site.workloads.settle()
        status = await site.until_phase(POOL, "fast", "Idle")
        assert (status["desiredReplicas"], pod_names(site)) == (0, [])
        assert reasons(site)[-1] == "ScaledDown"


async def test_scaling_in_takes_the_idle_worker_and_no_other() -> None:
    async with Installation(pool=None) as site:
        names = await busy_pool(site)
        await site.until(lambda: replicas(site) == 2)
        assert costs(site) == {names[0]: None, names[1]: None, names[2]: "-1000"}
        assert site.queue.take(["batch"], names[2]) is None
        site.workloads.settle()
        assert pod_names(site) == names[:2]
        await site.advance(3 * WINDOW_SECONDS)
        assert replicas(site) == 2


@dataclass(frozen=True)
class LateFlag(InMemoryLoads):
    """Readings of queues; a worker claims a task between the read of the leases and its flag."""

    flagged: list[str] = field(default_factory=list)

    async def drain(self, workers: Collection[str], seconds: int) -> None:
        """Claim one task by each of these workers, then flag them."""
        if not self.flagged:
            self.flagged.extend(workers)
            for number, worker in enumerate(workers, 99):
                await self.queue.publish([task(number)])
                self.queue.claimed("batch", worker)
        await super().drain(workers, seconds)


async def test_a_worker_that_takes_a_task_just_before_it_is_flagged_stays() -> None:
    site = Installation(pool=None)
    late = LateFlag(site.queue)
    site.loads = late
    async with site:
        names = await busy_pool(site)
        await site.until(lambda: late.flagged == [names[2]])
        await site.advance(5)
        assert (replicas(site), costs(site)[names[2]]) == (3, None)


async def test_redis_out_of_reach_holds_the_number_of_workers_and_says_so_once() -> None:
    async with Installation(pool=None) as site:
        names = await busy_pool(site, workers=2)
        site.queue.reachable = False
        await site.until(lambda: site.condition(POOL, "fast", "ScalingActive").get("status") == "False")
        assert site.condition(POOL, "fast", "ScalingActive")["reason"] == "QueueUnreachable"
        held = replicas(site)
        await site.advance(3 * WINDOW_SECONDS)
        assert (replicas(site), reasons(site).count("QueueUnreachable")) == (held, 1)
        site.queue.reachable = True
        await site.until(lambda: site.condition(POOL, "fast", "ScalingActive").get("status") == "True")
        assert names


@pytest.mark.parametrize("wanted", [0, 1, 4])
async def test_a_fixed_number_is_followed_while_redis_is_out_of_reach(wanted: int) -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(replicas=2))
        await site.until(lambda: deployed(site))
        await start_workers(site)
        site.queue.reachable = False
        site.patch(POOL, "fast", {"spec": {"replicas": wanted}})
        await site.until(lambda: replicas(site) == wanted)
        assert "QueueUnreachable" not in reasons(site)


async def test_a_smaller_fixed_number_takes_idle_workers_before_busy_ones() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(replicas=2))
        await site.until(lambda: deployed(site))
        await start_workers(site)
        busy, idle = pod_names(site)
        await publish(site, 1)
        delivery = site.queue.claimed("batch", busy)
        keep_lease(site, delivery)
        site.patch(POOL, "fast", {"spec": {"replicas": 1}})
        await site.until(lambda: replicas(site) == 1)
        assert costs(site) == {busy: None, idle: "-1000"}


async def test_the_workers_of_a_refused_template_go_on_and_it_is_tried_again() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(replicas=1))
        await site.until(lambda: deployed(site))
        await start_workers(site)
        site.cluster.policies.append(refuse_deployments)
        site.patch(POOL, "fast", {"spec": {"template": {"spec": {"priorityClassName": "absent"}}}})
        await site.until(lambda: site.condition(POOL, "fast", "Stalled").get("reason") == "InvalidTemplate")
        assert "no such class" in site.condition(POOL, "fast", "Stalled")["message"]
        assert "priorityClassName" not in site.get("Deployment", "fast")["spec"]["template"]["spec"]
        site.cluster.policies.clear()
        await site.until(lambda: site.condition(POOL, "fast", "Stalled") == {}, seconds=120)
        assert site.get("Deployment", "fast")["spec"]["template"]["spec"]["priorityClassName"] == "absent"


def refuse_deployments(body: JSON) -> str | None:
    refused = body["kind"] == "Deployment" and "priorityClassName" in body["spec"]["template"]["spec"]
    return "no such class" if refused else None


async def test_a_queue_belongs_to_the_older_pool_until_that_is_deleted() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool("older", replicas=1))
        await site.advance(2)
        site.apply(pool("younger", replicas=1))
        await site.until(lambda: site.condition(POOL, "younger", "Stalled").get("reason") == "QueueTaken")
        assert f"{NAMESPACE}/older" in site.condition(POOL, "younger", "Stalled")["message"]
        assert not deployed(site, "younger")
        site.remove(POOL, "older")
        await site.until(lambda: deployed(site, "younger"))
        assert not deployed(site, "older")


async def test_a_pool_of_another_namespace_is_refused() -> None:
    async with Installation(pool=None) as site:
        site.apply({**pool(), "metadata": {"name": "fast", "namespace": "tenant"}})
        await site.until(lambda: site.status(POOL, "fast", "tenant").get("phase") == "Failed")
        assert site.condition(POOL, "fast", "Stalled", "tenant")["reason"] == "NamespaceNotAllowed"
        assert site.cluster.objects("Deployment") == []


async def test_a_deployment_that_a_user_deleted_or_changed_is_applied_again() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(replicas=1))
        await site.until(lambda: deployed(site))
        site.remove("Deployment", "fast")
        await site.until(lambda: deployed(site))
        image = site.get("Deployment", "fast")["spec"]["template"]["spec"]["containers"][0]["image"]
        changed = {"spec": {"template": {"spec": {"containers": [{"name": "worker", "image": "other"}]}}}}
        site.patch("Deployment", "fast", changed)
        await site.until(lambda: containers(site)[0]["image"] == image)


def containers(site: Installation) -> list[JSON]:
    found: list[JSON] = site.get("Deployment", "fast")["spec"]["template"]["spec"]["containers"]
    return found


async def test_replicas_that_another_writer_changed_meanwhile_are_not_overwritten_unseen() -> None:
    async with Installation(watch_delay=1.0, pool=None) as site:
        site.apply(pool(replicas=3))
        await site.until(lambda: deployed(site))
        await start_workers(site)
        site.patch("Deployment", "fast", {"spec": {"replicas": 7}})
        site.patch(POOL, "fast", {"spec": {"replicas": 2}})
        await site.until(lambda: replicas(site) == 2)


async def test_a_deployment_that_was_changed_before_its_watch_event_came_is_read_again() -> None:
    delay = 20.0
    async with Installation(watch_delay=delay, pool=None) as site:
        site.apply(pool(replicas=3))
        await site.until(lambda: deployed(site))
        await site.advance(2 * delay)
        site.patch(POOL, "fast", {"spec": {"replicas": 2}})
        await site.advance(delay - 0.1)
        site.patch("Deployment", "fast", {"spec": {"replicas": 7}})
        await site.until(lambda: replicas(site) == 2, seconds=delay / 2)


async def test_pods_that_do_not_start_are_shown_with_the_reason_of_kubernetes() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(replicas=1))
        await site.until(lambda: deployed(site))
        site.workloads.settle()
        (name,) = pod_names(site)
        waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}
        status = {
            "phase": "Pending",
            "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [{"name": "worker", "state": waiting}],
        }
        site.cluster.patch_status("Pod", NAMESPACE, name, {"status": status})
        site.cluster.patch_status("Deployment", NAMESPACE, "fast", {"status": {"readyReplicas": 0}})
        await site.until(lambda: site.condition(POOL, "fast").get("reason") == "WorkersNotStarting")
        assert f"Worker Pod {name} does not start: ImagePullBackOff" in site.condition(POOL, "fast")["message"]


async def test_nothing_is_written_while_nothing_changes() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(autoscaling=SCALED))
        await site.until_phase(POOL, "fast", "Idle")
        await site.advance(20)
        before = list(site.cluster.writes)
        await site.advance(600)
        assert site.cluster.writes == before


async def test_figures_are_written_seconds_apart_and_facts_at_once() -> None:
    async with Installation(pool=None) as site:
        await busy_pool(site, workers=2)
        before = len(site.cluster.writes)
        for number in range(100, 130):
            await site.queue.publish([task(number, "elsewhere")])
            site.queue.push("batch", b"{}")
            await site.advance(0.5)
        statuses = [w for w in site.cluster.writes[before:] if w.kind == POOL]
        assert 2 <= len(statuses) <= 12
        depth = site.status(POOL, "fast")["queues"][0]["depth"]
        assert depth > 0


async def test_a_new_leader_takes_back_the_flag_of_a_worker_that_is_needed_again() -> None:
    async with Installation(pool=None) as site:
        names = await busy_pool(site)
        await site.until(lambda: costs(site)[names[2]] == "-1000")
        await site.stop()
        site.patch("Deployment", "fast", {"spec": {"replicas": 3}})
        site.workloads.settle()
        await site.queue.publish([task(99)])
        site.start()
        await site.until(lambda: costs(site) == dict.fromkeys(names))
        assert replicas(site) == 3
        assert site.queue.take(["batch"], names[2]) is not None


async def test_a_pool_that_is_gone_has_no_figures_any_more() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(replicas=1))
        await site.until(lambda: deployed(site))
        await start_workers(site)
        named = {"pool": "fast"}
        await site.until(lambda: [s for s in all_samples(site) if named.items() <= s.labels.items()])
        site.remove(POOL, "fast")
        await site.until(lambda: not [s for s in all_samples(site) if named.items() <= s.labels.items()])


async def test_a_pool_that_is_refused_has_no_figures_any_more() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool("older", replicas=1))
        site.apply(pool("fast", replicas=1, queues=["other"]))
        await site.until(lambda: figures(site, "fast") and figures(site, "older"))
        site.patch(POOL, "fast", {"spec": {"queues": ["batch"]}})
        await site.until(lambda: site.condition(POOL, "fast", "Stalled").get("reason") == "QueueTaken")
        assert figures(site, "older")
        assert not figures(site, "fast")


async def a_burst(site: Installation) -> None:
    """From zero to workers and back, with the Pods played by the Deployment controller."""
    site.apply(pool(autoscaling=SCALED))
    await site.until(lambda: deployed(site))
    await site.queue.publish([task(number) for number in range(4)])
    await site.until(lambda: replicas(site) == 3)
    site.workloads.settle()
    for worker in pod_names(site):
        site.work(lambda _task: DONE, ["batch"], worker)
    await site.until(lambda: replicas(site) == 0)
    site.workloads.settle()
    await site.until_phase(POOL, "fast", "Idle")


@pytest.mark.slow
async def test_a_crash_at_any_call_changes_nothing_of_a_burst() -> None:
    await every_crash(a_burst, ports=("resources", "loads", "workloads"), lost_events=("ScaledUp", "ScaledDown"))
