"""The API server in memory, as its users see it: kubectl, Helm and the controllers of Kubernetes.

Admission, generations, subresources, conflicts, garbage collection and watches are those of the real one as
far as the operator relies on them (`tests/contracts/cluster.py` says what that is); rules in CEL are not
evaluated. Kinds without a CustomResourceDefinition, such as Deployments and Pods, have no schema.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import Final

from tests.fakes import kubernetes_kinds
from tests.fakes.json_objects import merged, sent
from tests.fakes.kubernetes_kinds import BORN
from tests.fakes.object_store import Handler, Key, ObjectStore, Watch, key_of
from tests.fakes.schema import definitions
from tests.fakes.selectors import matches_fields
from tests.fakes.server_side_apply import Ownership
from twin_operator.adapters.kubernetes_api.client import ApiError
from twin_operator.services.reconciling.ports import Changed, Refused
from twin_operator.services.runs.run import JSON

NAME: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
OPTIONAL_METADATA: Final = ("labels", "annotations", "ownerReferences", "finalizers")
SERVER_METADATA: Final = ("uid", "creationTimestamp", "resourceVersion", "generation")


class Invalid(Refused):
    """The API server refuses an object (422, or 400 for a malformed request)."""


Policy = Callable[[JSON], str | None]
"""An admission policy: why an object is refused, or None."""


@dataclass
class ApiServer:
    """The API server; every method answers at once, and returns copies.

    Args:
        clock: seconds since the epoch.

    Attributes:
        policies: admission policies, which see every object that is created or updated.
    """

    clock: Callable[[], float]
    policies: list[Policy] = field(default_factory=list)
    _ownership: dict[Key, Ownership] = field(default_factory=dict)
    _suffixes: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self._store = ObjectStore(self.clock)

    def get(self, kind: str, namespace: str, name: str) -> JSON:
        """Return an object; raise `KeyError`."""
        return self._store.get((kind, namespace, name))

    def objects(self, kind: str, namespace: str | None = None) -> list[JSON]:
        """Return the objects of a kind, in order of namespace and name."""
        return self._store.of_kind(kind, namespace)

    def create_object(self, body: JSON) -> JSON:
        """Create an object; raise `Changed` where its name is taken, or `Invalid`."""
        return self._create(body, Ownership())

    def apply(self, body: JSON) -> JSON:
        """Create an object, or replace all but its status; labels and annotations are merged.

        Raises:
            Invalid: the schema or a policy refuses it.
        """
        body = sent(body)
        if "name" not in body["metadata"] or key_of(body) not in self._store:
            return self.create_object(body)
        before = self._store.get(key_of(body))
        return self._replace(before, {**body, "metadata": merged(before["metadata"], body["metadata"])})

    def patch(self, kind: str, namespace: str, name: str, patch: JSON) -> JSON:
        """Merge a patch into an object, not into its status.

        Raises:
            KeyError: there is none of this name.
            Changed: the patch names another resource version.
            Invalid: the schema or a policy refuses the result, or it names another uid.
        """
        before = self.get(kind, namespace, name)
        return self._replace(before, merged(before, sent(patch)))

    def patch_status(self, kind: str, namespace: str, name: str, patch: JSON) -> JSON:
        """Merge a patch, such as `{"status": {...}}`, into the status of an object; raise as `patch` does.

        As on the real subresource, a uid in the patch is not compared.
        """
        before = self.get(kind, namespace, name)
        after = merged(before, sent(patch))
        _require_version(before, after)
        return self._keep(before, self._admitted(_with_status(before, after)))

    def remove(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object and what it owns; raise `KeyError`."""
        self._store.remove((kind, namespace, name))
        self._ownership = {key: value for key, value in self._ownership.items() if key in self._store}

    def watch(self, kind: str, handler: Handler, selector: str = "") -> Watch:
        """Call `handler` with what there is, and with each change until the watch is stopped.

        An object that leaves the field selector arrives as DELETED.
        """
        return self._store.watch(Watch(kind, matches_fields(selector, selectable(kind)), handler))

    def apply_object(self, manifest: JSON, *, dry_run: bool = False) -> JSON:
        """Apply a manifest on the server's side as the operator's field manager, by force; raise `Invalid`."""
        manifest = sent(manifest)
        key = key_of(manifest)
        if key not in self._store:
            return self._create(manifest, Ownership(applied=manifest), dry_run=dry_run)
        before, ownership = self._store.get(key), self._ownership[key]
        after = self._updated(before, ownership.apply(before, manifest))
        if dry_run:
            return after
        ownership.note_apply(before, manifest)
        return self._store.replace(after)

    def _create(self, body: JSON, ownership: Ownership, *, dry_run: bool = False) -> JSON:
        body = self._named(sent(body))
        key = key_of(body)
        if key in self._store:
            raise Changed(f'{key[0]} "{key[2]}" already exists')
        born = {"status": BORN[key[0]]} if key[0] in BORN else {}
        body = self._admitted(_with_status(body, born))
        body["metadata"]["generation"] = 1
        if dry_run:
            return body
        kept = self._store.insert(body, defaulted="status" in body and not born)
        if born:
            self._ownership[key] = ownership
        if born and not ownership.applied:
            ownership.note_update({}, kept)
        return kept

    def _named(self, body: JSON) -> JSON:
        meta = body["metadata"]
        if meta.get("resourceVersion"):
            raise ApiError(
                HTTPStatus.INTERNAL_SERVER_ERROR, "resourceVersion should not be set on objects to be created"
            )
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = f"{meta['generateName']}{next(self._suffixes):05}"
        if not NAME.fullmatch(meta.get("name", "")):
            raise Invalid(f"metadata.name: Invalid value: {meta.get('name', '')!r}")
        return body

    def _replace(self, before: JSON, after: JSON) -> JSON:
        """Keep what an update sent, on the conditions that it names."""
        _require_version(before, after)
        return self._keep(before, self._updated(before, after))

    def _keep(self, before: JSON, after: JSON) -> JSON:
        kept = self._store.replace(after)
        if ownership := self._ownership.get(key_of(kept)):
            ownership.note_update(before, kept)
        return kept

    def _updated(self, before: JSON, after: JSON) -> JSON:
        """Return what is kept of an update: not the status, nor metadata that belong to the API server."""
        uid, owned = after["metadata"].get("uid"), {key: before["metadata"][key] for key in SERVER_METADATA}
        if uid not in {None, owned["uid"]}:
            raise Invalid(f"metadata.uid: Invalid value: {uid}: field is immutable")
        after = self._admitted(_with_status({**after, "metadata": {**after["metadata"], **owned}}, before), before)
        if kubernetes_kinds.counted(before) != kubernetes_kinds.counted(after):
            after["metadata"]["generation"] += 1
        return after

    def _admitted(self, body: JSON, before: JSON | None = None) -> JSON:
        """Return an object with defaults and without unknown fields; raise `Invalid`."""
        definition = definitions().get(body["kind"])
        body = definition.admitted(body) if definition else kubernetes_kinds.with_defaults(body)
        meta = {key: value for key, value in body["metadata"].items() if value or key not in OPTIONAL_METADATA}
        body = {**body, "metadata": meta}
        problems = definition.problems(body) if definition else [*kubernetes_kinds.problems(body, before)]
        problems += [reason for policy in self.policies if (reason := policy(body))]
        if problems:
            raise Invalid(f'{body["kind"]} "{meta["name"]}" is invalid: {", ".join(problems)}')
        return body


def _require_version(before: JSON, after: JSON) -> None:
    there, named = before["metadata"]["resourceVersion"], after["metadata"].get("resourceVersion")
    if named not in {None, there}:
        raise Changed(f"the object has been modified: metadata.resourceVersion is {there}, not {named}")


def _with_status(body: JSON, source: JSON) -> JSON:
    """Return `body` with the status of `source`, or without one."""
    rest = {key: value for key, value in body.items() if key != "status"}
    return {**rest, "status": source["status"]} if "status" in source else rest


def selectable(kind: str) -> frozenset[str]:
    """Return the fields of a kind that a field selector may name, besides its name and namespace."""
    definition = definitions().get(kind)
    return frozenset(definition.selectable) if definition else frozenset()
