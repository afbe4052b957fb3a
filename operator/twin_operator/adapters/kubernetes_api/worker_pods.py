"""The Pods of workers, and the number of them that a Deployment wants."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from twin_operator.adapters.kubernetes_api.client import JSON, ApiError, KubernetesApi
from twin_operator.services.reconciling.ports import Changed

JSON_PATCH: Final = "application/json-patch+json"
OTHER: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})
"""How the API server answers that an object is gone, or another one than the patch names by its uid."""


@dataclass(frozen=True)
class ClusterPods:
    """Pods as scaling asks for them.

    Args:
        api: the client.
    """

    api: KubernetesApi

    async def list(self, namespace: str, selector: str) -> list[JSON]:
        """Return the Pods that a label selector matches."""
        return [pod async for pod in self.api.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)]

    async def annotate(self, pod: JSON, annotations: dict[str, str | None]) -> None:
        """Merge annotations into a Pod, unless it is gone or another one has its name."""
        meta = pod["metadata"]
        patch = {"metadata": {"uid": meta["uid"], "annotations": annotations}}
        try:
            await self.api.merge(f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}", patch)
        except ApiError as error:
            if error.status not in OTHER:
                raise

    async def scale(self, deployment: JSON, replicas: int) -> JSON:
        """Set the replicas of a Deployment that still has those that were seen.

        Raises:
            Changed: it is another one, or has other replicas.
        """
        meta = deployment["metadata"]
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": meta["uid"]},
            {"op": "test", "path": "/spec/replicas", "value": deployment["spec"]["replicas"]},
            {"op": "replace", "path": "/spec/replicas", "value": replicas},
        ]
        path = f"/apis/apps/v1/namespaces/{meta['namespace']}/deployments/{meta['name']}"
        query = {"fieldManager": "twin-operator"}
        try:
            return await self.api.request("PATCH", path, patch, JSON_PATCH, query=query)
        except ApiError as error:
            if error.status in OTHER:
                raise Changed(error.message) from error
            raise
