"""The Kubernetes API for commands: a user's own client, CRDs that are applied, and the state of an installation.

What the operator's process does with the API belongs in `resources` and `worker_pods`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from yaml import YAMLError

from twin_operator.adapters.kubernetes_api.client import (
    JSON,
    ApiError,
    KubernetesApi,
    client_of_a_user,
    load_configuration,
    segment,
)
from twin_operator.adapters.kubernetes_api.resources import ClusterResources
from twin_operator.adapters.kubernetes_api.typed_resources import parse
from twin_operator.api.v1alpha1 import API_VERSION, PLURALS, WorkerPool
from twin_operator.services.installation import Leader

LEASE_SECONDS: Final = 15  # where the Lease does not say: the default of client-go
FIELD_MANAGER: Final = "twin-operator-cli"
"""Not one that begins with kubectl: Flux takes those over, and would undo what a user wrote."""
_REVIEWS: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class NoCluster(Exception):  # noqa: N818 - a fact about the kubeconfig
    """The kubeconfig names no cluster that can be reached; the message says why."""


@dataclass(frozen=True)
class UserClient:
    """Reads and writes the resources of one namespace with a user's credentials.

    Every method raises `ApiError` where the API server refuses.
    """

    api: KubernetesApi
    namespace: str

    async def user_name(self) -> str:
        """Return the name of the user, as the API server authenticates it."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await self.api.create(_REVIEWS, review)
        return str(answer["status"]["userInfo"]["username"])

    async def read(self, kind: str, name: str) -> JSON:
        """Return an object."""
        return await self.api.get(f"{self._collection(kind)}/{segment(name)}")

    async def list(self, kind: str, *, everywhere: bool = False, **query: str) -> list[JSON]:
        """Return the objects of a kind, in the namespace or in all; `query` may have a `fieldSelector`."""
        path = f"/apis/{API_VERSION}/{PLURALS[kind]}" if everywhere else self._collection(kind)
        return [body async for body in self.api.items(path, **query)]

    async def create(self, body: JSON) -> JSON:
        """Create an object."""
        return await self.api.create(self._collection(body["kind"]), body, fieldManager=FIELD_MANAGER)

    async def change(self, kind: str, name: str, patch: JSON) -> JSON:
        """Merge a patch into an object."""
        return await self.api.merge(f"{self._collection(kind)}/{segment(name)}", patch, fieldManager=FIELD_MANAGER)

    def _collection(self, kind: str) -> str:
        return f"/apis/{API_VERSION}/namespaces/{segment(self.namespace)}/{PLURALS[kind]}"


@asynccontextmanager
async def user_client(kubeconfig: Path | None, context: str | None, namespace: str | None) -> AsyncIterator[UserClient]:
    """Give a client, with the cluster and credentials that kubectl would choose, until the end of the block.

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
    async with closing(client_of_a_user(settings)) as api:
        yield UserClient(api, chosen)


async def apply_crds(definitions: Sequence[JSON]) -> list[str]:
    """Apply custom resource definitions and return their names."""
    names = [str(definition["metadata"]["name"]) for definition in definitions]
    async with closing(client_of_a_user(await load_configuration())) as api:
        for name, definition in zip(names, definitions, strict=True):
            await api.apply(f"{_CRDS}/{name}", definition)
    return names


async def read_installation(namespace: str, lease: str) -> tuple[Leader | None, list[WorkerPool]]:
    """Return the leader of an installation, None where there is none, and its WorkerPools."""
    async with closing(client_of_a_user(await load_configuration())) as api:
        found = await _get_or_none(api, f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{lease}")
        pools = api.items(f"/apis/{API_VERSION}/namespaces/{namespace}/workerpools")
        return leader_of(found), [parse(WorkerPool, body) async for body in pools]


async def read_cluster_uid() -> str:
    """Return the uid of the cluster: that of the namespace kube-system."""
    async with closing(client_of_a_user(await load_configuration())) as api:
        return await ClusterResources(api, ()).cluster_uid()


def leader_of(lease: Mapping[str, Any] | None) -> Leader | None:
    """Return who holds a Lease, or None."""
    spec = (lease or {}).get("spec") or {}
    holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
    if not holder or not renewed:
        return None
    return Leader(holder, datetime.fromisoformat(renewed), spec.get("leaseDurationSeconds", LEASE_SECONDS))


async def _get_or_none(api: KubernetesApi, path: str) -> JSON | None:
    try:
        return await api.get(path)
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


@asynccontextmanager
async def closing(api: KubernetesApi) -> AsyncIterator[KubernetesApi]:
    """Give a client until the end of the block, and close it."""
    try:
        yield api
    finally:
        await api.close()
