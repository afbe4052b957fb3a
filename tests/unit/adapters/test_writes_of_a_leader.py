"""Writes wait for the Lease to be fresh; reads do not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import pytest
from kubernetes.aio.client import Configuration

from tests.unit.handlers.watched_server import WatchedServer
from twin_operator.adapters.kubernetes_api.client import ApiError, KubernetesApi

PATH: Final = "/apis/twinops.dev/v1alpha1/namespaces/home/simulations/question"
WRITES: Final[dict[str, Callable[[KubernetesApi], Awaitable[object]]]] = {
    "create": lambda api: api.create(PATH, {}),
    "merge": lambda api: api.merge(PATH, {}),
    "apply": lambda api: api.apply(PATH, {}),
    "delete": lambda api: api.delete(PATH, "uid-question"),
    "scale": lambda api: api.request("PATCH", PATH, []),
}


@pytest.fixture
async def server() -> AsyncIterator[WatchedServer]:
    server = WatchedServer()
    async with server.running():
        yield server


async def refuse() -> None:
    raise InterruptedError("the Lease is old")


@pytest.mark.parametrize("verb", WRITES)
async def test_a_write_waits_for_the_lease(server: WatchedServer, verb: str) -> None:
    api = KubernetesApi(Configuration(host=server.url), lambda _method, _status: None, refuse)
    with pytest.raises(InterruptedError):
        await WRITES[verb](api)
    await api.close()
    assert server.writes == []


async def test_a_read_does_not_wait_for_the_lease(server: WatchedServer) -> None:
    api = KubernetesApi(Configuration(host=server.url), lambda _method, _status: None, refuse)
    with pytest.raises(ApiError, match="404"):
        await api.get(PATH)
    await api.close()
