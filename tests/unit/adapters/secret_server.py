"""An API server that stores Secrets, and refuses what a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

COLLECTION: Final = "/api/v1/namespaces/{namespace}/secrets"


@dataclass
class SecretServer:
    """The server.

    Attributes:
        secrets: bodies by namespace and name.
        refused: status and message of the answer to each request of a method.
        url: where it listens.
    """

    secrets: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    url: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SecretServer]:
        """Serve until the end of the block."""
        app = web.Application(middlewares=[self._refuse])
        app.add_routes([web.get(f"{COLLECTION}/{{name}}", self._get), web.post(COLLECTION, self._post)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    @web.middleware
    async def _refuse(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.method in self.refused:
            status, message = self.refused[request.method]
            return web.json_response({"message": message}, status=status)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _get(self, request: web.Request) -> web.Response:
        body = self.secrets.get((request.match_info["namespace"], request.match_info["name"]))
        return web.json_response(body) if body else web.json_response({"message": "not found"}, status=404)

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.json()
        place = request.match_info["namespace"], body["metadata"]["name"]
        if place in self.secrets:
            return web.json_response({"message": "already exists"}, status=409)
        self.secrets[place] = body
        return web.json_response(body, status=201)
