"""The cluster in memory: the port `JSONResources` on an API server without a network."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from tests.fakes.api_server import ApiServer, Invalid, Policy, selectable
from tests.fakes.emitted import Emitted
from tests.fakes.object_store import Watch, key_of
from tests.fakes.selectors import matches_fields
from twin_operator.adapters.kubernetes_api.client import ApiError
from twin_operator.adapters.kubernetes_api.resources import CAME, FINISHED, GRADED, event_manifest
from twin_operator.services.reconciling.ports import Event, FinishedObject, Gone, GradedObject
from twin_operator.services.runs.run import JSON

__all__ = ["InMemoryCluster", "Invalid", "Policy", "Watch", "Write"]

Answer = TypeVar("Answer")
CLUSTER_UID: Final = "c1a57e40-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Write:
    """A write of the operator that the API server took, also one that changed nothing.

    Attributes:
        verb: create, patch, apply or delete.
        subresource: status, or empty.
    """

    verb: str
    kind: str
    namespace: str
    name: str
    subresource: str = ""


@dataclass
class InMemoryCluster(ApiServer):
    """The API server for the operator; for users of the cluster it has the methods of `ApiServer`.

    Each request gives way to other coroutines before and after it takes effect, as one over a network does.

    Attributes:
        events: Events that were emitted, each occasion once.
        writes: writes of the operator, in order.
        reachable: whether the API server answers the operator.
        emitted: takes each status that the operator writes.
    """

    events: list[Event] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    reachable: bool = True
    emitted: Emitted = field(default_factory=Emitted)
    _event_names: set[tuple[str, str]] = field(default_factory=set)

    async def read(self, kind: str, namespace: str, name: str) -> JSON:
        """Return an object; raise `Gone`."""
        return await self.request(lambda: self._existing(kind, namespace, name))

    async def write_status(self, kind: str, body: JSON, status: JSON) -> JSON:
        """Merge `status` into an object as it was last seen; raise `Gone`, `Changed` or `Refused`."""
        meta = body["metadata"]
        place = kind, meta["namespace"], meta["name"]
        patch = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "status": status}

        def write() -> JSON:
            self._existing(*place)
            written = self.patch_status(*place, patch)
            self.emitted.status(kind, written["status"])
            return written

        return await self.request(write, Write("patch", *place, "status"))

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete an object if it still is the one with this uid."""

        def delete() -> None:
            if self._existing(kind, namespace, name)["metadata"]["uid"] != uid:
                raise Gone(name)
            self.remove(kind, namespace, name)

        with suppress(Gone):
            await self.request(delete, Write("delete", kind, namespace, name))

    async def create(self, kind: str, body: JSON) -> JSON:
        """Create an object; raise `Changed` where its name is taken, or `Refused`."""

        def create() -> JSON:
            created = self.create_object({**body, "kind": kind})
            self.writes.append(Write("create", *key_of(created)))
            return created

        return await self.request(create)

    async def of_model(self, kind: str, namespace: str, model: str) -> list[JSON]:
        """Return the objects of a TwinModel."""
        return await self.request(lambda: self._selected(kind, f"spec.modelRef.name={model}", namespace))

    async def finished(self, kind: str) -> AsyncIterator[FinishedObject]:
        """Yield what has ended, as it is when the list is read."""
        for selector in FINISHED:
            for body in await self.request(partial(self._selected, kind, selector)):
                if body["status"].get("completionTime"):
                    yield _finished(body)

    async def graded(self) -> AsyncIterator[GradedObject]:
        """Yield the Simulations that are graded, without their content."""
        async for body in self.graded_simulations():
            meta, model = body["metadata"], body["spec"]["modelRef"]["name"]
            completed = body["status"].get("completionTime") or ""
            yield GradedObject(meta["namespace"], meta["name"], meta["uid"], model, completed)

    async def graded_simulations(self) -> AsyncIterator[JSON]:
        """Yield the Simulations that are graded, as they are when the list is read."""
        for body in await self.request(lambda: self._selected("Simulation", GRADED)):
            yield body

    async def follow(self, kind: str, selector: str, seen: Callable[[JSON], None]) -> None:
        """Call `seen` with each object that a field selector matches, now and later; run until cancelled."""
        changes: asyncio.Queue[tuple[str, JSON]] = asyncio.Queue()
        watch = await self.request(lambda: self.watch(kind, lambda *change: changes.put_nowait(change), selector))
        try:
            while True:
                change, body = await changes.get()
                if change in CAME:
                    seen(body)
        finally:
            watch.stop()

    async def emit(self, event: Event) -> None:
        """Keep an Event; the same occasion is kept once, and an API server that does not answer is no error."""
        with suppress(ApiError):
            await self.request(lambda: self._keep_event(event))

    async def cluster_uid(self) -> str:
        """Return the uid of the cluster."""
        return await self.request(lambda: CLUSTER_UID)

    async def request(self, act: Callable[[], Answer], write: Write | None = None) -> Answer:
        """Carry out a request of the operator; raise `ApiError` while the API server does not answer."""
        await asyncio.sleep(0)
        if not self.reachable:
            raise ApiError(0, "the API server does not answer")
        answer = act()
        if write:
            self.writes.append(write)
        await asyncio.sleep(0)
        return answer

    def _existing(self, kind: str, namespace: str, name: str) -> JSON:
        try:
            return self.get(kind, namespace, name)
        except KeyError:
            raise Gone(f'{kind} "{name}" not found') from None

    def _selected(self, kind: str, selector: str, namespace: str | None = None) -> list[JSON]:
        matches = matches_fields(selector, selectable(kind))
        return [body for body in self.objects(kind, namespace) if matches(body)]

    def _keep_event(self, event: Event) -> None:
        meta = event_manifest(event)["metadata"]
        name = meta["namespace"], meta["name"]
        if name not in self._event_names:
            self._event_names.add(name)
            self.events.append(event)


def _finished(body: JSON) -> FinishedObject:
    meta, ttl = body["metadata"], body["spec"].get("ttlSecondsAfterFinished")
    completed = body["status"]["completionTime"]
    return FinishedObject(meta["namespace"], meta["name"], meta["uid"], completed, ttl)
