"""Deployments of WorkerPools and their Pods in the API server, and the views that are made of their JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from twin_operator.adapters.kubernetes_api.client import JSON, ApiError, KubernetesApi
from twin_operator.adapters.kubernetes_api.resources import port_error
from twin_operator.services.pools.ports import ContainerState, Deployment, Pod, ReplicaCounts, WorkloadCondition
from twin_operator.services.reconciling.ports import Changed, Refused

DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
JSON_PATCH: Final = "application/json-patch+json"
OTHER: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})
"""How the API server answers that an object is gone, or another one than the patch names by its uid."""


@dataclass(frozen=True)
class ClusterWorkloads:
    """The port `Workloads` on a cluster.

    Args:
        api: the client.
    """

    api: KubernetesApi

    async def read_deployment(self, namespace: str, name: str) -> Deployment | None:
        """Return a Deployment, or None where there is none."""
        try:
            return deployment_view(await self.api.get(_deployment_path(namespace, name)))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def apply_deployment(self, manifest: JSON) -> Deployment:
        """Apply a Deployment on the server's side.

        Raises:
            Refused: with the server's sentence.
        """
        return deployment_view(await self._apply(manifest))

    async def check_deployment(self, manifest: JSON) -> None:
        """Apply a Deployment as a dry run.

        Raises:
            Refused: with the server's sentence.
        """
        await self._apply(manifest, dryRun="All")

    async def scale(self, deployment: Deployment, replicas: int) -> Deployment:
        """Set the replicas of a Deployment that still has those that were seen.

        Raises:
            Changed: it is another one, or has other replicas.
        """
        patch: list[JSON] = [
            {"op": "test", "path": "/metadata/uid", "value": deployment.uid},
            {"op": "test", "path": "/spec/replicas", "value": deployment.replicas.desired},
            {"op": "replace", "path": "/spec/replicas", "value": replicas},
        ]
        path, query = _deployment_path(deployment.namespace, deployment.name), {"fieldManager": "twin-operator"}
        try:
            return deployment_view(await self.api.request("PATCH", path, patch, JSON_PATCH, query=query))
        except ApiError as error:
            if error.status in OTHER:
                raise Changed(error.message) from error
            raise

    async def list_pods(self, namespace: str, selector: str) -> list[Pod]:
        """Return the Pods that a label selector matches."""
        found = self.api.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
        return [pod_view(body) async for body in found]

    async def set_deletion_cost(self, pod: Pod, cost: int | None) -> None:
        """Set or remove the deletion cost of a Pod, unless it is gone or another one has its name."""
        try:
            await self.api.merge(f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}", deletion_cost_patch(pod, cost))
        except ApiError as error:
            if error.status not in OTHER:
                raise

    async def _apply(self, manifest: JSON, **query: str) -> JSON:
        meta = manifest["metadata"]
        try:
            return await self.api.apply(_deployment_path(meta["namespace"], meta["name"]), manifest, **query)
        except ApiError as error:
            if error.status == HTTPStatus.FORBIDDEN:  # by an admission policy: a retry does not help
                raise Refused(error.message) from error
            raise port_error(error) from error


def _deployment_path(namespace: str, name: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def deletion_cost_patch(pod: Pod, cost: int | None) -> JSON:
    """Return the merge patch of a deletion cost; its uid makes it a conflict on another Pod of the same name."""
    annotations = {DELETION_COST: None if cost is None else str(cost)}
    return {"metadata": {"uid": pod.uid, "annotations": annotations}}


def deployment_view(body: Mapping[str, Any]) -> Deployment:
    """Return what is read of a Deployment."""
    meta, status = body["metadata"], body.get("status") or {}
    return Deployment(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=meta["generation"],
        observed_generation=status.get("observedGeneration", 0),
        replicas=ReplicaCounts(
            desired=body["spec"].get("replicas", 0),
            current=status.get("replicas", 0),
            updated=status.get("updatedReplicas", 0),
            ready=status.get("readyReplicas", 0),
        ),
        conditions=_conditions(status),
    )


def pod_view(body: Mapping[str, Any]) -> Pod:
    """Return what is read of a Pod."""
    meta, status = body["metadata"], body.get("status") or {}
    containers = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        created=meta.get("creationTimestamp") or "",
        terminating=bool(meta.get("deletionTimestamp")),
        assigned=bool(body["spec"].get("nodeName")),
        phase=status.get("phase", "Pending"),
        deletion_cost=_cost((meta.get("annotations") or {}).get(DELETION_COST)),
        conditions=_conditions(status),
        containers=tuple(_container(each) for each in containers),
    )


def _conditions(status: Mapping[str, Any]) -> tuple[WorkloadCondition, ...]:
    return tuple(
        WorkloadCondition(each["type"], each["status"], each.get("reason") or "", each.get("message") or "")
        for each in status.get("conditions") or ()
    )


def _container(status: Mapping[str, Any]) -> ContainerState:
    ended = (status.get("lastState") or {}).get("terminated") or {}
    waiting = (status.get("state") or {}).get("waiting") or {}
    return ContainerState(
        restarts=status.get("restartCount", 0),
        last_exit_code=ended.get("exitCode"),
        waiting_reason=waiting.get("reason") or "",
        waiting_message=waiting.get("message") or "",
    )


def _cost(annotation: str | None) -> int:
    try:
        return int(annotation or 0)
    except ValueError:
        return 0  # as a ReplicaSet reads it
