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

from twin_operator.adapters.kubernetes_api.client import KubernetesApi
from twin_operator.adapters.kubernetes_api.resources import ClusterResources
from twin_operator.adapters.kubernetes_api.typed_resources import JSONResources, TypedResources
from twin_operator.adapters.kubernetes_api.workloads import ClusterWorkloads
from twin_operator.adapters.leader_lease import LeaderLease
from twin_operator.adapters.metrics import ProcessMetrics
from twin_operator.adapters.metrics.operator import OperatorMetrics
from twin_operator.adapters.mlflow_rest.api import MlflowApi
from twin_operator.adapters.mlflow_rest.versions import RestVersions
from twin_operator.adapters.redis_queue.dead_letters import count_dead_letters
from twin_operator.adapters.redis_queue.loads import Loads
from twin_operator.adapters.redis_queue.outbox import Outbox as RedisOutbox
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.services.archive.archiving import ArchiveAccess, Archiving, Outbox
from twin_operator.services.archive.ports import Archive
from twin_operator.services.operator import FinishedSimulations, ModelChanges, OperatorLoop, ReconcileRequests
from twin_operator.services.outcomes.backfill import Backfill
from twin_operator.services.outcomes.grading import Outcomes
from twin_operator.services.outcomes.ledger import Ledger
from twin_operator.services.pools.manifest import WorkerDefaults
from twin_operator.services.pools.pool_index import PoolIndex
from twin_operator.services.pools.ports import QueueLoads, Workloads
from twin_operator.services.pools.reconciler import Deployer, PoolReconciler
from twin_operator.services.pools.scaler import Scaler
from twin_operator.services.reconciling.metrics import BrokerWatch
from twin_operator.services.reconciling.ports import RunQueue, Versions
from twin_operator.services.reconciling.queue import Pace
from twin_operator.services.registered_models import RegisteredModels
from twin_operator.services.retraining.controller import JobReconciler
from twin_operator.services.runs.spans import RunTraces
from twin_operator.services.runs.tracing import Tracer
from twin_operator.services.simulations.answers import Answers
from twin_operator.services.simulations.controller import Simulations
from twin_operator.services.simulations.expiry import Expiry
from twin_operator.services.simulations.results import ResultsLoop
from twin_operator.services.twin_models.controller import ModelReconciler
from twin_operator.services.twin_models.data_checks import DataChecks
from twin_operator.services.twin_models.registry_upkeep import RegistryUpkeep
from twin_operator.services.twin_models.upkeep_controller import UpkeepController
from twin_operator.services.versions import Twins
from twin_operator.settings import Settings
from twin_operator.wiring.connections import build_queue, looking_redis, mlflow_server, operator_redis
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
        workloads: Deployments and Pods of WorkerPools.
        ping: answers while Redis does.
        dead_letters: counts dead letters.
    """

    queue: RunQueue
    resources: JSONResources
    versions: Versions
    archive: Archive
    outbox: Outbox
    loads: QueueLoads
    workloads: Workloads
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
    cluster = await resources.cluster_uid()
    tracer, archive = build_tracer(settings, "twin-operator"), SqlArchive(settings.archive_url, cluster)
    metrics = OperatorMetrics.of(registry, process)
    requests = build_requests(settings, metrics)
    mlflow = MlflowApi(mlflow_server(settings), lease.wait_until_renewed)
    ports = OperatorPorts(
        queue=build_queue(redis, settings, tracer, requests.published),
        resources=resources,
        versions=RestVersions(mlflow, clock),
        archive=archive,
        outbox=RedisOutbox(redis),
        loads=Loads(looking),
        workloads=ClusterWorkloads(api),
        ping=redis.ping,
        dead_letters=partial(count_dead_letters, redis),
    )
    loop = assemble(settings, ports, requests, cluster, metrics, tracer, clock)
    return OperatorGraph(loop, lease, api, redis, looking, mlflow, archive, tracer)


def build_requests(settings: Settings, metrics: OperatorMetrics) -> ReconcileRequests:
    """Return what collects requests to reconcile; the queue reports to it what was published."""
    namespaces = frozenset([settings.namespace, *settings.pool_namespaces])
    return ReconcileRequests(PoolIndex(namespaces, metrics.pools.forget_pool), metrics.models)


def assemble(
    settings: Settings,
    ports: OperatorPorts,
    requests: ReconcileRequests,
    cluster: str,
    metrics: OperatorMetrics,
    tracer: Tracer,
    clock: Callable[[], float],
) -> OperatorLoop:
    """Build the controllers on ports, from those that ask nobody to those that ask others; nothing is called yet.

    Args:
        settings: intervals and limits.
        ports: the world.
        requests: collects requests to reconcile.
        cluster: uid of the cluster.
        metrics: of the operator.
        tracer: records spans.
        clock: seconds since the epoch.
    """
    queue, resources, versions, archive = ports.queue, ports.resources, ports.versions, ports.archive
    meters, served, traces = metrics.models, requests.pools.serves, RunTraces(tracer, clock)
    typed = TypedResources(resources)
    access = ArchiveAccess(requests.archive_changed)
    ledger = Ledger(archive, access, cluster)
    registered = RegisteredModels(versions, cluster, clock, requests.model)
    twins = Twins(versions, ledger.outcomes, registered.refusal)
    archiving = Archiving(archive, access, ports.outbox, typed, cluster, clock, meters.archive_waiting)
    outcomes = Outcomes(
        archive,
        access,
        ledger,
        typed,
        cluster,
        meters,
        clock,
        twins.weights_in_memory,
        registered.holds,
        requests.model,
    )
    backfill = Backfill(archive, access, ledger, typed, cluster, settings.resync_seconds, requests.everything)
    finished = FinishedSimulations(Expiry(typed, archiving.known, clock), archiving, outcomes)
    answers = Answers(
        resources=typed,
        pace=Pace(settings.second_writes_per_second),
        clock=clock,
        meters=metrics.simulations,
        twins=twins,
        on_finish=finished.take,
        on_trace=traces.simulation_ended,
    )
    registry = RegistryUpkeep(versions, twins, clock, requests.model)
    simulations = Simulations(
        queue=queue,
        resources=typed,
        twins=twins,
        answers=answers,
        clock=clock,
        second_write_seconds=settings.second_write_seconds,
        meters=metrics.simulations,
        on_weights=archiving.weights,
        served=served,
        version_gone=registry.version_gone,
    )
    metrics.simulations.follow(simulations.unfinished, simulations.oldest)
    changes = ModelChanges(twins, simulations, meters)
    data_checks = DataChecks(queue, settings.data_watch_seconds, clock)
    upkeep = UpkeepController(typed, twins, ledger, access, backfill.missing, data_checks, meters, clock)
    models = ModelReconciler(
        queue=queue,
        resources=typed,
        versions=versions,
        upkeep=upkeep,
        registry=registry,
        registered=registered,
        meters=meters,
        cluster=cluster,
        clock=clock,
        retry_seconds=settings.data_retry_seconds,
        changed=changes.written,
        mark=requests.model,
        on_trace=traces.training_ended,
        served=served,
    )
    jobs = JobReconciler(
        queue=queue,
        resources=typed,
        versions=versions,
        registered=registered,
        serving=upkeep,
        archive=archive,
        access=access,
        meters=meters,
        cluster=cluster,
        clock=clock,
        promoted=models.champion_moved,
        on_trace=traces.job_ended,
        served=served,
    )
    return OperatorLoop(
        requests=requests,
        simulations=simulations,
        changes=changes,
        models=models,
        upkeep=upkeep,
        jobs=jobs,
        pools=PoolReconciler(
            resources=typed,
            workloads=ports.workloads,
            loads=ports.loads,
            index=requests.pools,
            deployer=Deployer(typed, ports.workloads, worker_defaults(settings), clock),
            scaler=Scaler(ports.loads, ports.workloads),
            meters=metrics.pools,
            clock=clock,
        ),
        outcomes=outcomes,
        archiving=archiving,
        backfill=backfill,
        results=ResultsLoop(queue, simulations, requests.object),
        expiry=finished.expiry,
        resources=typed,
        meters=meters,
        process=metrics.process,
        broker=BrokerWatch(ports.ping, metrics.process),
        dead_letters=ports.dead_letters,
        resync_seconds=settings.resync_seconds,
        clock=clock,
    )


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
