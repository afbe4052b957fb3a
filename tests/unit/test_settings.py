"""Settings: what they refuse, and that nobody prints a password by printing them."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices, ValidationError

from twin_operator.settings import LimitedPrefix, Settings
from twin_operator.wiring.connections import operator_redis, worker_redis
from twin_operator.worker.celery_app import create_app

REPOSITORY = Path(__file__).parents[2]
PASSWORD = "open-sesame"  # noqa: S105 - what no text may show
SECRETIVE = Settings(
    redis_url=f"rediss://operator:{PASSWORD}@redis:6379/0",
    archive_url=f"postgresql://archive:{PASSWORD}@database/archive",
    worker_env=[{"name": "AWS_SECRET_ACCESS_KEY", "value": PASSWORD}],
)


def tls_of_broker(settings: Settings) -> dict[str, Any]:
    options = create_app(settings, ["simulations"]).connection().ssl
    assert isinstance(options, dict)
    return options


def variables() -> Iterator[str]:
    """The environment variable of each setting; the last one where a setting has several."""
    for name, field in Settings.model_fields.items():
        match field.validation_alias:
            case None:
                yield f"TWINOPS_{name.upper()}"
            case AliasChoices(choices=choices):
                yield str(choices[-1])
            case alias:
                yield str(alias)


def test_every_setting_is_set_by_the_chart_or_documented() -> None:
    pages = [*(REPOSITORY / "charts").rglob("*.yaml"), *(REPOSITORY / "charts").rglob("*.tpl")]
    pages += (REPOSITORY / "docs").glob("*.md")
    text = "\n".join(page.read_text() for page in pages)
    named = set(re.findall(r"\b(?:TWINOPS|OTEL|MLFLOW|REQUESTS)_[A-Z_0-9]+\b", text))
    assert set(variables()) - named == set()


def test_addresses_are_allowed_to_all_namespaces_or_to_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINOPS_DATA_ALLOW", '["gs://", {"prefix": "s3://payments/", "namespaces": ["payments"]}]')
    limited = LimitedPrefix(prefix="s3://payments/", namespaces=frozenset({"payments"}))
    assert Settings().data_allow == ["gs://", limited]


@pytest.mark.parametrize(
    "entry",
    [
        '{"prefix": "s3://"}',
        '{"prefix": "s3://", "namespaces": []}',
        '{"prefix": "s3://", "namespaces": ["a"], "namespace": "b"}',
    ],
)
def test_a_limited_prefix_names_its_namespaces(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.setenv("TWINOPS_DATA_ALLOW", f"[{entry}]")
    with pytest.raises(ValidationError, match=r"data_allow\.0"):
        Settings()


def test_no_password_is_printed_with_the_settings() -> None:
    assert PASSWORD not in f"{SECRETIVE!r} {SECRETIVE}"


def test_an_error_does_not_repeat_what_was_given() -> None:
    with pytest.raises(ValidationError) as refusal:
        Settings(redis_url=f"redis://operator:{PASSWORD}@redis", redis_ca_file=Path("ca.crt"))
    assert "redis_ca_file is used with an address that begins with rediss://" in str(refusal.value)
    assert PASSWORD not in str(refusal.value)


def test_connections_do_not_show_their_password() -> None:
    with worker_redis(SECRETIVE.redis_url) as redis, create_app(SECRETIVE, ["simulations"]).connection() as connection:
        shown = [repr(redis), repr(operator_redis(SECRETIVE.redis_url)), repr(connection), connection.as_uri()]
    assert not [text for text in shown if PASSWORD in text]


def test_celery_shows_stars_in_its_banner() -> None:
    assert "operator:**@redis" in create_app(SECRETIVE, ["simulations"]).connection().as_uri()


@pytest.mark.parametrize("authority", [None, Path("/etc/redis/ca.crt")])
@pytest.mark.parametrize("query", ["", "?ssl_cert_reqs=none&ssl_check_hostname=false"])
def test_with_tls_every_client_demands_a_certificate_for_the_host(authority: Path | None, query: str) -> None:
    settings = Settings(redis_url=f"rediss://redis:6379/0{query}", redis_ca_file=authority)
    operator = operator_redis(settings.redis_url).connection_pool.connection_kwargs
    broker = tls_of_broker(settings)
    for options in (operator, broker):
        assert options["ssl_check_hostname"] is True
        assert options.get("ssl_ca_certs") == (str(authority) if authority else None)
    assert operator["ssl_cert_reqs"] == "required"
    assert broker["ssl_cert_reqs"] is ssl.CERT_REQUIRED


def test_a_clients_own_certificate_may_be_part_of_the_address() -> None:
    settings = Settings(redis_url="rediss://redis:6379/0?ssl_certfile=/tls.crt&ssl_keyfile=/tls.key")
    assert tls_of_broker(settings)["ssl_certfile"] == "/tls.crt"


def test_without_tls_an_address_stays_as_it_is() -> None:
    assert Settings(redis_url="redis://redis:6379/0").redis_url == "redis://redis:6379/0"


def test_the_secrets_of_a_process_are_those_of_its_environment_and_of_its_worker_pods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TWINOPS_REDIS_URL", "redis://worker:of-redis@redis")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of-mlflow")
    secrets = Settings(worker_env=[{"name": "AWS_SECRET_ACCESS_KEY", "value": "of-s3"}, {"name": "B"}]).secrets()
    assert {"of-redis", "of-mlflow", "of-s3"} <= secrets
    assert "redis" not in secrets
