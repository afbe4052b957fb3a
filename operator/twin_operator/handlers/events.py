"""Watches: `on.event` only, so that no finalizer, annotation or storage of kopf touches an object.

Handlers of events need neither the last handled state of an object nor the progress of its handlers: kopf's storages
are replaced by ones that keep nothing, else kopf would copy each body for each event.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import kopf

from twin_operator.adapters.kubernetes_api.client import KubernetesApi
from twin_operator.adapters.kubernetes_api.typed_resources import parse, unreadable_event
from twin_operator.adapters.kubernetes_api.workloads import deployment_view
from twin_operator.api.v1alpha1 import GROUP, VERSION, Resource, RetrainingJob, Simulation, TwinModel, WorkerPool
from twin_operator.services.operator import OperatorLoop
from twin_operator.services.reconciling.ports import Unreadable

logger = logging.getLogger(__name__)
R = TypeVar("R", bound=Resource)
WATCHES: Final = 4  # of the four kinds, each for every watched namespace
SPARE: Final = 16  # connections besides those of watches, for lists
UNFINISHED: Final = "status.phase!=Succeeded,status.phase!=Failed"
OWNED: Final = {"twinops.dev/pool": kopf.PRESENT}


class NoDiffBase(kopf.DiffBaseStorage):
    """Knows no last handled state."""

    def build(
        self,
        *,
        body: kopf.Body,  # noqa: ARG002 - kopf's names
        extra_fields: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> kopf.BodyEssence:
        """Return nothing of the body: it is not compared with an earlier one."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return nothing: nothing was stored."""

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Knows no progress of handlers."""

    def fetch(self, *, key: Any, body: kopf.Body) -> kopf.ProgressRecord | None:  # noqa: ANN401 - its type is not public
        """Return nothing: nothing was stored."""

    def store(self, *, key: Any, record: kopf.ProgressRecord, body: kopf.Body, patch: kopf.Patch) -> None:  # noqa: ANN401
        """Store nothing."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:  # noqa: ANN401
        """Remove nothing."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Leave the object as it is."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Return what was given, without a copy: nothing changes it."""
        return essence


def register(registry: kopf.OperatorRegistry, loop: OperatorLoop, api: KubernetesApi, namespaces: int) -> None:
    """Register a handler a kind, and how kopf reaches the API server; `namespaces` are watched, or the cluster (0)."""
    _register_login(registry, api, WATCHES * max(1, namespaces))

    @kopf.on.event(GROUP, VERSION, "simulations", registry=registry)
    async def simulation(event: kopf.RawEvent, **_: Any) -> None:  # noqa: ANN401 - kopf's names
        body, deleted = event["object"], event["type"] == "DELETED"  # there are many: a kopf.Body is slower to parse
        seen = await _read(loop, Simulation, body)
        if seen is not None:
            await loop.simulation_seen(seen, deleted=deleted)
        elif deleted:
            await loop.simulations.deleted(body["metadata"]["uid"])

    @kopf.on.event(GROUP, VERSION, "twinmodels", registry=registry)
    async def twin_model(body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002, ANN401
        await _deliver(loop, TwinModel, body, partial(loop.model_seen, deleted=type == "DELETED"))

    @kopf.on.event(GROUP, VERSION, "workerpools", registry=registry)
    async def worker_pool(body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002, ANN401
        await _deliver(loop, WorkerPool, body, partial(loop.pool_seen, deleted=type == "DELETED"))

    @kopf.on.event(GROUP, VERSION, "retrainingjobs", registry=registry)
    async def retraining_job(body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002, ANN401
        await _deliver(loop, RetrainingJob, body, partial(loop.job_seen, deleted=type == "DELETED"))


def register_deployments(
    registry: kopf.OperatorRegistry, loop: OperatorLoop, api: KubernetesApi, namespaces: int
) -> None:
    """Register the handler of Deployments of pools, which are watched in the `namespaces` of pools and in no others."""
    _register_login(registry, api, namespaces)

    @kopf.on.event("apps", "v1", "deployments", labels=OWNED, registry=registry)
    async def deployment(body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002, ANN401
        loop.deployment_seen(deployment_view(body), deleted=type == "DELETED")


def _register_login(registry: kopf.OperatorRegistry, api: KubernetesApi, watches: int) -> None:
    """Have kopf reach the API server as the rest of the operator does.

    Connections are bounded, which saves memory, but each watch holds one.
    """

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:  # noqa: ANN401 - kopf's names
        session = await api.session_for(watches + SPARE)
        return kopf.AiohttpSession(server=api.configuration.host, aiohttp_session=session)


async def _read(loop: OperatorLoop, kind: type[R], body: Mapping[str, Any]) -> R | None:
    """Return an object as its model; log it, and emit an Event about it, where this release cannot read it."""
    try:
        return parse(kind, body)
    except Unreadable as error:
        logger.warning("%s", error)
        await loop.resources.emit(unreadable_event(kind, body, error))
        return None


async def _deliver(loop: OperatorLoop, kind: type[R], body: kopf.Body, take: Callable[[R], None]) -> None:
    resource = await _read(loop, kind, body)
    if resource is not None:
        take(resource)


def settings() -> kopf.OperatorSettings:
    """Return kopf's settings: nothing kept, quick queues, patient networking."""
    chosen = kopf.OperatorSettings()
    chosen.watching.field_selectors["simulations"] = UNFINISHED
    chosen.watching.chunk_size = 500
    chosen.watching.reconnect_backoff = 0.5
    chosen.queueing.idle_timeout = 0.3
    chosen.queueing.exit_timeout = 10
    chosen.networking.request_timeout = 60
    chosen.networking.connect_timeout = 10
    chosen.networking.error_backoffs = [0.2, 0.5, 1, 2, 5, 10, 15, 15, 15, 15]
    chosen.persistence.diffbase_storage = NoDiffBase()
    chosen.persistence.progress_storage = NoProgress()
    chosen.posting.enabled = False
    chosen.peering.standalone = True
    chosen.scanning.disabled = True
    return chosen
