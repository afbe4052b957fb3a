"""The operator's process: its connections to the API server, Redis, MLflow and the archive, and the loop on them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

from kubernetes.aio.client import Configuration
from prometheus_client import REGISTRY, CollectorRegistry
from redis.asyncio import Redis

from twin_operator.adapters.kubernetes_api.client import KubernetesApi
from twin_operator.adapters.kubernetes_api.resources import ClusterResources
from twin_operator.adapters.kubernetes_api.workloads import ClusterWorkloads
from twin_operator.adapters.leader_lease import LeaderLease
from twin_operator.adapters.metrics import ProcessMetrics
from twin_operator.adapters.metrics.operator import OperatorMetrics
from twin_operator.adapters.metrics.process import bad_record_counter
from twin_operator.adapters.mlflow_rest.api import MlflowApi
from twin_operator.adapters.mlflow_rest.versions import RestVersions
from twin_operator.adapters.redis_queue.bad_records import BadRecords, KeyTypes, RecordKind
from twin_operator.adapters.redis_queue.dead_letters import count_dead_letters
from twin_operator.adapters.redis_queue.loads import Loads
from twin_operator.adapters.redis_queue.outbox import Outbox
from twin_operator.adapters.redis_queue.scripts import ServerUpkeep
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.services.operator import OperatorLoop
from twin_operator.services.runs.tracing import Tracer
from twin_operator.settings import Settings
from twin_operator.wiring.connections import build_queue, looking_redis, mlflow_server, operator_redis
from twin_operator.wiring.operator import assemble, build_requests
from twin_operator.wiring.operator_ports import OperatorPorts
from twin_operator.wiring.tracing import build_tracer


@dataclass(frozen=True)
class OperatorGraph:
    """What `twin-operator run` runs."""

    loop: OperatorLoop
    lease: LeaderLease
    api: KubernetesApi
    redis: Redis
    looking: Redis
    mlflow: MlflowApi
    archive: SqlArchive
    tracer: Tracer

    async def close(self, *, leading: bool) -> None:
        """Close connections; a leader gives the Lease back, so that the next one need not wait for its end."""
        if leading:
            await self.lease.release()
        await self.api.close()
        await self.redis.aclose()
        await self.looking.aclose()
        await self.mlflow.close()
        self.archive.close()
        await asyncio.to_thread(self.tracer.flush)


async def build_operator(
    settings: Settings, configuration: Configuration, clock: Callable[[], float] = time.time
) -> OperatorGraph:
    """Build the graph; the API server is asked once, for the cluster's uid. `clock`: seconds since the epoch."""
    registry = CollectorRegistry() if clock is not time.time else REGISTRY
    process = ProcessMetrics(registry, version("twin-operator"))
    lease = LeaderLease(configuration, settings.lease_name, settings.namespace, settings.identity)
    api = KubernetesApi(configuration, process.api_retried, lease.wait_until_renewed)
    resources = ClusterResources(api, settings.watch_namespaces)
    redis, looking = operator_redis(settings.redis_url), looking_redis(settings.redis_url)
    cluster = await resources.cluster_uid()
    tracer, archive = build_tracer(settings, "twin-operator"), SqlArchive(settings.archive_url, cluster)
    metrics = OperatorMetrics.of(registry, process)
    requests = build_requests(settings, metrics)
    bad = BadRecords(bad_record_counter(RecordKind, registry))
    types = KeyTypes(redis, bad)
    mlflow = MlflowApi(mlflow_server(settings), lease.wait_until_renewed)
    ports = OperatorPorts(
        queue=build_queue(redis, settings, tracer, requests.published, types),
        resources=resources,
        versions=RestVersions(mlflow, clock),
        archive=archive,
        outbox=Outbox(redis, types),
        loads=Loads(looking, KeyTypes(looking, bad)),
        workloads=ClusterWorkloads(api),
        keep_redis=ServerUpkeep(redis, types).keep,
        dead_letters=partial(count_dead_letters, redis, types),
    )
    loop = assemble(settings, ports, requests, cluster, metrics, tracer, clock)
    return OperatorGraph(loop, lease, api, redis=redis, looking=looking, mlflow=mlflow, archive=archive, tracer=tracer)
