"""An installation in memory with WorkerPools: what a user applies, and what there is then."""

from __future__ import annotations

from typing import Any

from tests.fakes.deployments import DELETION_COST
from tests.fakes.installation import NAMESPACE, Installation
from twin_operator.services.runs.run import JSON, Target, Task, TaskKind

POOL = "WorkerPool"
WINDOW_SECONDS = 10
SCALED = {"maxReplicas": 3, "scaleDownStabilizationSeconds": WINDOW_SECONDS, "targetDrainSeconds": 1}


def pool(name: str = "fast", autoscaling: JSON | None = None, **spec: Any) -> JSON:
    scaling = {} if autoscaling is None else {"autoscaling": autoscaling}
    return {
        "apiVersion": "twinops.dev/v1alpha1",
        "kind": POOL,
        "metadata": {"name": name},
        "spec": {"queues": ["batch"], **scaling, **spec},
    }


def task(number: int, queue: str = "batch") -> Task:
    target = Target("TwinModel", NAMESPACE, f"task-{number}", f"uid-{number}")
    return Task(f"run-{number}", TaskKind.VALIDATE, queue, target, attempt_limit=3, payload={})


async def publish(site: Installation, count: int) -> None:
    await site.queue.publish([task(number) for number in range(count)])


async def start_workers(site: Installation) -> None:
    """Have the Pods of every Deployment started, and wait until the pool is shown as ready."""
    site.workloads.settle()
    await site.until(lambda: site.condition(POOL, "fast").get("reason") == "WorkersReady")


def replicas(site: Installation, name: str = "fast") -> int:
    return int(site.get("Deployment", name)["spec"]["replicas"])


def deployed(site: Installation, name: str = "fast") -> bool:
    return any(body["metadata"]["name"] == name for body in site.cluster.objects("Deployment"))


def pod_names(site: Installation) -> list[str]:
    return sorted(body["metadata"]["name"] for body in site.cluster.objects("Pod"))


def costs(site: Installation) -> dict[str, str | None]:
    pods = site.cluster.objects("Pod")
    return {p["metadata"]["name"]: (p["metadata"].get("annotations") or {}).get(DELETION_COST) for p in pods}


def reasons(site: Installation) -> list[str]:
    return [event.reason for event in site.cluster.events]


def figures(site: Installation, name: str) -> list[Any]:
    """Return the gauges of a pool; counters stay when it is gone."""
    return [s for s in all_samples(site) if s.labels.get("pool") == name and "_total" not in s.name]


def all_samples(site: Installation) -> list[Any]:
    return [s for family in site.operator.metrics.collect() for s in family.samples]
