"""What a process shows of itself over HTTP: /healthz for probes and /metrics for Prometheus."""

from collections.abc import Callable

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


async def serve(app: web.Application, address: str, port: int) -> web.AppRunner:
    """Serve `app` until the returned runner is cleaned up."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, address, port).start()
    return runner
