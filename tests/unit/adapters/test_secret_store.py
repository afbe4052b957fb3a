"""Secrets over HTTP: what is read and created, and which answers are no errors."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from kubernetes.aio.client import Configuration

from tests.unit.adapters.secret_server import SecretServer
from twin_operator.adapters.kubernetes_api.client import ApiError, client_of_a_user
from twin_operator.adapters.kubernetes_api.commands import closing
from twin_operator.adapters.kubernetes_api.secret_store import ClusterSecrets
from twin_operator.services.generated_secrets import SecretType
from twin_operator.services.reconciling.ports import Changed

HOME, NAME = "growth", "twins-redis"
CONTENT = {"operator": b"a\xff", "worker": b"b"}


@pytest.fixture
async def server() -> AsyncIterator[SecretServer]:
    async with SecretServer().running() as server:
        yield server


@pytest.fixture
async def store(server: SecretServer) -> AsyncIterator[ClusterSecrets]:
    async with closing(client_of_a_user(Configuration(host=server.url))) as api:
        yield ClusterSecrets(api, "twins")


async def test_what_was_created_is_read_again(store: ClusterSecrets) -> None:
    assert await store.read(HOME, NAME) is None
    await store.create(HOME, NAME, SecretType.OPAQUE, CONTENT)
    assert await store.read(HOME, NAME) == CONTENT


async def test_a_secret_says_whose_it_is_and_no_other_tool_may_take_it_for_its_own(
    store: ClusterSecrets, server: SecretServer
) -> None:
    await store.create(HOME, NAME, SecretType.TLS, CONTENT)
    body = server.secrets[HOME, NAME]
    assert body["type"] == "kubernetes.io/tls"
    assert body["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert body["metadata"]["labels"]["twinops.dev/release"] == "twins"
    assert "app.kubernetes.io/instance" not in body["metadata"]["labels"]


async def test_a_name_that_is_taken_is_a_conflict(store: ClusterSecrets) -> None:
    await store.create(HOME, NAME, SecretType.OPAQUE, CONTENT)
    with pytest.raises(Changed):
        await store.create(HOME, NAME, SecretType.OPAQUE, {})


async def test_a_secret_without_data_has_no_values(store: ClusterSecrets, server: SecretServer) -> None:
    server.secrets[HOME, NAME] = {"metadata": {"name": NAME}}
    assert await store.read(HOME, NAME) == {}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_the_api_server_forbids_is_raised(store: ClusterSecrets, server: SecretServer, method: str) -> None:
    server.refused[method] = 403, "no"
    with pytest.raises(ApiError, match="403: no"):
        await (store.read(HOME, NAME) if method == "GET" else store.create(HOME, NAME, SecretType.OPAQUE, {}))
