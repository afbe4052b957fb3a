"""The pages that probes and Prometheus read."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from devcluster.layout import free_ports
from twin_operator.adapters.health_pages import read_status, serve_pages


@pytest.mark.parametrize(("complaint", "status"), [(None, 200), ("No resync for 400 seconds.", 503)])
async def test_a_health_page_has_the_status_of_its_process(complaint: str | None, status: int) -> None:
    (port,) = free_ports(1)
    async with serve_pages(lambda: complaint, CollectorRegistry(), "127.0.0.1", {port}):
        assert await read_status(f"http://127.0.0.1:{port}/healthz", 60) == status
        assert await read_status(f"http://127.0.0.1:{port}/metrics", 60) == 200
        assert await read_status(f"http://127.0.0.1:{port}/nothing", 60) == 404
