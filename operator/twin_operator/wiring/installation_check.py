"""Asks every part of an installation whether it is there."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from redis.asyncio import Redis

from twin_operator.adapters.kubernetes_api.client import ApiError, KubernetesApi, load_configuration
from twin_operator.adapters.kubernetes_api.typed_resources import parse
from twin_operator.api.v1alpha1 import API_VERSION, WorkerPool
from twin_operator.services.installation import Finding, Leader, of_leader, of_pools, of_redis
from twin_operator.settings import Settings

LEASE_SECONDS: Final = 15  # where the Lease does not say: the default of client-go
PATIENCE: Final = 5.0  # seconds for one answer: the whole check is repeated


async def look(settings: Settings) -> list[Finding]:
    """Return a finding for each part, whatever does not answer."""
    parts: dict[str, Callable[[Settings], Awaitable[list[Finding]]]] = {
        "Redis": _redis,
        "MLflow": _mlflow,
        "Kubernetes": _kubernetes,
    }
    return [finding for part, ask in parts.items() for finding in await _asked(part, ask, settings)]


async def _asked(part: str, ask: Callable[[Settings], Awaitable[list[Finding]]], settings: Settings) -> list[Finding]:
    try:
        return await ask(settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return [Finding(part, False, f"It does not answer: {error or type(error).__name__}")]


async def _redis(settings: Settings) -> list[Finding]:
    async with Redis.from_url(settings.redis_url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE) as redis:
        memory = await redis.info("memory")
    return [of_redis(str(memory["maxmemory_policy"]))]


async def _mlflow(settings: Settings) -> list[Finding]:
    url = f"{settings.mlflow_tracking_uri.rstrip('/')}/health"
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        well = answer.ok
    return [Finding("MLflow", well, "It answers." if well else f"{url} answered {answer.status}.")]


async def _kubernetes(settings: Settings) -> list[Finding]:
    api = KubernetesApi(await load_configuration())
    try:
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{settings.namespace}/leases/{settings.lease_name}"
        pools = f"/apis/{API_VERSION}/namespaces/{settings.namespace}/workerpools"
        leader = of_leader(leader_of(await _get_or_none(api, lease)), datetime.now(UTC))
        return [leader, *of_pools([parse(WorkerPool, body) async for body in api.items(pools)])]
    finally:
        await api.close()


def leader_of(lease: Mapping[str, Any] | None) -> Leader | None:
    """Return who holds a Lease, or None."""
    spec = (lease or {}).get("spec") or {}
    holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
    if not holder or not renewed:
        return None
    return Leader(holder, datetime.fromisoformat(renewed), spec.get("leaseDurationSeconds", LEASE_SECONDS))


async def _get_or_none(api: KubernetesApi, path: str) -> dict[str, object] | None:
    try:
        return await api.get(path)
    except ApiError as error:
        if error.status == 404:  # noqa: PLR2004 - HTTP: not found
            return None
        raise
