"""A person's client: the cluster, the namespace and the credentials of a kubeconfig, as kubectl would choose them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from yaml import YAMLError

from twin_operator.adapters.kubernetes_api.client import JSON, KubernetesApi
from twin_operator.api.v1alpha1 import API_VERSION, PLURALS

FIELD_MANAGER: Final = "twin-operator-cli"
"""Not one that begins with kubectl: Flux takes those over, and would undo what a person wrote."""
_REVIEWS: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class NoCluster(Exception):  # noqa: N818 - a fact about the kubeconfig
    """The kubeconfig does not tell how to reach a cluster; the message says why."""


@dataclass(frozen=True)
class PersonsClient:
    """Reads and writes the resources of one namespace in a person's own name.

    Every method raises `ApiError` where the API server refuses.
    """

    api: KubernetesApi
    namespace: str

    async def user_name(self) -> str:
        """Return the name that the API server knows the person by."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await self.api.create(_REVIEWS, review)
        return str(answer["status"]["userInfo"]["username"])

    async def read(self, kind: str, name: str) -> JSON:
        """Return an object."""
        return await self.api.get(f"{self._collection(kind)}/{name}")

    async def list(self, kind: str, *, everywhere: bool = False) -> list[JSON]:
        """Return the objects of a kind, in the namespace or in all."""
        path = f"/apis/{API_VERSION}/{PLURALS[kind]}" if everywhere else self._collection(kind)
        return [body async for body in self.api.items(path)]

    async def create(self, body: JSON) -> JSON:
        """Create an object."""
        return await self.api.create(self._collection(body["kind"]), body, fieldManager=FIELD_MANAGER)

    async def change(self, kind: str, name: str, patch: JSON) -> JSON:
        """Merge a patch into an object."""
        return await self.api.merge(f"{self._collection(kind)}/{name}", patch, fieldManager=FIELD_MANAGER)

    def _collection(self, kind: str) -> str:
        return f"/apis/{API_VERSION}/namespaces/{self.namespace}/{PLURALS[kind]}"


@asynccontextmanager
async def persons_client(
    kubeconfig: Path | None, context: str | None, namespace: str | None
) -> AsyncIterator[PersonsClient]:
    """Give a client until the end of the block.

    Args:
        kubeconfig: the file; None for `$KUBECONFIG`, else the one in the home directory.
        context: the one to use; None for the current one.
        namespace: where; None for the context's.

    Raises:
        NoCluster: there is no usable kubeconfig.
    """
    settings = Configuration()
    settings.disable_strict_ssl_verification = True  # as everywhere: see KubernetesApi
    path = str(kubeconfig) if kubeconfig else None
    try:
        loaded = await config.load_kube_config(path, context, client_configuration=settings)  # type: ignore[no-untyped-call]
    except (config.ConfigException, YAMLError, OSError, TypeError) as error:  # the last one for an empty file
        raise NoCluster(f"No cluster to talk to: {error}") from error
    chosen = namespace or loaded.current_context["context"].get("namespace") or "default"
    api = KubernetesApi(settings)
    try:
        yield PersonsClient(api, chosen)
    finally:
        await api.close()
