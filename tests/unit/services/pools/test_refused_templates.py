"""WorkerPools whose template breaks the rules, at the outer boundary of their controller."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.fakes.installation import Installation
from tests.unit.services.pools.site import POOL, SCALED, deployed, pool, publish, reasons, replicas, start_workers
from twin_operator.services.runs.run import JSON

pytestmark = pytest.mark.looptime

BROKEN: Final[list[Any]] = [
    {"spec": None},
    {"spec": []},
    {"spec": "worker"},
    {"containers": []},
    {"spec": {"tolerations": "all"}},
    {"spec": {"hostNetwork": True}},
    {"spec": {"serviceAccountName": "twin-operator"}},
]


@pytest.mark.parametrize("template", BROKEN, ids=str)
async def test_a_template_that_breaks_the_rules_is_said_and_nothing_is_created(template: JSON) -> None:
    async with Installation() as site:
        site.apply(pool(template=template, autoscaling=SCALED))
        await publish(site, 5)
        await site.until(lambda: site.condition(POOL, "fast", "Stalled").get("reason") == "InvalidTemplate")
        assert "spec.template" in site.condition(POOL, "fast", "Stalled")["message"]
        await site.advance(90)
        assert not deployed(site)
        site.patch(POOL, "fast", {"spec": {"template": None}})
        await site.until(lambda: deployed(site))


def reconciled(site: Installation) -> float:
    return site.metric("twinops_reconciles_total", kind=POOL, result="ok")


async def test_a_pool_that_never_had_workers_is_reconciled_once_a_minute() -> None:
    async with Installation({"resync_seconds": 10_000}, pool=None) as site:
        site.apply(pool(template={"spec": None}, autoscaling=SCALED))
        await site.until(lambda: site.condition(POOL, "fast", "Stalled").get("reason") == "InvalidTemplate")
        before = reconciled(site)
        await site.advance(301)
        assert reconciled(site) - before == 5


async def test_a_pool_that_never_had_workers_reads_no_queue() -> None:
    async with Installation(pool=None) as site:
        site.apply(pool(template={"spec": None}, autoscaling=SCALED))
        await site.until(lambda: site.condition(POOL, "fast", "Stalled").get("reason") == "InvalidTemplate")
        site.queue.reachable = False
        await site.advance(90)
        assert "QueueUnreachable" not in reasons(site)
        site.patch(POOL, "fast", {"spec": {"template": None}})
        await site.until(lambda: "QueueUnreachable" in reasons(site))


async def test_the_workers_of_the_last_good_template_go_on_and_are_scaled() -> None:
    async with Installation() as site:
        site.apply(pool(replicas=1, template={"spec": {"priorityClassName": "batch"}}))
        await site.until(lambda: deployed(site))
        await start_workers(site)
        site.patch(POOL, "fast", {"spec": {"template": {"spec": {"hostPID": True}}, "replicas": 2}})
        await site.until(lambda: site.condition(POOL, "fast", "Stalled").get("reason") == "InvalidTemplate")
        await site.until(lambda: replicas(site) == 2)
        kept = site.get("Deployment", "fast")["spec"]["template"]["spec"]
        assert ("hostPID" in kept, kept["priorityClassName"]) == (False, "batch")
        assert "earlier template continue" in site.condition(POOL, "fast")["message"]


def refuse_classes(body: JSON) -> str | None:
    refused = body["kind"] == "Deployment" and "priorityClassName" in body["spec"]["template"]["spec"]
    return "no such class" if refused else None


@pytest.mark.parametrize("template", [{"spec": {"hostPID": True}}, {"spec": {"priorityClassName": "absent"}}], ids=str)
async def test_a_refused_template_that_is_taken_back_is_refused_no_longer(template: JSON) -> None:
    async with Installation() as site:
        site.cluster.policies.append(refuse_classes)
        site.apply(pool(replicas=1))
        await site.until(lambda: deployed(site))
        await start_workers(site)
        site.patch(POOL, "fast", {"spec": {"template": template}})
        await site.until(lambda: site.condition(POOL, "fast", "Stalled").get("reason") == "InvalidTemplate")
        site.patch(POOL, "fast", {"spec": {"template": None}})
        await site.until(lambda: site.condition(POOL, "fast").get("reason") == "WorkersReady")
        assert site.condition(POOL, "fast", "Stalled") == {}


async def test_the_settings_say_what_templates_may_name() -> None:
    template = {"spec": {"containers": [{"name": "worker", "envFrom": [{"secretRef": {"name": "s3"}}]}]}}
    async with Installation({"templates_allowed": {"secrets": ["s3"]}}) as site:
        site.apply(pool(replicas=1, template=template))
        await site.until(lambda: deployed(site))
