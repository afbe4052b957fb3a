"""Health pages over HTTP: /healthz and /metrics of our own processes, and the health page of another service."""

import threading
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST


def application(healthy: Callable[[], str | None], registry: CollectorRegistry) -> web.Application:
    """Return the application.

    Args:
        healthy: returns what is wrong, or None.
        registry: the metrics.
    """

    async def healthz(_request: web.Request) -> web.Response:
        complaint = healthy()
        return web.Response(text=complaint or "ok", status=503 if complaint else 200)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", metrics)
    return app


@asynccontextmanager
async def serve_pages(
    healthy: Callable[[], str | None], registry: CollectorRegistry, address: str, ports: Collection[int]
) -> AsyncIterator[None]:
    """Serve both pages on each of the ports until the end of the block."""
    runners = [await _serve(application(healthy, registry), address, port) for port in set(ports)]
    try:
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


def serve_from_thread(registry: CollectorRegistry, address: str, port: int) -> None:
    """Serve both pages of a process without an event loop; they depend neither on Redis nor on load."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"ok" if self.path == "/healthz" else generate_latest(registry)
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Log nothing: probes come every second."""

    server = ThreadingHTTPServer((address, port), Pages)
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()


async def read_status(url: str, seconds: float) -> int:
    """Return the HTTP status of a health page; `seconds` is the time limit of the request."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        return answer.status


async def _serve(app: web.Application, address: str, port: int) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, address, port).start()
    return runner
