"""Secrets of a release in the Kubernetes API: read by name, and created; never listed, changed or deleted."""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from kubernetes.aio import config

from twin_operator.adapters.kubernetes_api.client import (
    JSON,
    ApiError,
    KubernetesApi,
    client_of_a_user,
    load_configuration,
    segment,
)
from twin_operator.adapters.kubernetes_api.commands import NoCluster, closing
from twin_operator.services.generated_secrets import Content, SecretType
from twin_operator.services.reconciling.ports import Changed


@dataclass(frozen=True)
class ClusterSecrets:
    """The port `SecretStore` on the Kubernetes API; its methods raise `ApiError` where the API server refuses.

    Args:
        api: the client.
        release: name of the Helm release that the Secrets are for.
    """

    api: KubernetesApi
    release: str

    async def read(self, namespace: str, name: str) -> Content | None:
        """Return the data of a Secret; None where there is none of this name."""
        try:
            body = await self.api.get(f"{_collection(namespace)}/{segment(name)}")
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        return content_of(body)

    async def create(self, namespace: str, name: str, kind: SecretType, content: Content) -> None:
        """Create a Secret; raise `Changed` where its name is taken."""
        try:
            await self.api.create(_collection(namespace), secret_manifest(self.release, name, kind, content))
        except ApiError as error:
            if error.status == HTTPStatus.CONFLICT:
                raise Changed(error.message) from error
            raise


def secret_manifest(release: str, name: str, kind: SecretType, content: Content) -> JSON:
    """Return the manifest of a Secret.

    It has no label `app.kubernetes.io/instance`: Argo CD may take what has one for its own, and delete what it did not
    render.
    """
    labels = {
        "app.kubernetes.io/name": "twin-operator",
        "app.kubernetes.io/managed-by": "twin-operator",
        "twinops.dev/release": release,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": labels, "annotations": {"helm.sh/resource-policy": "keep"}},
        "type": str(kind),
        "data": {key: b64encode(value).decode() for key, value in content.items()},
    }


def content_of(body: JSON) -> Content:
    """Return the data of a Secret."""
    return {key: b64decode(value) for key, value in (body.get("data") or {}).items()}


@asynccontextmanager
async def cluster_secrets(release: str) -> AsyncIterator[ClusterSecrets]:
    """Give the Secrets of the cluster until the end of the block.

    Raises:
        NoCluster: there is neither a service account nor a usable kubeconfig.
    """
    try:
        configuration = await load_configuration()
    except (config.ConfigException, OSError, TypeError) as error:  # the last one for an empty file
        raise NoCluster("No cluster to talk to: there is no service account and no usable kubeconfig.") from error
    async with closing(client_of_a_user(configuration)) as api:
        yield ClusterSecrets(api, release)


def _collection(namespace: str) -> str:
    return f"/api/v1/namespaces/{segment(namespace)}/secrets"
