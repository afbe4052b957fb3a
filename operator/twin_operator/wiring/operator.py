"""The operator's controllers and loops, built on ports."""

from collections.abc import Callable

from twin_operator.adapters.kubernetes_api.typed_resources import TypedResources
from twin_operator.adapters.metrics.operator import OperatorMetrics
from twin_operator.services.archive.archiving import ArchiveAccess, Archiving
from twin_operator.services.operator import FinishedSimulations, OperatorLoop, ReconcileRequests
from twin_operator.services.outcomes.backfill import Backfill
from twin_operator.services.outcomes.grading import Outcomes
from twin_operator.services.outcomes.ledger import Ledger
from twin_operator.services.pools.pool_index import PoolIndex
from twin_operator.services.pools.reconciler import Deployer, PoolReconciler
from twin_operator.services.pools.scaler import Scaler
from twin_operator.services.reconciling.metrics import BrokerWatch
from twin_operator.services.reconciling.task_publication import TaskPublication
from twin_operator.services.reconciling.window import Bound, PublicationWindow, QueueLimits
from twin_operator.services.registered_models import RegisteredModels
from twin_operator.services.retraining.controller import JobReconciler
from twin_operator.services.runs.spans import RunTraces
from twin_operator.services.runs.tracing import Tracer
from twin_operator.services.simulations.expiry import Expiry
from twin_operator.services.simulations.model_changes import ModelChanges
from twin_operator.services.simulations.results import ResultsLoop
from twin_operator.services.twin_models.controller import ModelReconciler
from twin_operator.services.twin_models.data_checks import DataChecks
from twin_operator.services.twin_models.registry_upkeep import RegistryUpkeep
from twin_operator.services.twin_models.upkeep_controller import UpkeepController
from twin_operator.services.versions import Twins
from twin_operator.settings import Settings
from twin_operator.wiring.operator_ports import OperatorPorts, Shared
from twin_operator.wiring.simulations import build_reception, build_simulations
from twin_operator.wiring.worker_pods import template_allowance, worker_defaults


def build_requests(settings: Settings, metrics: OperatorMetrics) -> ReconcileRequests:
    """Return what collects requests to reconcile; the queue reports to it what was published."""
    pools = PoolIndex({settings.namespace, *settings.pool_namespaces}, metrics.pools.forget_pool)
    return ReconcileRequests(pools, metrics.models)


def assemble(
    settings: Settings,
    ports: OperatorPorts,
    requests: ReconcileRequests,
    cluster: str,
    metrics: OperatorMetrics,
    tracer: Tracer,
    clock: Callable[[], float],
) -> OperatorLoop:
    """Build the controllers on ports, each after those that it depends on.

    Args:
        settings: intervals and limits.
        ports: the world.
        requests: collects requests to reconcile.
        cluster: uid of the cluster.
        metrics: of the operator.
        tracer: records spans.
        clock: seconds since the epoch.
    """
    versions, archive, typed = ports.versions, ports.archive, TypedResources(ports.resources)
    access = ArchiveAccess(requests.archive_changed)
    ledger = Ledger(archive, access, cluster, requests.outcomes.set)
    traces, tasks = RunTraces(tracer, clock), _tasks(settings, ports, requests, clock)
    shared = Shared(settings, ports, requests, cluster, metrics, clock, typed, tasks, access, ledger, traces)
    registered = RegisteredModels(versions, cluster, clock, requests.model)
    twins = Twins(versions, ledger.outcomes, registered.refusal)
    registry = RegistryUpkeep(versions, twins, clock, requests.model)
    archiving = Archiving(archive, access, ports.outbox, typed, cluster, clock, metrics.models.archive_waiting)
    outcomes = _outcomes(shared, twins, registered)
    backfill = Backfill(archive, access, ledger, typed, cluster, settings.resync_seconds)
    finished = FinishedSimulations(Expiry(typed, archiving.known, clock), archiving, outcomes)
    simulations = build_simulations(shared, twins, registry, finished)
    changes = ModelChanges(twins, simulations, metrics.models)
    upkeep = _upkeep(shared, twins)
    models = _models(shared, registered, registry, upkeep, changes)
    return OperatorLoop(
        requests=requests,
        reception=build_reception(shared, simulations),
        simulations=simulations,
        changes=changes,
        models=models,
        upkeep=upkeep,
        jobs=_jobs(shared, registered, upkeep, models),
        pools=_pools(shared, simulations.publication.window, shared.tasks.window),
        outcomes=outcomes,
        archiving=archiving,
        backfill=backfill,
        results=ResultsLoop(ports.queue, simulations, requests.object),
        expiry=finished.expiry,
        resources=typed,
        meters=metrics.models,
        process=metrics.process,
        broker=BrokerWatch(ports.keep_redis, metrics.process),
        dead_letters=ports.dead_letters,
        resync_seconds=settings.resync_seconds,
        clock=clock,
    )


def _tasks(
    settings: Settings, ports: OperatorPorts, requests: ReconcileRequests, clock: Callable[[], float]
) -> TaskPublication:
    runs, of_namespace = settings.published_trainings_per_queue, settings.published_trainings_per_namespace
    size = settings.published_bytes_per_queue
    limits = QueueLimits(queue=Bound(runs, size), namespace=Bound(of_namespace, size * of_namespace // runs))
    return TaskPublication(ports.queue, PublicationWindow(limits), clock, requests.object)


def _outcomes(shared: Shared, twins: Twins, registered: RegisteredModels) -> Outcomes:
    return Outcomes(
        archive=shared.ports.archive,
        access=shared.access,
        ledger=shared.ledger,
        resources=shared.resources,
        cluster=shared.cluster,
        meters=shared.metrics.models,
        clock=shared.clock,
        weights_in_memory=twins.weights_in_memory,
        is_of_twin=registered.holds,
        graded=shared.requests.model,
    )


def _upkeep(shared: Shared, twins: Twins) -> UpkeepController:
    interval, served = shared.settings.data_watch_seconds, shared.requests.pools.serves
    return UpkeepController(
        resources=shared.resources,
        twins=twins,
        ledger=shared.ledger,
        access=shared.access,
        data_checks=DataChecks(shared.ports.queue, shared.tasks, served, interval, shared.clock),
        meters=shared.metrics.models,
        clock=shared.clock,
    )


def _models(
    shared: Shared,
    registered: RegisteredModels,
    registry: RegistryUpkeep,
    upkeep: UpkeepController,
    changes: ModelChanges,
) -> ModelReconciler:
    return ModelReconciler(
        queue=shared.ports.queue,
        tasks=shared.tasks,
        resources=shared.resources,
        versions=shared.ports.versions,
        upkeep=upkeep,
        registry=registry,
        registered=registered,
        meters=shared.metrics.models,
        cluster=shared.cluster,
        clock=shared.clock,
        retry_seconds=shared.settings.data_retry_seconds,
        changed=changes.written,
        mark=shared.requests.model,
        on_trace=shared.traces.training_ended,
        served=shared.requests.pools.serves,
    )


def _jobs(
    shared: Shared, registered: RegisteredModels, upkeep: UpkeepController, models: ModelReconciler
) -> JobReconciler:
    return JobReconciler(
        queue=shared.ports.queue,
        tasks=shared.tasks,
        resources=shared.resources,
        versions=shared.ports.versions,
        registered=registered,
        serving=upkeep,
        archive=shared.ports.archive,
        access=shared.access,
        meters=shared.metrics.models,
        cluster=shared.cluster,
        clock=shared.clock,
        promoted=models.champion_moved,
        on_trace=shared.traces.job_ended,
        served=shared.requests.pools.serves,
    )


def _pools(shared: Shared, *windows: PublicationWindow) -> PoolReconciler:
    return PoolReconciler(
        resources=shared.resources,
        workloads=shared.ports.workloads,
        loads=shared.ports.loads,
        unpublished=lambda queue: sum(window.waiting(queue) for window in windows),
        index=shared.requests.pools,
        deployer=_deployer(shared),
        scaler=Scaler(shared.ports.loads, shared.ports.workloads),
        meters=shared.metrics.pools,
        clock=shared.clock,
    )


def _deployer(shared: Shared) -> Deployer:
    return Deployer(
        resources=shared.resources,
        workloads=shared.ports.workloads,
        defaults=worker_defaults(shared.settings),
        allowance=template_allowance(shared.settings),
        clock=shared.clock,
    )
