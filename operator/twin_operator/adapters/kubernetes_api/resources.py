"""The operator's custom resources in the API server: reads, writes of status, Events, a watch by selector.

kopf has one watch a resource; `Following` is for a second selection of the same one.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from itertools import product
from typing import Final

import aiohttp

from twin_operator.adapters.kubernetes_api.client import JSON, PAGE, ApiError, KubernetesApi, segment
from twin_operator.api.v1alpha1 import API_VERSION, PLURALS
from twin_operator.api.v1alpha1.fields import visible
from twin_operator.services.reconciling.ports import Changed, Event, FinishedObject, Gone, GradedObject, Refused
from twin_operator.services.reconciling.queue import exponential_backoff
from twin_operator.services.runs.credentials import without_credentials

logger = logging.getLogger(__name__)
LONGEST_WAIT: Final = 15.0  # seconds between two attempts to restart a watch that failed
CAME: Final = frozenset({"ADDED", "MODIFIED"})
ROOT: Final = f"/apis/{API_VERSION}"
FINISHED: Final = "status.phase=Succeeded", "status.phase=Failed"
GRADED: Final = "status.phase=Succeeded,status.fidelity.grade!="


@dataclass
class Following:
    """One collection, followed.

    Args:
        api: the client.
        path: of the collection.
        selector: a field selector; what stops matching comes as deleted and is ignored here.
        seen: called with each object that matches.
    """

    api: KubernetesApi
    path: str
    selector: str
    seen: Callable[[JSON], None]
    _random: random.Random = field(default_factory=random.Random)

    async def run(self) -> None:
        """Follow until cancelled."""
        version, failures = "", 0
        while True:
            try:
                version = version or await self._list()
                version = await self._watch(version)
                failures = 0
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                if isinstance(error, ApiError) and error.status == HTTPStatus.GONE:
                    logger.debug("The watch of %s is too far behind; it lists again.", self.path)
                else:
                    logger.warning("The watch of %s failed and is restarted: %s", self.path, error)
                version, failures = "", failures + 1
                await asyncio.sleep(self._random.uniform(0.1, exponential_backoff(failures + 1, 0.5, LONGEST_WAIT)))

    async def _list(self) -> str:
        """See everything there is; return the resource version from which to watch."""
        query = {"limit": str(PAGE), "fieldSelector": self.selector}
        while True:
            page = await self.api.get(self.path, **query)
            for item in page.get("items", ()):
                self.seen({"apiVersion": page["apiVersion"], "kind": page["kind"].removesuffix("List"), **item})
            meta = page["metadata"]
            if not meta.get("continue"):
                return str(meta["resourceVersion"])
            query["continue"] = meta["continue"]

    async def _watch(self, version: str) -> str:
        async for kind, body in self.api.watch(
            self.path, version, fieldSelector=self.selector, allowWatchBookmarks="true"
        ):
            version = body["metadata"]["resourceVersion"]
            if kind in CAME:
                self.seen(body)
        return version


@dataclass(frozen=True)
class ClusterResources:
    """Objects as the use cases ask for them.

    Args:
        api: the client.
        namespaces: those that are watched; empty: the whole cluster.
    """

    api: KubernetesApi
    namespaces: Sequence[str] = ()

    async def read(self, kind: str, namespace: str, name: str) -> JSON:
        """Return an object.

        Raises:
            Gone: there is none of this name.
        """
        try:
            return await self.api.get(_path(kind, namespace, name))
        except ApiError as error:
            raise port_error(error) from error

    async def write_status(self, kind: str, body: JSON, status: JSON) -> JSON:
        """Merge `status` into an object as it was last seen.

        The resource version goes along, since the status subresource ignores a wrong uid: without it a patch
        could land on a new object of the same name.

        Raises:
            Gone: it is not there any more.
            Changed: it was changed since.
            Refused: the schema does not take this status.
        """
        meta = body["metadata"]
        patch = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "status": status}
        try:
            return await self.api.merge(f"{_path(kind, meta['namespace'], meta['name'])}/status", patch)
        except ApiError as error:
            raise port_error(error) from error

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete an object if it still is the one with this uid."""
        await self.api.delete(_path(kind, namespace, name), uid)

    async def create(self, kind: str, body: JSON) -> JSON:
        """Create an object.

        Raises:
            Changed: there is one of this name.
            Refused: the schema or a policy does not take it.
        """
        try:
            return await self.api.create(_collection(kind, body["metadata"]["namespace"]), body)
        except ApiError as error:
            raise port_error(error) from error

    async def of_model(self, kind: str, namespace: str, model: str) -> list[JSON]:
        """Return the objects of a TwinModel."""
        selector = f"spec.modelRef.name={model}"
        return [item async for item in self.api.items(_collection(kind, namespace), fieldSelector=selector)]

    async def finished(self, kind: str) -> AsyncIterator[FinishedObject]:
        """Yield what has ended, read as a table in pages: the printed columns have all that is wanted of it."""
        for path, selector in product(self._collections(kind), FINISHED):
            async for meta, cells in self.api.rows(path, fieldSelector=selector):
                ttl, done = cells.get("TTL"), cells.get("Completed")
                if done:
                    yield FinishedObject(
                        meta["namespace"], meta["name"], meta["uid"], str(done), None if ttl is None else int(ttl)
                    )

    async def graded(self) -> AsyncIterator[GradedObject]:
        """Yield the Simulations that are graded, read as a table in pages."""
        for path in self._collections("Simulation"):
            async for meta, cells in self.api.rows(path, fieldSelector=GRADED):
                model, completed = str(cells["Model"]), str(cells.get("Completed") or "")
                yield GradedObject(meta["namespace"], meta["name"], meta["uid"], model, completed)

    async def graded_simulations(self) -> AsyncIterator[JSON]:
        """Yield the Simulations that are graded, read in pages."""
        for path in self._collections("Simulation"):
            async for item in self.api.items(path, fieldSelector=GRADED):
                yield item

    async def follow(self, kind: str, selector: str, seen: Callable[[JSON], None]) -> None:
        """Call `seen` with each object that a field selector matches, now and later; run until cancelled."""
        async with asyncio.TaskGroup() as group:
            for path in self._collections(kind):
                group.create_task(Following(self.api, path, selector, seen).run())

    async def emit(self, event: Event) -> None:
        """Emit an Event, once for the same occasion; one that cannot be written is logged, and work goes on."""
        namespace = event.regarding.namespace
        try:
            await self.api.create(
                f"/apis/events.k8s.io/v1/namespaces/{segment(namespace)}/events", event_manifest(event)
            )
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                logger.warning("Event %s of %s: %s", event.reason, event.regarding.name, error)

    def _collections(self, kind: str) -> list[str]:
        plural = PLURALS[kind]
        return [f"{ROOT}/namespaces/{name}/{plural}" for name in self.namespaces] or [f"{ROOT}/{plural}"]

    async def cluster_uid(self) -> str:
        """Return the uid of namespace kube-system, which identifies the cluster."""
        return str((await self.api.get("/api/v1/namespaces/kube-system"))["metadata"]["uid"])


def _collection(kind: str, namespace: str) -> str:
    return f"{ROOT}/namespaces/{segment(namespace)}/{PLURALS[kind]}"


def _path(kind: str, namespace: str, name: str) -> str:
    return f"{_collection(kind, namespace)}/{segment(name)}"


def port_error(error: ApiError) -> Exception:
    """Return the error that the ports name, where they have one for this answer of the API server."""
    match error.status:
        case HTTPStatus.NOT_FOUND:
            return Gone(error.message)
        case HTTPStatus.CONFLICT:
            return Changed(error.message)
        case HTTPStatus.UNPROCESSABLE_ENTITY | HTTPStatus.BAD_REQUEST:
            return Refused(error.message)
        case _:
            return error


CONTROLLER: Final = "twinops.dev/twin-operator"


NOTE_LIMIT: Final = 1024  # bytes of an Event's note, as the API has it


NAME_LIMIT: Final = 230  # characters of the object's name in the Event's own, which has 253


def event_manifest(event: Event) -> JSON:
    """Return the manifest; its name is the same for the same occasion."""
    regarding = event.regarding
    content = f"{regarding.uid}\n{event.reason}\n{event.occasion}"
    identity = sha256(content.encode()).hexdigest()[:16]
    name = f"{regarding.name[:NAME_LIMIT].rstrip('.-')}.{identity}"
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": regarding.namespace},
        "eventTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "reportingController": CONTROLLER,
        "reportingInstance": "twin-operator",
        "action": event.reason,
        "reason": event.reason,
        "type": "Warning" if event.warning else "Normal",
        "note": visible(without_credentials(event.message)).encode()[:NOTE_LIMIT].decode(errors="ignore"),
        "regarding": {
            "apiVersion": regarding.api_version,
            "kind": regarding.kind,
            "namespace": regarding.namespace,
            "name": regarding.name,
            "uid": regarding.uid,
        },
    }
