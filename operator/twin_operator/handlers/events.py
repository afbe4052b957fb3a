"""Watches: `on.event` only, so that no finalizer, annotation or storage of kopf touches an object.

Handlers of events need neither the last handled state of an object nor the progress of its handlers: kopf's storages
are replaced by ones that keep nothing, else kopf would copy each body for each event.
"""

from collections.abc import Iterable
from typing import Any, Final

import kopf

from twin_operator.adapters.kubernetes_api.client import KubernetesApi
from twin_operator.adapters.kubernetes_api.typed_resources import parse
from twin_operator.adapters.kubernetes_api.workloads import deployment_view
from twin_operator.api.v1alpha1 import GROUP, VERSION, RetrainingJob, Simulation, TwinModel, WorkerPool
from twin_operator.services.operator import OperatorLoop

WATCHES: Final = 5  # the four kinds and the Deployments of pools, each for every watched namespace
SPARE: Final = 16  # connections beside the watches, for lists
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
        """Return nothing of the body: there is nothing to compare."""
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
    """Register a handler a kind, and how kopf reaches the API server: as the rest of the operator does.

    Connections are bounded, which saves memory, but each watch holds one: `namespaces` are watched, or the cluster.
    """

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:  # noqa: ANN401 - kopf's names
        session = await api.session_for(WATCHES * max(1, namespaces) + SPARE)
        return kopf.AiohttpSession(server=api.configuration.host, aiohttp_session=session)

    @kopf.on.event(GROUP, VERSION, "simulations", registry=registry)
    async def simulation(body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002, ANN401 - kopf's names
        await loop.simulation_seen(parse(Simulation, body), deleted=type == "DELETED")

    @kopf.on.event(GROUP, VERSION, "twinmodels", registry=registry)
    async def twin_model(body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002, ANN401
        loop.model_seen(parse(TwinModel, dict(body)), deleted=type == "DELETED")

    @kopf.on.event(GROUP, VERSION, "workerpools", registry=registry)
    async def worker_pool(body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002, ANN401
        loop.pool_seen(parse(WorkerPool, body), deleted=type == "DELETED")

    @kopf.on.event(GROUP, VERSION, "retrainingjobs", registry=registry)
    async def retraining_job(body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002, ANN401
        loop.job_seen(parse(RetrainingJob, dict(body)), deleted=type == "DELETED")

    @kopf.on.event("apps", "v1", "deployments", labels=OWNED, registry=registry)
    async def deployment(body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002, ANN401
        loop.deployment_seen(deployment_view(body), deleted=type == "DELETED")


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
