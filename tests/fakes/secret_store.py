"""Secrets in memory: the port `SecretStore` on an API server without a network."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.fakes.cluster import InMemoryCluster
from twin_operator.adapters.kubernetes_api.secret_store import content_of, secret_manifest
from twin_operator.services.generated_secrets import Content, SecretType
from twin_operator.services.reconciling.ports import Gone


@dataclass(frozen=True)
class InMemorySecrets:
    """The Secrets of a cluster, as a release creates them."""

    cluster: InMemoryCluster

    async def read(self, namespace: str, name: str) -> Content | None:
        """Return the data of a Secret, or None."""
        try:
            return content_of(await self.cluster.read("Secret", namespace, name))
        except Gone:
            return None

    async def create(self, namespace: str, name: str, kind: SecretType, content: Content) -> None:
        """Create a Secret; raise `Changed` where its name is taken."""
        manifest = secret_manifest("twins", name, kind, content)
        await self.cluster.create("Secret", {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}})

    def content(self, namespace: str, name: str) -> Content:
        """Return the data of a Secret that exists."""
        return content_of(self.cluster.get("Secret", namespace, name))

    def places(self) -> Sequence[str]:
        """Return `NAMESPACE/NAME` of each Secret."""
        metadata = [body["metadata"] for body in self.cluster.objects("Secret")]
        return [f"{meta['namespace']}/{meta['name']}" for meta in metadata]
