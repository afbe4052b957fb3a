"""Events about Pods, as `kubectl describe` shows them: said once, then counted."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid

from devcluster.node.api import ApiError, ApiServer, Json

_WAITING = 1000  # Events that may wait to be written; what comes on top is dropped, as it is by a kubelet
_REMEMBERED = 5000  # different Events whose count is kept


class Events:
    """Writes Events in the background."""

    def __init__(self, api: ApiServer, node: str) -> None:
        self._api = api
        self._source = {"component": "devcluster", "host": node}
        self._queue: asyncio.Queue[tuple[Json, str, str, str]] = asyncio.Queue(_WAITING)
        self._known: dict[tuple[str, ...], tuple[str, int]] = {}

    def tell(self, pod: Json, kind: str, reason: str, message: str) -> None:
        """Say something about a Pod; `kind` is Normal or Warning."""
        if not self._queue.full():
            self._queue.put_nowait((pod, kind, reason, message))

    async def run(self) -> None:
        """Write what was emitted, for ever; what the API server refuses is lost."""
        while True:
            pod, kind, reason, message = await self._queue.get()
            try:
                await self._write(pod, kind, reason, message)
            except ApiError as error:
                print(f"event {reason}: {error}", flush=True)

    async def _write(self, pod: Json, kind: str, reason: str, message: str) -> None:
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/events"
        key = (pod["metadata"]["uid"], reason, message)
        name, count = self._known.get(key, ("", 0))
        if name:
            await self._api.patch(f"{path}/{name}", {"count": count + 1, "lastTimestamp": now})
        else:
            name = f"{pod['metadata']['name']}.{uuid.uuid4().hex[:16]}"
            said = {"type": kind, "reason": reason, "message": message, "source": self._source}
            times = {"count": 1, "firstTimestamp": now, "lastTimestamp": now}
            await self._api.create(path, {"metadata": {"name": name}, "involvedObject": _about(pod), **said, **times})
        self._remember(key, (name, count + 1))

    def _remember(self, key: tuple[str, ...], value: tuple[str, int]) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = value


def _about(pod: Json) -> Json:
    metadata = pod["metadata"]
    return {"apiVersion": "v1", "kind": "Pod", **{key: metadata[key] for key in ("name", "namespace", "uid")}}
