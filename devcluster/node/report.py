"""Reports a Pod to the API server: its status, and in the end its deletion."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from devcluster.node.api import CONFLICT, NOT_FOUND, STRATEGIC_PATCH, ApiError, ApiServer, Json

_RETRY = 1.0  # seconds before a request that failed is made again
_GONE = {NOT_FOUND, CONFLICT}  # the answers when the Pod is no more, or is another one of the same name


class Reporter:
    """The one writer of a Pod's status."""

    def __init__(self, api: ApiServer, pod: Json) -> None:
        metadata = pod["metadata"]
        self._api = api
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self._uid: str = metadata["uid"]
        self._sent: Json = {}
        self._closed = False

    async def send(self, annotations: dict[str, str], status: Json) -> None:
        """Write the status; gives up only when there is nothing left to write to.

        After `close` nothing is written.
        """
        if self._closed:
            return
        # A strategic merge would add to the addresses of an earlier run.
        whole = {"podIPs": [*status["podIPs"], {"$patch": "replace"}]}
        body = {"metadata": {"uid": self._uid, "annotations": annotations}, "status": status | whole}
        if body == self._sent:
            return
        await self._insist(lambda: self._api.patch(f"{self._path}/status", body, STRATEGIC_PATCH))
        self._sent = body

    def close(self) -> None:
        """Write no status from now on: what ends with its node has not ended by itself."""
        self._closed = True

    def was_overwritten(self, pod: Json) -> bool:
        """Whether another writer changed a condition that was sent, as the controller manager does after an outage."""
        there = {each["type"]: each["status"] for each in pod.get("status", {}).get("conditions") or []}
        sent = self._sent.get("status", {}).get("conditions") or []
        return any(there.get(each["type"], each["status"]) != each["status"] for each in sent)

    def forget(self) -> None:
        """Send the next status also if it is the one that was sent last."""
        self._sent = {}

    async def delete(self) -> None:
        """Delete the Pod for good: its processes have ended."""
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._uid}}
        await self._insist(lambda: self._api.delete(self._path, body))

    async def _insist(self, request: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await request()
            except ApiError as error:
                if error.status in _GONE:
                    return
                print(f"{self._path}: {error}", flush=True)
            else:
                return
            await asyncio.sleep(_RETRY)
