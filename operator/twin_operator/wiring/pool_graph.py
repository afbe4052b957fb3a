"""What reconciles WorkerPools."""

from collections.abc import Callable

from redis.asyncio import Redis

from twin_operator.adapters.kubernetes_api.client import KubernetesApi
from twin_operator.adapters.kubernetes_api.resources import ClusterResources
from twin_operator.adapters.kubernetes_api.worker_pods import ClusterPods
from twin_operator.adapters.pool_metrics import PoolMetrics
from twin_operator.adapters.redis_queue.loads import Loads
from twin_operator.services.pools.deploying import Deploying
from twin_operator.services.pools.known import KnownPools
from twin_operator.services.pools.manifest import WorkerDefaults
from twin_operator.services.pools.reconciler import PoolReconciler
from twin_operator.services.pools.scaler import Scaler
from twin_operator.settings import Settings


def build_pools(
    settings: Settings,
    resources: ClusterResources,
    api: KubernetesApi,
    looking: Redis,
    meters: PoolMetrics,
    clock: Callable[[], float],
) -> PoolReconciler:
    """Return the reconciler; `looking` is a connection that gives up soon."""
    known = KnownPools(frozenset([settings.namespace, *settings.pool_namespaces]), meters.forget_pool)
    deploying = Deploying(resources, worker_defaults(settings), clock)
    return PoolReconciler(resources, known, deploying, Scaler(Loads(looking), ClusterPods(api)), meters, clock)


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
