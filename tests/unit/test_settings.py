"""Settings: what they refuse, and that nobody prints a password by printing them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from twin_operator.settings import Settings
from twin_operator.wiring.connections import operator_redis, worker_redis
from twin_operator.worker.app import create_app

PASSWORD = "open-sesame"  # noqa: S105 - what no text may show
SECRETIVE = Settings(
    redis_url=f"rediss://operator:{PASSWORD}@redis:6379/0",
    mlflow_tracking_uri=f"https://operator:{PASSWORD}@mlflow",
    archive_url=f"postgresql://archive:{PASSWORD}@database/archive",
    worker_env=[{"name": "AWS_SECRET_ACCESS_KEY", "value": PASSWORD}],
)


def test_no_password_is_printed_with_the_settings() -> None:
    assert PASSWORD not in f"{SECRETIVE!r} {SECRETIVE}"


def test_an_error_does_not_repeat_what_was_given() -> None:
    with pytest.raises(ValidationError) as refusal:
        Settings(redis_url=f"redis://operator:{PASSWORD}@redis", redis_ca_file=Path("ca.crt"))
    assert "redis_ca_file is used with an address that begins with rediss://" in str(refusal.value)
    assert PASSWORD not in str(refusal.value)


def test_connections_do_not_show_their_password() -> None:
    with worker_redis(SECRETIVE) as redis, create_app(SECRETIVE).connection() as connection:
        shown = [repr(redis), repr(operator_redis(SECRETIVE)), repr(connection), connection.as_uri()]
    assert not [text for text in shown if PASSWORD in text]


def test_celery_shows_stars_in_its_banner() -> None:
    assert "operator:**@redis" in create_app(SECRETIVE).connection().as_uri()


@pytest.mark.parametrize("authority", [None, Path("ca.crt")])
def test_tls_demands_a_certificate_for_the_host_whatever_the_authority(authority: Path | None) -> None:
    options = Settings(redis_url="rediss://redis:6379/0", redis_ca_file=authority).redis_tls
    assert options["ssl_cert_reqs"] == "required"
    assert options["ssl_check_hostname"] is True
    assert options.get("ssl_ca_certs") == (str(authority) if authority else None)


def test_without_tls_nothing_is_said_of_it() -> None:
    plain = Settings(redis_url="redis://redis:6379/0")
    assert plain.redis_tls == {}
    assert create_app(plain).conf.broker_use_ssl is None
