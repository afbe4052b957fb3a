"""`twin-operator secrets`: what the chart's Job runs before an installation and an upgrade.

It creates the release's Secrets that are absent; templates would make new values at each rendering.
"""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from twin_operator.cli.output import fail
from twin_operator.cli.startup import MISCONFIGURED
from twin_operator.services.generated_secrets import (
    Content,
    GeneratedSecret,
    SecretCreation,
    SecretType,
    UnusableSecret,
)

app = typer.Typer(no_args_is_help=True, help="The Secrets that a release generates.")
RANDOM_BYTES: Final = 32  # of a key or a password: 64 hexadecimal digits, which an address may hold as they are
CERTIFICATE_KEYS: Final = ("ca.crt", "tls.crt", "tls.key")


@app.callback()
def group() -> None:
    """Keep `create` a command of its own: Typer makes a single command the whole program."""


@app.command()
def create(
    release: Annotated[str, typer.Option(help="Name of the Helm release, for a label.")],
    namespace: Annotated[str, typer.Option(help="Namespace of the release.")],
    *,
    signing_key: Annotated[str, typer.Option(help="Secret with the key that signs messages; empty: none.")] = "",
    copy_to: Annotated[
        list[str] | None, typer.Option(help="Namespace of worker pools, which gets a copy of the signing key.")
    ] = None,
    passwords: Annotated[
        list[str] | None, typer.Option(metavar="SECRET=KEY,KEY", help="Secret with passwords.")
    ] = None,
    certificate: Annotated[
        list[str] | None, typer.Option(metavar="SECRET=SERVICE", help="Secret with a Service's TLS certificate.")
    ] = None,
) -> None:
    """Create the Secrets that are absent; those that exist are kept as they are."""
    wanted = [
        *([_signing_key(signing_key, tuple(copy_to or ()))] if signing_key else []),
        *(_passwords(*_pair("--passwords", value)) for value in passwords or ()),
        *(_certificate(*_pair("--certificate", value), namespace) for value in certificate or ()),
    ]
    asyncio.run(_create(release, namespace, wanted))


async def _create(release: str, namespace: str, wanted: Sequence[GeneratedSecret]) -> None:
    from twin_operator.adapters.kubernetes_api.client import ApiError  # noqa: PLC0415 - help needs no cluster
    from twin_operator.adapters.kubernetes_api.commands import NoCluster  # noqa: PLC0415 - likewise
    from twin_operator.adapters.kubernetes_api.secret_store import cluster_secrets  # noqa: PLC0415 - likewise

    try:
        async with cluster_secrets(release) as store:
            async for outcome in SecretCreation(store, namespace).create_absent(wanted):
                typer.echo(str(outcome))
    except ApiError as error:
        fail(f"A Secret is not there and was not created: {error.message}")
    except (UnusableSecret, NoCluster) as error:
        fail(str(error))


def _signing_key(name: str, copies: tuple[str, ...]) -> GeneratedSecret:
    return GeneratedSecret(name, SecretType.OPAQUE, ("key",), lambda: random_values("key"), copies)


def _passwords(name: str, keys: str) -> GeneratedSecret:
    names = tuple(keys.split(","))
    return GeneratedSecret(name, SecretType.OPAQUE, names, lambda: random_values(*names), ())


def _certificate(name: str, service: str, namespace: str) -> GeneratedSecret:
    from twin_operator.adapters.server_certificate import new_certificate  # noqa: PLC0415 - slow to import

    def generate() -> Content:
        return new_certificate(service, namespace, datetime.now(UTC))

    return GeneratedSecret(name, SecretType.TLS, CERTIFICATE_KEYS, generate, ())


def random_values(*keys: str) -> Content:
    """Return a random value of 256 bits for each key."""
    return {key: secrets.token_hex(RANDOM_BYTES).encode() for key in keys}


def _pair(option: str, value: str) -> tuple[str, str]:
    name, _, rest = value.partition("=")
    if not name or not all(rest.split(",")):
        fail(f"Correct {option} {value}: it has the form NAME=VALUE.", MISCONFIGURED)
    return name, rest
