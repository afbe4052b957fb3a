"""Versioned objects and their watches: what etcd and the watch cache are to the API server.

It knows no kind: admission, generations and subresources are the business of `api_server`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from tests.fakes.json_objects import copied
from twin_operator.services.runs.run import JSON

Key = tuple[str, str, str]
"""Kind, namespace and name."""
Handler = Callable[[str, JSON], None]
"""Called with ADDED, MODIFIED or DELETED, and the object."""


def key_of(body: JSON) -> Key:
    """Return the key of an object."""
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]


@dataclass(eq=False)
class Watch:
    """One watch of a kind; `stop` ends it."""

    kind: str
    matches: Callable[[JSON], bool]
    handler: Handler
    since: int = 0
    stopped: bool = False

    def stop(self) -> None:
        """Deliver nothing more."""
        self.stopped = True

    def deliver(self, before: JSON | None, after: JSON | None, version: str) -> None:
        """Deliver a change; what leaves the selector is DELETED, as it last matched, with the new version."""
        was = before is not None and self.matches(before)
        now = after is not None and self.matches(after)
        if self.stopped or not (was or now):
            return
        body = copied((after if now else before) or {})
        body["metadata"]["resourceVersion"] = version
        self.handler(("MODIFIED" if was else "ADDED") if now else "DELETED", body)


@dataclass
class ObjectStore:
    """Objects by key; each change has a resource version that no other change has.

    Args:
        clock: seconds since the epoch.
    """

    clock: Callable[[], float]
    _objects: dict[Key, JSON] = field(default_factory=dict)
    _as_created: set[Key] = field(default_factory=set)
    _watches: list[Watch] = field(default_factory=list)
    _changes: deque[tuple[JSON | None, JSON | None, str]] = field(default_factory=deque)
    _delivering: bool = False
    _uids: Iterator[int] = field(default_factory=lambda: count(1))
    _version: int = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._objects

    def get(self, key: Key) -> JSON:
        """Return a copy; raise `KeyError`."""
        return copied(self._objects[key])

    def of_kind(self, kind: str, namespace: str | None = None) -> list[JSON]:
        """Return copies, in order of namespace and name."""
        keys = sorted(key for key in self._objects if key[0] == kind and namespace in {None, key[1]})
        return [self.get(key) for key in keys]

    def insert(self, body: JSON, *, defaulted: bool) -> JSON:
        """Keep a new object; its uid and time of creation are made here.

        Args:
            body: the object as it is read.
            defaulted: whether it has a default that is added when it is read, and stored with the next update:
                that update makes a version even where it changes nothing else.
        """
        created = datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        uid = f"00000000-0000-4000-8000-{next(self._uids):012x}"
        body = {**body, "metadata": {**body["metadata"], "uid": uid, "creationTimestamp": created}}
        kept = self._keep(None, body)
        if defaulted:
            self._as_created.add(key_of(kept))
        return kept

    def replace(self, body: JSON) -> JSON:
        """Keep an object instead of the one of its key; one that is equal changes nothing."""
        before = self._objects[key_of(body)]
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": before["metadata"]["resourceVersion"]}}
        if body == before and key_of(body) not in self._as_created:
            return copied(before)
        self._as_created.discard(key_of(body))
        return self._keep(before, body)

    def remove(self, key: Key) -> None:
        """Delete an object, and what no other owner keeps; raise `KeyError`."""
        gone = self._objects.pop(key)
        self._as_created.discard(key)
        self._changed(gone, None)
        for dependent in [body for body in self._objects.values() if self._orphaned(body, gone["metadata"]["uid"])]:
            if key_of(dependent) in self._objects:
                self.remove(key_of(dependent))

    def watch(self, watch: Watch) -> Watch:
        """Deliver what there is as ADDED, then each change."""
        self._watches = [other for other in self._watches if not other.stopped]
        for body in self.of_kind(watch.kind):
            watch.deliver(None, body, body["metadata"]["resourceVersion"])
        watch.since = self._version
        self._watches.append(watch)
        return watch

    def _keep(self, before: JSON | None, body: JSON) -> JSON:
        kept = copied({**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version + 1)}})
        self._objects[key_of(kept)] = kept
        self._changed(before, kept)
        return copied(kept)

    def _orphaned(self, body: JSON, owner: str) -> bool:
        """Return whether `owner`, which is gone, was the last of an object's owners."""
        owners = {reference["uid"] for reference in body["metadata"].get("ownerReferences") or ()}
        return owner in owners and not any(other["metadata"]["uid"] in owners for other in self._objects.values())

    def _changed(self, before: JSON | None, after: JSON | None) -> None:
        """Deliver a change to the watches, after those that are being delivered: a handler may write."""
        self._version += 1
        self._changes.append((before, after, str(self._version)))
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._changes:
                self._deliver(*self._changes.popleft())
        finally:
            self._delivering = False

    def _deliver(self, before: JSON | None, after: JSON | None, version: str) -> None:
        kind = (before or after or {})["kind"]
        for watch in list(self._watches):
            if watch.kind == kind and int(version) > watch.since:
                watch.deliver(before, after, version)
