"""Secrets that are generated where they are absent: the signing key, passwords and a certificate.

A Secret that exists is kept as it is: nothing here changes or deletes one. Requests belong in the adapter of
`SecretStore`, random values and certificates in the callers.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from twin_operator.services.reconciling.ports import Changed

Content = Mapping[str, bytes]
"""The data of a Secret: values by key."""


class UnusableSecret(Exception):  # noqa: N818 - a fact about a Secret
    """A Secret that exists is not what the release needs; the message says what the user must do."""


class SecretType(StrEnum):
    """Types of Secrets, as Kubernetes names them."""

    OPAQUE = "Opaque"
    TLS = "kubernetes.io/tls"


class SecretStore(Protocol):
    """Secrets in the cluster."""

    async def read(self, namespace: str, name: str) -> Content | None:
        """Return the data of a Secret; None where there is none of this name."""

    async def create(self, namespace: str, name: str, kind: SecretType, content: Content) -> None:
        """Create a Secret; raise `Changed` where its name is taken."""


@dataclass(frozen=True)
class GeneratedSecret:
    """A Secret of a release.

    Args:
        name: of the object.
        kind: its type.
        keys: keys that must have a value.
        generate: returns new data, with these keys.
        copies: namespaces that need the same values under the same name.
    """

    name: str
    kind: SecretType
    keys: tuple[str, ...]
    generate: Callable[[], Content]
    copies: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a Secret."""

    namespace: str
    name: str
    created: bool

    def __str__(self) -> str:
        """Return a line for the log; it has no value of a Secret."""
        return f"{'created' if self.created else 'kept'} Secret {self.name} in namespace {self.namespace}"


@dataclass(frozen=True)
class SecretCreation:
    """Creates the Secrets of a release that are absent.

    Args:
        store: the cluster.
        namespace: of the release, whose Secrets are the originals of every copy.
    """

    store: SecretStore
    namespace: str

    async def create_absent(self, secrets: Sequence[GeneratedSecret]) -> AsyncIterator[Outcome]:
        """Create what is absent, and yield what became of each Secret.

        Raises:
            UnusableSecret: one that exists lacks a value, or a copy differs from its original.
        """
        for secret in secrets:
            content, outcome = await self._kept_or_created(self.namespace, secret, secret.generate)
            yield outcome
            for namespace in secret.copies:
                yield await self._copy(namespace, secret, content)

    async def _copy(self, namespace: str, secret: GeneratedSecret, original: Content) -> Outcome:
        copy, outcome = await self._kept_or_created(namespace, secret, lambda: original)
        if any(copy[key] != original[key] for key in secret.keys):
            raise UnusableSecret(
                f"Secret {secret.name} in namespace {namespace} differs from that in namespace {self.namespace}: "
                f"delete it, and upgrade the release again, which copies that one."
            )
        return outcome

    async def _kept_or_created(
        self, namespace: str, secret: GeneratedSecret, generate: Callable[[], Content]
    ) -> tuple[Content, Outcome]:
        """Return the data that the cluster has in the end: another process may create the Secret at the same time."""
        while (found := await self.store.read(namespace, secret.name)) is None:
            content = generate()
            try:
                await self.store.create(namespace, secret.name, secret.kind, content)
            except Changed:
                continue
            return content, Outcome(namespace, secret.name, created=True)
        _require_values(namespace, secret, found)
        return found, Outcome(namespace, secret.name, created=False)


def _require_values(namespace: str, secret: GeneratedSecret, content: Content) -> None:
    missing = [key for key in secret.keys if not content.get(key)]
    if missing:
        raise UnusableSecret(
            f"Secret {secret.name} in namespace {namespace} has no value for {', '.join(missing)}: add it, or delete "
            f"the Secret and upgrade the release again, which creates a new one."
        )
