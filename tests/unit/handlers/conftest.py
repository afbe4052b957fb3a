"""A server for each test, and conditions to wait for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.handlers.watched_server import WatchedServer


@pytest.fixture
async def server() -> AsyncIterator[WatchedServer]:
    """An API server with nothing in it."""
    server = WatchedServer()
    async with server.running():
        yield server
