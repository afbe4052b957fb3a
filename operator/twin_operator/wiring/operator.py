"""The operator's objects."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

from kubernetes.aio.client import Configuration
from prometheus_client import REGISTRY, CollectorRegistry
from redis.asyncio import Redis

from twin_operator.adapters.bank_store import read_bank, write_bank
from twin_operator.adapters.kubernetes_api.client import KubernetesApi, load_configuration
from twin_operator.adapters.kubernetes_api.resources import ClusterResources
from twin_operator.adapters.kubernetes_api.worker_pods import ClusterPods
from twin_operator.adapters.leader_lease import LeaderLease
from twin_operator.adapters.metrics import ModelMetrics, ProcessMetrics, SimulationMetrics
from twin_operator.adapters.metrics.pools import PoolMetrics
from twin_operator.adapters.mlflow_registry import MlflowRegistry
from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.adapters.redis_queue.dead_letters import count_dead_letters
from twin_operator.adapters.redis_queue.event_channel import SentEvents
from twin_operator.adapters.redis_queue.loads import Loads
from twin_operator.adapters.redis_queue.message import Messages
from twin_operator.adapters.redis_queue.outbox import Outbox as RedisOutbox
from twin_operator.adapters.redis_queue.traced_broker import TracedBroker
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.services.archive.access import ArchiveAccess
from twin_operator.services.archive.archiving import Archiving, Outbox
from twin_operator.services.archive.ports import Archive
from twin_operator.services.operator import BrokerWatch, OperatorLoop
from twin_operator.services.outcomes.grading import Outcomes
from twin_operator.services.outcomes.ledger import Ledger
from twin_operator.services.pools.deploying import Deploying
from twin_operator.services.pools.manifest import WorkerDefaults
from twin_operator.services.pools.pool_index import KnownPools
from twin_operator.services.pools.ports import QueueLoads, WorkerPods
from twin_operator.services.pools.reconciler import PoolReconciler
from twin_operator.services.pools.scaler import Scaler
from twin_operator.services.reconciling.ports import Resources, RunQueue, Versions
from twin_operator.services.reconciling.queue import Pace
from twin_operator.services.retraining.controller import JobReconciler
from twin_operator.services.runs.spans import RunTraces
from twin_operator.services.runs.tracing import NoTracer, Tracer
from twin_operator.services.simulations.controller import Simulations
from twin_operator.services.simulations.expiry import Expiry
from twin_operator.services.simulations.results import ResultsLoop
from twin_operator.services.twin_models.controller import ModelReconciler
from twin_operator.services.twin_models.data_checks import DataWatch
from twin_operator.services.twin_models.keeper import ModelKeeper
from twin_operator.services.versions.registry import ThreadedVersions
from twin_operator.services.versions.twins import Twins
from twin_operator.settings import Settings
from twin_operator.wiring.connections import database_of, looking_redis, operator_redis
from twin_operator.wiring.signing import build_signing
from twin_operator.wiring.tracing import build_tracer


@dataclass(frozen=True)
class OperatorGraph:
    """What `twin-operator run` runs."""

    loop: OperatorLoop
    lease: LeaderLease
    api: KubernetesApi
    redis: Redis
    looking: Redis
    archive: SqlArchive
    tracer: Tracer

    async def close(self, *, leading: bool) -> None:
        """Close connections; a leader gives the Lease back, so that the next one need not wait for its end."""
        if leading:
            await self.lease.release()
        await self.api.close()
        await self.redis.aclose()
        await self.looking.aclose()
        self.archive.close()
        await asyncio.to_thread(self.tracer.flush)


async def connect() -> Configuration:
    """Return how to reach the API server."""
    return await load_configuration()


@dataclass(frozen=True)
class OperatorPorts:
    """What the operator needs of the world, each on an adapter of one real system (in unit tests: of none).

    Attributes:
        queue: queues, runs and results.
        resources: the API server.
        versions: the registry.
        archive: history; its methods block.
        outbox: what waits for the archive.
        loads: readings of queues for scaling.
        pods: Pods of WorkerPools.
        ping: answers while Redis does.
        dead_letters: counts dead letters.
    """

    queue: RunQueue
    resources: Resources
    versions: Versions
    archive: Archive
    outbox: Outbox
    loads: QueueLoads
    pods: WorkerPods
    ping: Callable[[], Awaitable[object]]
    dead_letters: Callable[[], Awaitable[int]]


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
    tracer = build_tracer(settings, "twin-operator")
    queue, archive = build_queue(redis, settings, tracer), SqlArchive(settings.archive_url)
    ports = OperatorPorts(
        queue=queue,
        resources=resources,
        versions=_versions(settings, lease),
        archive=archive,
        outbox=RedisOutbox(redis),
        loads=Loads(looking),
        pods=ClusterPods(api),
        ping=redis.ping,
        dead_letters=partial(count_dead_letters, redis),
    )
    loop = assemble(settings, ports, await resources.cluster_uid(), registry, process, tracer, clock)
    queue.on_publish = loop.published
    return OperatorGraph(loop, lease, api, redis, looking, archive, tracer)


def assemble(
    settings: Settings,
    ports: OperatorPorts,
    cluster: str,
    registry: CollectorRegistry,
    process: ProcessMetrics,
    tracer: Tracer,
    clock: Callable[[], float],
) -> OperatorLoop:
    """Build the controllers on ports; nothing is called yet.

    Args:
        settings: intervals and limits.
        ports: the world.
        cluster: uid of the cluster.
        registry: where metrics are registered.
        process: metrics of the process.
        tracer: records spans.
        clock: seconds since the epoch.
    """
    meters, figures = ModelMetrics(registry), SimulationMetrics(registry)
    queue, resources, versions, archive = ports.queue, ports.resources, ports.versions, ports.archive
    access = ArchiveAccess()
    ledger = Ledger(archive, access)
    twins = Twins(versions, ledger.outcomes)
    ledger.changed = twins.outcomes_changed
    archiving = Archiving(archive, access, ports.outbox, resources, clock, meters.archive_waiting)
    simulations = _simulations(settings, queue, resources, twins, figures, clock)
    watch = DataWatch(queue, settings.data_watch_seconds, clock)
    keeper = ModelKeeper(resources, twins, ledger, access, watch, meters, clock)
    loop = OperatorLoop(
        simulations=simulations,
        twins=twins,
        models=ModelReconciler(queue, resources, versions, keeper, meters, cluster, clock, settings.data_retry_seconds),
        keeper=keeper,
        jobs=JobReconciler(queue, resources, versions, keeper, archive, access, meters, cluster, clock),
        pools=build_pools(settings, resources, ports.pods, ports.loads, PoolMetrics(registry), clock),
        outcomes=Outcomes(archive, access, ledger, resources, meters, clock, twins.weights_in_hand),
        archiving=archiving,
        results=ResultsLoop(queue, simulations, lambda *_key: None),
        expiry=Expiry(resources, archiving.known, clock),
        resources=resources,
        meters=meters,
        process=process,
        broker=BrokerWatch(ports.ping, process),
        dead_letters=ports.dead_letters,
        resync_seconds=settings.resync_seconds,
        clock=clock,
    )
    _tell_of_runs(loop, RunTraces(tracer, clock))
    return loop


def _versions(settings: Settings, lease: LeaderLease) -> ThreadedVersions:
    registry = MlflowRegistry(settings.mlflow_tracking_uri, settings.bank_directory, write_bank, read_bank)
    return ThreadedVersions(registry, lease.wait_until_renewed)


def _simulations(
    settings: Settings,
    queue: RunQueue,
    resources: Resources,
    twins: Twins,
    figures: SimulationMetrics,
    clock: Callable[[], float],
) -> Simulations:
    pace = Pace(settings.second_writes_per_second)
    simulations = Simulations(queue, resources, twins, clock, settings.second_write_seconds, pace, figures)
    figures.follow(simulations.unfinished, simulations.oldest)
    return simulations


def _tell_of_runs(loop: OperatorLoop, traces: RunTraces) -> None:
    loop.simulations.on_trace = traces.simulation_ended
    loop.models.on_trace = traces.training_ended
    loop.jobs.on_trace = traces.job_ended


def build_queue(redis: Redis, settings: Settings, tracer: Tracer) -> Broker:
    """Return the queue; one that records publications where spans are recorded at all."""
    sent = SentEvents(database_of(redis)) if settings.task_events else None
    messages = Messages(build_signing(settings))
    if isinstance(tracer, NoTracer):
        return Broker(redis, settings.run_ttl_seconds, sent, messages=messages)
    return TracedBroker(redis, settings.run_ttl_seconds, sent, messages=messages, tracer=tracer)


def build_pools(
    settings: Settings,
    resources: Resources,
    pods: WorkerPods,
    loads: QueueLoads,
    meters: PoolMetrics,
    clock: Callable[[], float],
) -> PoolReconciler:
    """Return the reconciler."""
    known = KnownPools(frozenset([settings.namespace, *settings.pool_namespaces]), meters.forget_pool)
    deploying = Deploying(resources, worker_defaults(settings), clock)
    return PoolReconciler(resources, known, deploying, Scaler(loads, pods), meters, clock)


def worker_defaults(settings: Settings) -> WorkerDefaults:
    """Return what every worker Pod has in common."""
    return WorkerDefaults(
        image=settings.worker_image,
        pull_policy=settings.worker_image_pull_policy,
        service_account=settings.worker_service_account,
        env=settings.worker_env,
        metrics_port=settings.metrics_port,
        template=settings.worker_template,
    )
