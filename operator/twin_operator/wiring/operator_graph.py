"""The operator's objects."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from kubernetes.aio.client import Configuration
from prometheus_client import REGISTRY, CollectorRegistry
from redis.asyncio import Redis

from twin_operator.adapters.bank_store import read_bank, write_bank
from twin_operator.adapters.kubernetes_api.client import KubernetesApi, load_configuration
from twin_operator.adapters.kubernetes_api.resources import ClusterResources
from twin_operator.adapters.leader_lease import LeaderLease
from twin_operator.adapters.metrics import Metrics
from twin_operator.adapters.mlflow_registry import MlflowRegistry
from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.adapters.redis_queue.dead_letters import count_dead_letters
from twin_operator.adapters.redis_queue.message import Messages
from twin_operator.adapters.redis_queue.outbox import Outbox
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.services.archive_access import ArchiveAccess
from twin_operator.services.archiving import Archiving
from twin_operator.services.expiry import Expiry
from twin_operator.services.fidelity.ledger import Ledger
from twin_operator.services.fidelity.outcomes import Outcomes
from twin_operator.services.model_keeper import ModelKeeper
from twin_operator.services.model_reconciler import ModelReconciler
from twin_operator.services.operator_loop import OperatorLoop
from twin_operator.services.pace import Pace
from twin_operator.services.pool_reconciler import PoolReconciler
from twin_operator.services.pools import WorkerDefaults
from twin_operator.services.registry_reader import ThreadedVersions
from twin_operator.services.results import ResultsLoop
from twin_operator.services.retraining.data_watch import DataWatch
from twin_operator.services.retraining.job_reconciler import JobReconciler
from twin_operator.services.simulations import Simulations
from twin_operator.services.twins import Twins
from twin_operator.settings import Settings
from twin_operator.wiring.connections import operator_redis
from twin_operator.wiring.signing import build_signing


@dataclass(frozen=True)
class OperatorGraph:
    """What `twin-operator run` runs."""

    loop: OperatorLoop
    lease: LeaderLease
    api: KubernetesApi
    redis: Redis
    archive: SqlArchive

    async def close(self, *, leading: bool) -> None:
        """Close connections; a leader gives the Lease back, so that the next one need not wait for its end."""
        if leading:
            await self.lease.release()
        await self.api.close()
        await self.redis.aclose()
        self.archive.close()


async def connect() -> Configuration:
    """Return how to reach the API server."""
    return await load_configuration()


async def build_operator(
    settings: Settings, configuration: Configuration, clock: Callable[[], float] = time.time
) -> OperatorGraph:
    """Build the graph; the API server is asked once, for the cluster's uid. `clock`: seconds since the epoch."""
    api = KubernetesApi(configuration)
    resources = ClusterResources(api, settings.watch_namespaces)
    cluster = await resources.cluster_uid()
    redis = operator_redis(settings.redis_url)
    queue = Broker(redis, settings.run_ttl_seconds, Messages(build_signing(settings)))
    versions = ThreadedVersions(
        MlflowRegistry(settings.mlflow_tracking_uri, settings.bank_directory, write_bank, read_bank)
    )
    meters = Metrics(CollectorRegistry() if clock is not time.time else REGISTRY)
    archive = SqlArchive(settings.archive_url)
    access = ArchiveAccess()
    ledger = Ledger(archive, access)
    twins = Twins(versions, ledger.outcomes)
    ledger.changed = twins.outcomes_changed
    archiving = Archiving(archive, access, Outbox(redis), resources, clock, meters.archive_waiting)
    pace = Pace(settings.second_writes_per_second)
    simulations = Simulations(queue, resources, twins, clock, settings.second_write_seconds, pace)
    watch = DataWatch(queue, settings.data_watch_seconds, clock)
    keeper = ModelKeeper(resources, twins, ledger, access, watch, meters, clock)
    models = ModelReconciler(queue, resources, versions, keeper, cluster, clock, settings.data_retry_seconds)
    loop = OperatorLoop(
        simulations=simulations,
        twins=twins,
        models=models,
        keeper=keeper,
        jobs=JobReconciler(queue, resources, versions, keeper, archive, access, meters, cluster, clock),
        pools=PoolReconciler(resources, worker_defaults(settings), _pool_namespaces(settings), clock),
        outcomes=Outcomes(archive, access, ledger, resources, meters, clock, twins.weights_in_hand),
        archiving=archiving,
        results=ResultsLoop(queue, simulations, lambda *_key: None),
        expiry=Expiry(resources, archiving.known, clock),
        resources=resources,
        meters=meters,
        dead_letters=partial(count_dead_letters, redis),
        resync_seconds=settings.resync_seconds,
        clock=clock,
    )
    lease = LeaderLease(configuration, settings.lease_name, settings.namespace, settings.identity)
    return OperatorGraph(loop, lease, api, redis, archive)


def worker_defaults(settings: Settings) -> WorkerDefaults:
    """Return what every worker Pod has in common."""
    return WorkerDefaults(
        image=settings.worker_image,
        pull_policy=settings.worker_image_pull_policy,
        service_account=settings.worker_service_account,
        env=settings.worker_env,
        metrics_port=settings.metrics_port,
    )


def _pool_namespaces(settings: Settings) -> frozenset[str]:
    return frozenset([settings.namespace, *settings.pool_namespaces])
