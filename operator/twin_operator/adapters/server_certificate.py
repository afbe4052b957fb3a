"""A TLS certificate for a server inside the cluster, signed by an authority that exists for it alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME: Final = timedelta(days=3650)  # nothing renews it
SKEW: Final = timedelta(hours=1)  # a client's clock may be behind
_NAME_LIMIT: Final = 64  # characters of a common name (RFC 5280, ub-common-name)
_NO_USAGE: Final = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@dataclass(frozen=True)
class _Authority:
    """An authority; its key is forgotten with it, so that it signs nothing else."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    now: datetime

    def certificate(self) -> x509.Certificate:
        """Return its own certificate."""
        builder = self._builder(self.name, self.key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, names: Sequence[str], key: ec.EllipticCurvePublicKey) -> x509.Certificate:
        """Return a certificate for a server of these names, and of the loopback address."""
        hosts = [*(x509.DNSName(name) for name in names), x509.IPAddress(IPv4Address("127.0.0.1"))]
        builder = self._builder(_named(names[0]), key)
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage("digital_signature"), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder(issuer_name=self.name, subject_name=subject, public_key=key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(self.now - SKEW).not_valid_after(self.now + LIFETIME)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return builder.add_extension(issuer, critical=False)


def new_certificate(service: str, namespace: str, now: datetime) -> Mapping[str, bytes]:
    """Return certificate, key and authority for a Service, as a Secret of type kubernetes.io/tls has them.

    Returns:
        `tls.crt`, `tls.key` and `ca.crt` in PEM, valid for ten years from `now`.
    """
    key, authority = _new_key(), _Authority(_named(f"{service}-ca"), _new_key(), now)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return {
        "tls.crt": authority.issue(host_names(service, namespace), key.public_key()).public_bytes(encoding),
        "tls.key": key.private_bytes(encoding, form, serialization.NoEncryption()),
        "ca.crt": authority.certificate().public_bytes(encoding),
    }


def host_names(service: str, namespace: str) -> tuple[str, ...]:
    """Return the names by which Pods call a Service, that of `kubectl port-forward` among them."""
    host = f"{service}.{namespace}"
    return f"{host}.svc", service, host, f"{host}.svc.cluster.local", "localhost"


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_NAME_LIMIT])])


def _usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{**_NO_USAGE, **dict.fromkeys(allowed, True)})
