"""Which objects a change of something else concerns: a queue that is served now, those whose tasks go to it."""

from __future__ import annotations

import pytest

from tests.fakes.installation import Installation
from tests.unit.services.letters import MODEL, job, serving
from tests.unit.services.pools.site import SCALED, pool
from twin_operator.services.runs.run import JSON, TaskKind

pytestmark = pytest.mark.looptime
JOB = ("RetrainingJob", "again")
RECONCILED = "twinops_reconciles_total"
NO_RESYNC = {"resync_seconds": 10_000}
APPROVED: JSON = {"approval": {"approved": True, "by": "jane"}}


def scaled(name: str, *queues: str) -> JSON:
    """Return a WorkerPool that starts workers for these queues when a task comes."""
    return pool(name, autoscaling=SCALED, queues=list(queues))


def reconciled(site: Installation) -> dict[str, float]:
    """Return how often TwinModels and RetrainingJobs were reconciled."""
    return {kind: site.metric(RECONCILED, kind=kind, result="ok") for kind in ("TwinModel", "RetrainingJob")}


async def test_a_queue_that_a_pool_serves_now_concerns_no_model_and_no_job_of_other_queues() -> None:
    async with Installation(NO_RESYNC, pool=None) as site:
        site.apply(scaled("learners", "training", "validation"))
        await serving(site)
        site.apply(job(**APPROVED))
        await site.until_phase(*JOB, "Training")
        await site.advance(5)
        before = reconciled(site)
        site.apply(scaled("others", "elsewhere"))
        await site.until_phase("WorkerPool", "others", "Idle")
        assert reconciled(site) == before


async def test_the_task_of_a_comparison_is_published_as_soon_as_a_pool_serves_its_queue() -> None:
    async with Installation(NO_RESYNC, pool=None) as site:
        site.apply(scaled("learners", "training"))
        workers = await serving(site)
        site.apply(job(**APPROVED))
        await workers.do(TaskKind.RETRAIN)
        await site.until(lambda: site.condition(*JOB).get("reason") == "NoWorkers")
        assert "queue validation" in site.condition(*JOB)["message"]
        site.apply(scaled("comparers", "validation"))
        await site.until(lambda: site.condition(*JOB)["reason"] == "Validating", seconds=5)
        assert site.status(*MODEL)["retraining"]["activeJob"] == "again"


async def test_the_data_of_a_model_is_checked_as_soon_as_a_pool_serves_the_queue_of_checks() -> None:
    async with Installation(NO_RESYNC, pool=None) as site:
        site.apply(scaled("learners", "training"))
        workers = await serving(site)
        await site.advance(5)
        site.apply(scaled("readers", "validation"))
        await site.until(lambda: TaskKind.VALIDATE in workers.work(), seconds=5)
