"""An operator on in-memory adapters, whose watches and Lease are those of a `WatchedServer`."""

from __future__ import annotations

import time
from pathlib import Path

from kubernetes.aio.client import Configuration
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from devcluster.layout import free_ports
from tests.fakes.archive import InMemoryArchive
from tests.fakes.cluster import InMemoryCluster
from tests.fakes.loads import InMemoryLoads
from tests.fakes.outbox import InMemoryOutbox
from tests.fakes.queue import InMemoryQueue
from tests.fakes.registry import InMemoryRegistry, InMemoryVersions
from tests.fakes.workloads import InMemoryWorkloads
from twin_operator.adapters.kubernetes_api.client import KubernetesApi
from twin_operator.adapters.leader_lease import LeaderLease
from twin_operator.adapters.metrics import ProcessMetrics
from twin_operator.adapters.metrics.operator import OperatorMetrics
from twin_operator.adapters.mlflow_rest.api import MlflowApi, MlflowServer
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.services.operator import OperatorLoop
from twin_operator.services.runs.tracing import NoTracer
from twin_operator.settings import Settings
from twin_operator.wiring.operator import assemble, build_requests
from twin_operator.wiring.operator_ports import OperatorPorts
from twin_operator.wiring.operator_process import OperatorGraph

UNUSED_REDIS = "redis://127.0.0.1:1"  # the queue is in memory; these connections are only closed
UNUSED_MLFLOW = "http://127.0.0.1:1"


def settings(namespaces: tuple[str, ...] = (), pool_namespaces: tuple[str, ...] = ()) -> Settings:
    """Return the settings of an operator with ports of its own."""
    health, metrics = free_ports(2)
    ports = {"health_port": health, "metrics_port": metrics}
    watched = {"watch_namespaces": namespaces, "pool_namespaces": pool_namespaces}
    return Settings.model_validate({**ports, **watched, "identity": "first"})


async def no_dead_letters() -> int:
    return 0


def loop_on_fakes(chosen: Settings, queue: InMemoryQueue | None = None) -> OperatorLoop:
    """Return the controllers; nothing runs yet."""
    queue = queue or InMemoryQueue(time.time)
    cluster, registry = InMemoryCluster(time.time), CollectorRegistry()
    ports = OperatorPorts(
        queue=queue,
        resources=cluster,
        versions=InMemoryVersions(InMemoryRegistry()),
        archive=InMemoryArchive(),
        outbox=InMemoryOutbox(queue),
        loads=InMemoryLoads(queue),
        workloads=InMemoryWorkloads(cluster),
        keep_redis=queue.ping,
        dead_letters=no_dead_letters,
    )
    metrics = OperatorMetrics.of(registry, ProcessMetrics(registry, "0"))
    return assemble(chosen, ports, build_requests(chosen, metrics), "cluster-uid", metrics, NoTracer(), time.time)


def graph_on_fakes(loop: OperatorLoop, lease: LeaderLease, folder: Path) -> OperatorGraph:
    """Return what a process runs: the controllers, a Lease and watches over HTTP."""
    api = KubernetesApi(
        Configuration(host=lease.configuration.host), lambda _method, _status: None, lease.wait_until_renewed
    )
    redis, looking = Redis.from_url(UNUSED_REDIS), Redis.from_url(UNUSED_REDIS)
    mlflow = MlflowApi(MlflowServer(UNUSED_MLFLOW), lease.wait_until_renewed)
    archive = SqlArchive(f"sqlite:///{folder}/archive.db")
    return OperatorGraph(loop, lease, api, redis, looking, mlflow, archive, NoTracer())
