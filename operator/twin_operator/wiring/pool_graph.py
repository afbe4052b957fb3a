"""What reconciles WorkerPools."""

from collections.abc import Callable

from twin_operator.adapters.metrics.pools import PoolMetrics
from twin_operator.services.pools.deploying import Deploying
from twin_operator.services.pools.manifest import WorkerDefaults
from twin_operator.services.pools.pool_index import KnownPools
from twin_operator.services.pools.ports import QueueLoads, WorkerPods
from twin_operator.services.pools.reconciler import PoolReconciler
from twin_operator.services.pools.scaler import Scaler
from twin_operator.services.reconciling.ports import Resources
from twin_operator.settings import Settings


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
