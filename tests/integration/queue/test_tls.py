"""TLS to Redis: every connection verifies the server's certificate by the configured authority."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from devcluster.certificates import Authority, Identity
from devcluster.layout import LOOPBACK
from tests.integration.queue.tls_front import tls_front
from twin_operator.settings import Settings
from twin_operator.wiring.connections import operator_redis, worker_redis
from twin_operator.worker.celery_app import create_app


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def address(redis_server: Any, authority: Authority) -> Iterator[str]:
    """A Redis whose certificate is for the address that it has."""
    with tls_front(redis_server.port, authority.issue("redis", Identity("redis", addresses=(LOOPBACK,)))) as port:
        yield f"rediss://{LOOPBACK}:{port}/0"


@pytest.fixture
def impostor(redis_server: Any, authority: Authority) -> Iterator[str]:
    """One whose certificate the same authority signed, for another host."""
    with tls_front(redis_server.port, authority.issue("other", Identity("other", addresses=("elsewhere",)))) as port:
        yield f"rediss://{LOOPBACK}:{port}/0"


def settings(address: str, authority: Authority | None) -> Settings:
    return Settings(redis_url=address, redis_ca_file=authority.pair.certificate if authority else None)


async def test_operator_and_worker_connect_where_the_authority_has_signed(address: str, authority: Authority) -> None:
    operator = operator_redis(settings(address, authority).redis_url)
    assert await operator.ping()
    await operator.aclose()
    with worker_redis(settings(address, authority).redis_url) as worker:
        assert worker.ping()


def test_celery_connects_where_the_authority_has_signed(address: str, authority: Authority) -> None:
    app = create_app(settings(address, authority), ["simulations"])
    with app.connection() as connection:
        connection.connect()
        assert connection.connected


@pytest.mark.parametrize("known", [False, True], ids=["unknown authority", "another host's certificate"])
def test_nobody_connects_to_who_cannot_show_who_it_is(
    address: str, impostor: str, authority: Authority, *, known: bool
) -> None:
    chosen = settings(impostor, authority) if known else settings(address, None)
    reason = "Hostname mismatch|IP address mismatch" if known else "CERTIFICATE_VERIFY_FAILED"
    with (
        Redis.from_url(chosen.redis_url) as redis,
        pytest.raises(RedisConnectionError, match=reason),
    ):
        redis.ping()
    app = create_app(chosen, ["simulations"])
    with app.connection() as connection, pytest.raises(RedisConnectionError, match=reason):
        connection.connect()
