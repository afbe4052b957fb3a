"""The cluster's own certificate authority, the certificates it signs, and the keys of service-account tokens."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A development cluster may be kept for long, and its certificates are not renewed.
_VALID = dt.timedelta(days=3650)
# The clocks of virtual machines step back now and then.
_SKEW = dt.timedelta(hours=1)
# Python 3.13 refuses an authority that does not say what its key is for.
_SIGNS_CERTIFICATES = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Identity:
    """Whom a certificate names: Kubernetes reads the user from the name, the groups from the organisations."""

    user: str
    groups: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()  # as a server: DNS names and IP addresses


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder; made when it is first opened."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.pair = self._paths("ca")
        if not self.pair.key.exists():
            self._create()
        self._key = _load_key(self.pair.key)
        self._certificate = x509.load_pem_x509_certificate(self.pair.certificate.read_bytes())

    def _paths(self, name: str) -> Pair:
        return Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")

    def _create(self) -> None:
        key, name = _new_key(), _name(Identity("devcluster"))
        builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_SIGNS_CERTIFICATES, critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        certificate = builder.sign(key, hashes.SHA256())
        self.pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(self.pair.key, key)

    def issue(self, name: str, identity: Identity) -> Pair:
        """Sign a certificate for a client, or for a server when it has addresses; once for each name."""
        pair = self._paths(name)
        if pair.key.exists():
            return pair
        key = _new_key()
        certificate = self._sign(_builder(_name(identity), self._certificate.subject, key), identity)
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(pair.key, key)
        return pair

    def _sign(self, builder: x509.CertificateBuilder, identity: Identity) -> x509.Certificate:
        usage = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if identity.addresses:
            usage.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_general_name(address) for address in identity.addresses])
            builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def signing_key(self, name: str) -> Pair:
        """Make a key pair for tokens: the `certificate` of the pair is its public key."""
        pair = Pair(self._folder / f"{name}.pub", self._folder / f"{name}.key")
        if not pair.key.exists():
            key = _new_key()
            public = serialization.PublicFormat.SubjectPublicKeyInfo
            pair.certificate.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, public))
            _write_key(pair.key, key)
        return pair


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - _SKEW).not_valid_after(now + _VALID)


def _name(identity: Identity) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, identity.user)])


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{file} holds no elliptic-curve key")
    return key


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    # PKCS#8 would do for TLS, but the API server reads token keys in the curve's own format.
    content = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    file.touch(mode=0o600)
    file.write_bytes(content)
