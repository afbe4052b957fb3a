"""An MLflow server with one registered model, that notes what is requested of it and can be out of order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any, Final

from aiohttp import web

SERVER_TEXT: Final = "Traceback: password=hunter2 at db.internal"
NAME: Final = "ns.twin"


@dataclass
class ScriptedMlflow:
    """The server.

    Attributes:
        faults: answers that come before any right one: an HTTP status, or a page with status 200.
        repeated: whether the last fault stays.
        hangs: whether it never answers.
        seen: method and last parts of the path of each request, with what is written.
        headers: of each request.
        most: how many requests it had at a time.
    """

    faults: list[int | str] = field(default_factory=list)
    repeated: bool = False
    hangs: bool = False
    seen: list[tuple[str, ...]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    most: int = 0
    champion: str = "1"
    tags: dict[str, dict[str, str]] = field(default_factory=lambda: {"1": {}, "2": {}})
    url: str = ""
    _now: int = 0

    @property
    def writes(self) -> list[tuple[str, ...]]:
        """What was written, in order."""
        return [each for each in self.seen if each[0] != "GET"]

    @asynccontextmanager
    async def running(self, prefix: str = "", tls: SSLContext | None = None) -> AsyncIterator[ScriptedMlflow]:
        """Serve on a port of its own until the block ends."""
        app = web.Application()
        app.router.add_route("*", prefix + "/{path:.*}", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}{prefix}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(3600 if self.hangs else 0.002)
            return self._answer(request.method, request.match_info["path"], await self._content(request))
        finally:
            self._now -= 1

    @staticmethod
    async def _content(request: web.Request) -> dict[str, str]:
        return dict(request.query) if request.method == "GET" else await request.json()

    def _answer(self, method: str, path: str, content: dict[str, str]) -> web.Response:
        self.seen.append((method, path.removeprefix("api/2.0/mlflow/"), *content.values()))
        if self.faults:
            fault = self.faults[0] if self.repeated and len(self.faults) == 1 else self.faults.pop(0)
            return _out_of_order(fault)
        return web.json_response(self._carry_out(path.rpartition("mlflow/")[2], content))

    def _carry_out(self, path: str, content: dict[str, str]) -> dict[str, Any]:
        match path:
            case "registered-models/get":
                aliases = [{"alias": "champion", "version": self.champion}]
                return {"registered_model": {"name": NAME, "aliases": aliases}}
            case "model-versions/get":
                tags = [{"key": key, "value": value} for key, value in self.tags[content["version"]].items()]
                return {"model_version": {"name": NAME, "tags": tags, "run_id": "run"}}
            case "model-versions/set-tag":
                self.tags[content["version"]][content["key"]] = content["value"]
            case "model-versions/delete-tag":
                del self.tags[content["version"]][content["key"]]
            case "registered-models/alias":
                self.champion = content["version"]
        return {}


def _out_of_order(fault: int | str) -> web.Response:
    if isinstance(fault, str):
        return web.Response(text=fault)
    code = {404: "RESOURCE_DOES_NOT_EXIST", 400: "INVALID_PARAMETER_VALUE"}.get(fault, "INTERNAL_ERROR")
    return web.Response(status=fault, text=json.dumps({"error_code": code, "message": SERVER_TEXT}))
