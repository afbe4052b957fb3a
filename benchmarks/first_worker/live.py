"""The platform of the measurement, and one trial: publish, watch the Deployment, empty the queue, wait for zero."""

import asyncio
import random
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from devcluster import Cluster, services
from devcluster.layout import free_ports
from twin_operator.adapters.kubernetes_api.client import KubernetesApi, client_of_a_user
from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.bad_records import BadRecords, KeyTypes
from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.adapters.redis_queue.message import Messages
from twin_operator.handlers.operator import OperatorProcess
from twin_operator.services.runs.run import Target, Task, TaskKind
from twin_operator.settings import Settings
from twin_operator.wiring.operator_process import OperatorGraph, build_operator

Seconds = list[float]
NAMESPACE: Final = "default"
POOL: Final = "measured"
POLL_SECONDS: Final = 2  # the default of a pool
READY_SECONDS: Final = 60.0  # for the operator to reconcile the pool
READ_SECONDS: Final = 0.02  # between our reads of the Deployment
DEPLOYMENT: Final = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{POOL}"
CRDS: Final = Path(__file__).parents[2] / "crds"
NOBODY: Final = {"spec": {"nodeSelector": {"twinops.dev/no-node": "has-this"}}}


@dataclass(frozen=True)
class Bench:
    """A running operator with one pool.

    Args:
        api: a client of our own.
        graph: the operator's objects.
        stranger: a broker that the operator does not know of, as of another program.
    """

    api: KubernetesApi
    graph: OperatorGraph
    stranger: Broker

    async def trial(self, publish: Callable[[list[Task]], Awaitable[None]]) -> float:
        """Return the seconds from a publication at a random moment to the worker wanted; leave the pool at zero."""
        await asyncio.sleep(random.uniform(0, POLL_SECONDS))  # noqa: S311 - a phase
        began = time.perf_counter()
        await publish([_task()])
        await self.until(lambda replicas: replicas > 0)
        seconds = time.perf_counter() - began
        await self.stranger.redis.delete(*keys.queue_keys(POOL))
        await self.until(lambda replicas: replicas == 0)
        return seconds

    async def until(self, holds: Callable[[int], bool]) -> None:
        """Read the Deployment until its replicas are as wanted."""
        while not holds((await self.api.get(DEPLOYMENT))["spec"]["replicas"]):  # noqa: ASYNC110 - another's state
            await asyncio.sleep(READ_SECONDS)

    async def ready(self) -> None:
        """Wait until the pool is reconciled."""
        path = f"/apis/twinops.dev/v1alpha1/namespaces/{NAMESPACE}/workerpools/{POOL}"
        while (await self.api.get(path))["status"]["phase"] != "Idle":  # noqa: ASYNC110 - as above
            await asyncio.sleep(READ_SECONDS)


async def measure(folder: Path, trials: int) -> dict[str, Seconds]:
    """Return the seconds of each trial, by who publishes."""
    with Cluster(folder / "cluster") as cluster, services.redis(folder) as redis:
        _prepare(cluster)
        metrics, health = free_ports(2)
        settings = Settings(
            redis_url=redis.url,
            namespace=NAMESPACE,
            archive_url=f"sqlite:///{folder}/archive.db",
            metrics_port=metrics,
            health_port=health,
        )
        configuration = await _configuration(cluster)
        graph = await build_operator(settings, configuration)
        process = OperatorProcess(settings, graph)
        running = asyncio.create_task(process.run())
        try:
            types = KeyTypes(graph.redis, BadRecords(lambda _kind: None))
            stranger = Broker(graph.redis, 60, lambda _queues: None, Messages(), None, types)
            return await _measure(Bench(client_of_a_user(configuration), graph, stranger), trials)
        finally:
            process.end()
            await running


async def _measure(bench: Bench, trials: int) -> dict[str, Seconds]:
    broker = bench.graph.loop.simulations.queue
    ways = {"the operator": broker.publish, "another program": bench.stranger.publish}
    try:
        async with asyncio.timeout(READY_SECONDS):
            await bench.ready()
        return {name: [await bench.trial(publish) for _ in range(trials)] for name, publish in ways.items()}
    finally:
        await bench.api.close()


def _task() -> Task:
    run = uuid.uuid4().hex
    return Task(run, TaskKind.SIMULATE, POOL, Target("Simulation", NAMESPACE, "none", run), 1, {})


def _prepare(cluster: Cluster) -> None:
    _kubectl(cluster, "apply", "--server-side", "-f", str(CRDS))
    _kubectl(cluster, "wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
    _kubectl(cluster, "apply", "-f", "-", content=_pool())


def _kubectl(cluster: Cluster, *arguments: str, content: bytes = b"") -> None:
    command = [str(cluster.kubectl), "--kubeconfig", str(cluster.kubeconfig), *arguments]
    subprocess.run(command, input=content, check=True, capture_output=True)  # noqa: S603 - our own words


def _pool() -> bytes:
    scaling: dict[str, Any] = {"maxReplicas": 1, "scaleDownStabilizationSeconds": 0, "pollSeconds": POLL_SECONDS}
    spec = {"queues": [POOL], "autoscaling": scaling, "template": NOBODY}
    metadata = {"name": POOL, "namespace": NAMESPACE}
    return orjson.dumps(
        {"apiVersion": "twinops.dev/v1alpha1", "kind": "WorkerPool", "metadata": metadata, "spec": spec}
    )


async def _configuration(cluster: Cluster) -> Configuration:
    chosen = Configuration()
    chosen.disable_strict_ssl_verification = True
    await config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=str(cluster.kubeconfig), client_configuration=chosen
    )
    return chosen
