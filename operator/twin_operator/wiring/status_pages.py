"""The HTTP pages of a process."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from twin_operator.adapters.http_status import application, serve
from twin_operator.settings import Settings


@asynccontextmanager
async def serve_status(
    settings: Settings, healthy: Callable[[], str | None], registry: CollectorRegistry
) -> AsyncIterator[None]:
    """Serve the operator's pages on both of its ports."""
    ports = {settings.health_port, settings.metrics_port}
    runners = [await serve(application(healthy, registry), settings.bind_address, port) for port in ports]
    try:
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


def serve_worker_status(settings: Settings, registry: CollectorRegistry) -> None:
    """Serve a worker's pages from a thread; they depend neither on Redis nor on load."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"ok" if self.path == "/healthz" else generate_latest(registry)
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Say nothing: probes come every second."""

    server = ThreadingHTTPServer((settings.bind_address, settings.metrics_port), Pages)
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()
