"""A node's registration, Lease and status, on an API server that knows one Node."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from aiohttp import web

from devcluster.node.api import ApiServer
from devcluster.node.heartbeat import Heartbeat, node_object

LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


@dataclass
class NodeServer:
    """An API server; lists of a patch are replaced, not merged."""

    node: dict[str, Any] | None = None
    lease: dict[str, Any] | None = None
    url: str = ""
    posts: int = 0

    @property
    def ready(self) -> str:
        """Status of the condition Ready."""
        assert self.node is not None
        return next(str(each["status"]) for each in self.node["status"]["conditions"] if each["type"] == "Ready")

    def give_up(self) -> None:
        """Do what the controller manager does 40 s after the last heartbeat."""
        assert self.node is not None
        for condition in self.node["status"]["conditions"]:
            condition.update(status="Unknown", reason="NodeStatusUnknown")

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        return [
            web.post("/api/v1/nodes", self._create_node),
            web.get("/api/v1/nodes/here", self._get_node),
            web.patch("/api/v1/nodes/here/status", self._patch_node),
            web.post(LEASES, self._write_lease),
            web.patch(f"{LEASES}/here", self._patch_lease),
        ]

    async def _create_node(self, request: web.Request) -> web.Response:
        if self.node is not None:
            return web.json_response({"message": "it is there"}, status=409)
        self.node = await request.json()
        return web.json_response(self.node)

    async def _get_node(self, _request: web.Request) -> web.Response:
        return web.json_response(self.node or {}, status=200 if self.node else 404)

    async def _patch_node(self, request: web.Request) -> web.Response:
        assert self.node is not None
        self.posts += 1
        self.node = {**self.node, **await request.json()}
        return web.json_response(self.node)

    async def _write_lease(self, request: web.Request) -> web.Response:
        self.lease = await request.json()
        return web.json_response(self.lease)

    async def _patch_lease(self, request: web.Request) -> web.Response:
        return web.json_response({}, status=404) if self.lease is None else await self._write_lease(request)


@pytest.fixture
async def server() -> AsyncIterator[NodeServer]:
    server = NodeServer()
    app = web.Application()
    app.add_routes(server.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture
async def heartbeat(server: NodeServer) -> AsyncIterator[Heartbeat]:
    async with ApiServer(server.url, ssl.create_default_context()) as api:
        yield Heartbeat(api, node_object("here", 10250))


async def test_a_node_that_is_not_there_is_registered_ready(server: NodeServer, heartbeat: Heartbeat) -> None:
    await heartbeat.beat()
    assert server.ready == "True"


async def test_a_heartbeat_renews_the_lease(server: NodeServer, heartbeat: Heartbeat) -> None:
    await heartbeat.beat()
    first = server.lease
    await heartbeat.beat()
    assert first is not None
    assert server.lease is not None
    assert server.lease["spec"]["renewTime"] > first["spec"]["renewTime"]


async def test_a_node_that_was_given_up_posts_its_status_again(server: NodeServer, heartbeat: Heartbeat) -> None:
    await heartbeat.beat()
    server.give_up()
    await heartbeat.beat()
    assert server.ready == "True"


async def test_a_node_that_was_deleted_registers_again(server: NodeServer, heartbeat: Heartbeat) -> None:
    await heartbeat.beat()
    server.node = None
    await heartbeat.beat()
    assert server.ready == "True"


async def test_the_status_of_a_ready_node_is_not_posted_again(server: NodeServer, heartbeat: Heartbeat) -> None:
    await heartbeat.beat()
    await heartbeat.beat()
    assert server.posts == 0
