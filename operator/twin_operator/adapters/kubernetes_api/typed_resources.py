"""Custom resources as the models of the API: parsed where they come in, and written as a JSON merge patch."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.api.v1alpha1.resource import ObjectMeta, Resource, Status
from twin_operator.api.v1alpha1.schema import ApiModel, present
from twin_operator.services.reconciling.ports import Event, FinishedObject, GradedObject, Unreadable
from twin_operator.services.runs.run import JSON

logger = logging.getLogger(__name__)
R = TypeVar("R", bound=Resource)


class JSONResources(Protocol):
    """Objects in the API server as JSON."""

    async def read(self, kind: str, namespace: str, name: str) -> JSON:
        """Return an object; raise `Gone`."""
        ...

    async def write_status(self, kind: str, body: JSON, status: JSON) -> JSON:
        """Merge `status` into the object as it was seen; raise `Gone`, `Changed` or `Refused`."""
        ...

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete an object if it still is this one."""
        ...

    async def create(self, kind: str, body: JSON) -> JSON:
        """Create an object; raise `Changed` where its name is taken, or `Refused`."""
        ...

    async def of_model(self, kind: str, namespace: str, model: str) -> list[JSON]:
        """Return the objects whose `spec.modelRef.name` is `model`."""
        ...

    def finished(self, kind: str) -> AsyncIterator[FinishedObject]:
        """Yield what has ended, without its content."""
        ...

    def graded(self) -> AsyncIterator[GradedObject]:
        """Yield the Simulations that are graded, without their content."""
        ...

    def graded_simulations(self) -> AsyncIterator[JSON]:
        """Yield the Simulations that are graded; a page of them is in memory at a time."""
        ...

    async def follow(self, kind: str, selector: str, seen: Callable[[JSON], None]) -> None:
        """Call `seen` with each object that a field selector matches, now and later; run until cancelled."""
        ...

    async def emit(self, event: Event) -> None:
        """Create an Event; creating it again changes nothing, and one that cannot be created is logged."""
        ...


def parse(kind: type[R], body: Mapping[str, Any]) -> R:
    """Return an object as its model.

    Raises:
        Unreadable: a field has a value that this version does not know.
    """
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        meta, first = body.get("metadata") or {}, error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        name = f"{kind.definition.kind} {meta.get('namespace')}/{meta.get('name')}"
        raise Unreadable(f"{name}: this release cannot read the value of {field}.") from error


def parse_or_log(kind: type[R], body: Mapping[str, Any]) -> R | None:
    """Return an object as its model; None, and a line in the log, where it cannot be read."""
    try:
        return parse(kind, body)
    except Unreadable as error:
        logger.error("%s It is ignored until that is changed.", error)  # noqa: TRY400 - the message says all
        return None


def unreadable_event(kind: type[Resource], body: Mapping[str, Any], error: Unreadable) -> Event:
    """Return the Event of an object that cannot be read, from its metadata alone."""
    meta = body.get("metadata") or {}
    identity = ObjectMeta(name=meta.get("name", ""), namespace=meta.get("namespace", ""), uid=meta.get("uid", ""))
    regarding = Resource(kind=kind.definition.kind, metadata=identity, spec=ApiModel())
    return Event(regarding, "Unreadable", f"{error} It is ignored until that is changed.", warning=True)


@dataclass(frozen=True)
class TypedResources:
    """Objects as the use cases ask for them.

    Args:
        objects: the API server, in JSON.
    """

    objects: JSONResources

    async def read(self, kind: type[R], namespace: str, name: str) -> R:
        """Return an object; raise `Gone`."""
        return parse(kind, await self.objects.read(kind.definition.kind, namespace, name))

    async def update_status(self, seen: R, changed: R) -> R:
        """Write the status of `changed` where it differs from the status that was seen; return the object as it is now.

        Where nothing differs there is no request.

        Raises:
            Gone: it is not there any more.
            Changed: it was changed since it was seen.
            Refused: the schema does not take this status.
        """
        patch = status_patch(seen.status, changed.status)
        if not patch:
            return seen
        written = await self.objects.write_status(seen.definition.kind, _identity(seen), patch)
        return parse(type(seen), written)

    async def delete(self, kind: type[Resource], namespace: str, name: str, uid: str) -> None:
        """Delete an object if it still is the one with this uid."""
        await self.objects.delete(kind.definition.kind, namespace, name, uid)

    async def create(self, resource: R) -> R:
        """Create an object; raise `Changed` where its name is taken, or `Refused`."""
        manifest = resource.model_dump(mode="json", exclude_none=True, exclude_unset=True)
        body = {**manifest, "apiVersion": resource.api_version, "kind": resource.definition.kind}
        return parse(type(resource), await self.objects.create(resource.definition.kind, body))

    async def of_model(self, kind: type[R], namespace: str, model: str) -> list[R]:
        """Return the objects of a TwinModel; those that cannot be read are logged."""
        bodies = await self.objects.of_model(kind.definition.kind, namespace, model)
        return [each for body in bodies if (each := parse_or_log(kind, body)) is not None]

    def finished(self, kind: type[Resource]) -> AsyncIterator[FinishedObject]:
        """Yield what has ended, without its content."""
        return self.objects.finished(kind.definition.kind)

    def graded(self) -> AsyncIterator[GradedObject]:
        """Yield the Simulations that are graded, without their content."""
        return self.objects.graded()

    async def graded_simulations(self) -> AsyncIterator[Simulation]:
        """Yield the Simulations that are graded; those that cannot be read are logged."""
        async for body in self.objects.graded_simulations():
            if (simulation := parse_or_log(Simulation, body)) is not None:
                yield simulation

    async def follow(self, kind: type[R], selector: str, seen: Callable[[R], None]) -> None:
        """Call `seen` with each object that a field selector matches, now and later; run until cancelled.

        Objects that cannot be read are logged.
        """

        def take(body: JSON) -> None:
            resource = parse_or_log(kind, body)
            if resource is not None:
                seen(resource)

        await self.objects.follow(kind.definition.kind, selector, take)

    async def emit(self, event: Event) -> None:
        """Create an Event; creating it again changes nothing, and one that cannot be created is logged."""
        await self.objects.emit(event)


def _identity(resource: Resource) -> JSON:
    meta = resource.metadata
    return {
        "metadata": {
            "namespace": meta.namespace,
            "name": meta.name,
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
        }
    }


def status_patch(seen: Status, changed: Status) -> JSON:
    """Return the JSON merge patch (RFC 7396) from one status to another; what was never set is no part of `seen`."""
    return merge_patch(seen.model_dump(mode="json", exclude_unset=True), changed.model_dump(mode="json"))


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> JSON:
    """Return the patch that gives `before` the values of `after`: null for what is absent or empty there."""
    patch: JSON = {}
    for key, value in after.items():
        old, new = present(before.get(key)), present(value)
        if old == new:
            continue
        if isinstance(new, dict) and isinstance(old, dict):
            patch[key] = merge_patch(old, dict.fromkeys(old) | new)
        else:
            patch[key] = new
    return patch
