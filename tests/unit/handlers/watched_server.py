"""An API server that kopf can watch, next to the Lease: discovery, empty lists, and the events that a test sends."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from tests.unit.adapters.lease_server import LeaseServer

KINDS: Final = {
    "simulations": "Simulation",
    "twinmodels": "TwinModel",
    "workerpools": "WorkerPool",
    "retrainingjobs": "RetrainingJob",
    "deployments": "Deployment",
}
GROUPS: Final = {"twinops.dev": "v1alpha1", "apps": "v1"}
VERBS: Final = ["get", "list", "watch", "patch"]


@dataclass
class WatchedServer(LeaseServer):
    """The server.

    Attributes:
        queries: those of each watch, by plural.
        namespaces: those that are watched, by plural; empty text: the whole cluster.
        writes: methods and paths of requests that would change an object other than the Lease.
    """

    queries: dict[str, dict[str, str]] = field(default_factory=dict)
    namespaces: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    writes: list[tuple[str, str]] = field(default_factory=list)
    _streams: dict[str, asyncio.Queue[dict[str, Any]]] = field(default_factory=lambda: defaultdict(asyncio.Queue))

    def send(self, plural: str, type_: str, body: dict[str, Any]) -> None:
        """Send an event to the watch of a kind."""
        self._streams[plural].put_nowait({"type": type_, "object": body})

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        return [
            *super().routes(),
            web.get("/api", _core),
            web.get("/api/v1", _core_resources),
            web.get("/apis", _groups),
            web.get("/apis/{group}", _group),
            web.get("/apis/{group}/{version}", _resources),
            web.get("/apis/{group}/{version}/{plural}", self._collection),
            web.get("/apis/{group}/{version}/namespaces/{namespace}/{plural}", self._collection),
            web.route("*", "/{path:.*}", self._other),
        ]

    async def _other(self, request: web.Request) -> web.Response:
        if request.method != "GET":
            self.writes.append((request.method, request.path))
        return web.json_response({"kind": "Status", "code": 404}, status=404)

    async def _collection(self, request: web.Request) -> web.StreamResponse:
        plural = request.match_info["plural"]
        if "watch" not in request.query:
            return web.json_response({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": []})
        self.queries[plural] = dict(request.query)
        self.namespaces[plural].add(request.match_info.get("namespace", ""))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        async with self._until_leaving(self._streams[plural]) as events:
            async for event in events:
                await response.write(json.dumps(event).encode() + b"\n")
        return response

    @asynccontextmanager
    async def _until_leaving(self, stream: asyncio.Queue[Any]) -> AsyncIterator[AsyncIterator[Any]]:
        async def events() -> AsyncIterator[Any]:
            leaving = asyncio.create_task(self.leaving.wait())
            while True:
                next_event = asyncio.create_task(stream.get())
                await asyncio.wait({next_event, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not next_event.done():
                    next_event.cancel()
                    return
                yield next_event.result()

        yield events()


def _group_body(name: str) -> dict[str, Any]:
    version = {"groupVersion": f"{name}/{GROUPS[name]}", "version": GROUPS[name]}
    return {"name": name, "versions": [version], "preferredVersion": version}


async def _core(_request: web.Request) -> web.Response:
    return web.json_response({"versions": ["v1"]})


async def _core_resources(_request: web.Request) -> web.Response:
    namespaces = {"name": "namespaces", "kind": "Namespace", "singularName": "", "namespaced": False, "verbs": VERBS}
    return web.json_response({"resources": [namespaces]})  # kopf does not begin before it knows of these


async def _groups(_request: web.Request) -> web.Response:
    return web.json_response({"groups": [_group_body(name) for name in GROUPS]})


async def _group(request: web.Request) -> web.Response:
    return web.json_response(_group_body(request.match_info["group"]))


async def _resources(request: web.Request) -> web.Response:
    group = request.match_info["group"]
    plurals = [plural for plural in KINDS if group == ("apps" if plural == "deployments" else "twinops.dev")]
    resources = [
        {"name": plural, "kind": KINDS[plural], "singularName": "", "namespaced": True, "verbs": VERBS}
        for plural in plurals
    ]
    return web.json_response({"resources": resources})
