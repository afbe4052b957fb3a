"""An API server that knows one Lease, and can be out of order in several ways."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from aiohttp import web
from kubernetes.aio.client import Configuration

from twin_operator.adapters.leader_lease import Intervals, LeaderLease

COLLECTION: Final = "/apis/coordination.k8s.io/v1/namespaces/home/leases"


class Fault(Enum):
    """How a server that is out of order answers."""

    REFUSES = auto()  # 503 with a Status
    SHOWS_A_PAGE = auto()  # 502 of a proxy, in HTML
    ANSWERS_HTML = auto()  # 200, and no JSON
    ANSWERS_NO_LEASE = auto()  # 200, and an empty object
    HANGS = auto()
    BREAKS_OFF = auto()  # in the middle of the answer
    HANGS_UP = auto()  # without an answer


@dataclass
class LeaseServer:
    """The server.

    Args:
        lease: the object, None where there is none.
        fault: how it is out of order; None: it is not.
        requests: how many it got.
        renewals: of the Lease.
        url: where it listens.
        leaving: set when it ends; what hangs is let go then.
    """

    lease: dict[str, Any] | None = None
    fault: Fault | None = None
    requests: int = 0
    renewals: int = 0
    url: str = ""
    _version: int = 0
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def holder(self) -> str | None:
        """Name in the Lease."""
        return self.lease["spec"].get("holderIdentity") if self.lease else None

    def write(self, body: dict[str, Any]) -> dict[str, Any]:
        """Store the Lease."""
        self._version += 1
        self.lease = copy.deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(self._version)
        return self.lease

    def give_to(self, holder: str) -> None:
        """Let another process take the Lease."""
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 15}
        self.write({"metadata": {"name": "twin-operator", "namespace": "home"}, "spec": spec})

    def candidate(self, identity: str, intervals: Intervals) -> LeaderLease:
        """Return a process that wants to lead."""
        return LeaderLease(Configuration(host=self.url), "twin-operator", "home", identity, intervals)

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        return [web.route("*", path, self.answer) for path in (COLLECTION, f"{COLLECTION}/twin-operator")]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        self.requests += 1
        if self.fault is not None:
            return await self._fail(request, self.fault)
        if request.method == "GET":
            return _json(self.lease) if self.lease else _status(404)
        body = await request.json()
        known = str(self._version) if self.lease else None
        if body["metadata"].get("resourceVersion") != known:
            return _status(409)
        self.renewals += 1
        return _json(self.write(body))

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault is Fault.REFUSES:
            return _status(503)
        if fault is Fault.SHOWS_A_PAGE:
            return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        if fault is Fault.ANSWERS_HTML:
            return web.Response(text="<html>Sign in</html>", content_type="text/html")
        if fault is Fault.ANSWERS_NO_LEASE:
            return _json({})
        if fault is Fault.HANGS:
            await self.leaving.wait()
        return await _break_off(request, answered=fault is Fault.BREAKS_OFF)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[LeaseServer]:
        """Serve until the end of the block."""
        app = web.Application()
        app.add_routes(self.routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self.leaving.set()
            await runner.cleanup()


async def _break_off(request: web.Request, *, answered: bool) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
    if answered:
        await response.prepare(request)
        await response.write(b'{"metadata": {')
    if request.transport is not None:
        request.transport.close()
    return response


def _json(body: Any) -> web.Response:
    return web.json_response(body)


def _status(code: int) -> web.Response:
    return web.json_response({"kind": "Status", "status": "Failure", "code": code}, status=code)
