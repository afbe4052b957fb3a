"""A client that knows the authority accepts the certificate, under each name of the Service and no other."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from twin_operator.adapters.server_certificate import host_names, new_certificate

SERVICE, NAMESPACE = "twins-redis", "growth"


def handshake(folder: Path, host: str, service: str = SERVICE) -> None:
    """Connect a client with strict checks to a server in memory; raise `ssl.SSLError`."""
    for name, content in new_certificate(service, NAMESPACE, datetime.now(UTC)).items():
        (folder / name).write_bytes(content)
    trusting = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server, server_hostname=host)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        _step(side)
    assert client.version() == "TLSv1.3"
    client.do_handshake()


def _step(side: ssl.SSLObject) -> None:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        """It waits for the other side."""


@pytest.mark.parametrize(
    "host", ["twins-redis.growth.svc", "twins-redis", "twins-redis.growth.svc.cluster.local", "localhost", "127.0.0.1"]
)
def test_a_client_accepts_it_for_each_name_of_the_service(tmp_path: Path, host: str) -> None:
    handshake(tmp_path, host)


@pytest.mark.parametrize("host", ["twins-redis.other.svc", "127.0.0.2"])
def test_a_client_refuses_it_for_another_host(tmp_path: Path, host: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(tmp_path, host)


def test_a_long_name_is_shortened_only_where_it_must_be(tmp_path: Path) -> None:
    service = "r" * 63
    handshake(tmp_path, f"{service}.{NAMESPACE}.svc", service)


def test_it_is_valid_for_ten_years_and_its_authority_for_one_server() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    content = new_certificate(SERVICE, NAMESPACE, now)
    for name in ("tls.crt", "ca.crt"):
        certificate = x509.load_pem_x509_certificate(content[name])
        assert certificate.not_valid_before_utc == now - timedelta(hours=1)
        assert certificate.not_valid_after_utc == now + timedelta(days=3650)
    assert content["ca.crt"] != new_certificate(SERVICE, NAMESPACE, now)["ca.crt"]
    assert host_names(SERVICE, NAMESPACE)[0] == "twins-redis.growth.svc"
