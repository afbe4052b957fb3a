"""Deployments of WorkerPools and their Pods in the API server, and the views that are made of their JSON."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from twin_operator.adapters.kubernetes_api.client import JSON, ApiError, KubernetesApi, segment
from twin_operator.adapters.kubernetes_api.resources import port_error
from twin_operator.api.v1alpha1 import OwnerReference
from twin_operator.services.pools.ports import ContainerState, Deployment, Pod, ReplicaCounts, WorkloadCondition
from twin_operator.services.reconciling.ports import WRITE_ATTEMPTS, Changed, Refused

DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
JSON_PATCH: Final = "application/json-patch+json"
MANAGER: Final = "twin-operator"
SCALER: Final = "twin-operator-scale"  # not MANAGER: an apply without replicas must not remove those that were scaled
OTHER: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})
"""How the API server answers that an object is gone, or another one than the patch names by its uid."""
LASTING: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.INTERNAL_SERVER_ERROR})
"""How admission policies refuse a Deployment, and server-side apply one that does not fit the schema."""


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

    async def create_deployment(self, manifest: JSON) -> Deployment:
        """Create a Deployment; server-side apply would take over one that another client created since the last read.

        Raises:
            Changed: there is one of this name.
            Refused: with the server's sentence.
        """
        path = _collection(manifest["metadata"]["namespace"])
        with _write_errors():
            return deployment_view(await self.api.create(path, manifest, fieldManager=MANAGER))

    async def apply_deployment(self, deployment: Deployment, manifest: JSON) -> Deployment:
        """Apply a manifest to a Deployment on the server's side, if it still has its uid.

        Raises:
            Changed: it is gone, another one has its name, or it changed during each of the attempts.
            Refused: with the server's sentence.
        """
        return deployment_view(await self._apply(deployment, manifest))

    async def adopt(self, deployment: Deployment, owner: OwnerReference) -> Deployment:
        """Replace the owners of a Deployment by `owner`.

        Raises:
            Changed: it is not as it was read.
        """
        path = _deployment_path(deployment.namespace, deployment.name)
        with _write_errors():
            return deployment_view(await self.api.merge(path, adoption_patch(deployment, owner), fieldManager=MANAGER))

    async def check_deployment(self, deployment: Deployment, manifest: JSON) -> None:
        """Apply a manifest to a Deployment as a dry run: the same request as `apply_deployment`, with its errors."""
        await self._apply(deployment, manifest, dryRun="All")

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
        path, query = _deployment_path(deployment.namespace, deployment.name), {"fieldManager": SCALER}
        try:
            return deployment_view(await self.api.request("PATCH", path, patch, JSON_PATCH, query=query))
        except ApiError as error:
            if error.status in OTHER:
                raise Changed(error.message) from error
            raise

    async def list_pods(self, deployment: Deployment, selector: str) -> list[Pod]:
        """Return the Pods of a Deployment's ReplicaSets that a label selector matches."""
        namespace = deployment.namespace
        sets = self.api.items(f"/apis/apps/v1/namespaces/{segment(namespace)}/replicasets", labelSelector=selector)
        uids = {each["metadata"]["uid"] async for each in sets if controller_uid(each) == deployment.uid}
        pods = self.api.items(f"/api/v1/namespaces/{segment(namespace)}/pods", labelSelector=selector)
        return [pod_view(body) async for body in pods if controller_uid(body) in uids]

    async def set_deletion_cost(self, pod: Pod, cost: int | None) -> None:
        """Set or remove the deletion cost of a Pod, unless it is gone or another one has its name."""
        try:
            await self.api.merge(
                f"/api/v1/namespaces/{segment(pod.namespace)}/pods/{segment(pod.name)}", deletion_cost_patch(pod, cost)
            )
        except ApiError as error:
            if error.status not in OTHER:
                raise

    async def _apply(self, deployment: Deployment, manifest: JSON, **query: str) -> JSON:
        """Apply a manifest, again after a conflict: a controller may write the Deployment's status at any time."""
        with _write_errors():
            for attempt in range(1, WRITE_ATTEMPTS + 1):
                try:
                    return await self._apply_to_present(deployment, manifest, query)
                except ApiError as error:
                    if error.status != HTTPStatus.CONFLICT or attempt == WRITE_ATTEMPTS:
                        raise
        raise AssertionError("the last attempt returns or raises")

    async def _apply_to_present(self, deployment: Deployment, manifest: JSON, query: Mapping[str, str]) -> JSON:
        """Apply a manifest to the version of the Deployment that is read now; another version is a conflict."""
        path = _deployment_path(deployment.namespace, deployment.name)
        body = await self.api.get(path)
        if body["metadata"]["uid"] != deployment.uid:
            raise Changed(f"Deployment {deployment.name} is another one now")
        seen = await self._as_applied(path, body)
        version = {"uid": deployment.uid, "resourceVersion": seen["metadata"]["resourceVersion"]}
        return await self.api.apply(path, {**manifest, "metadata": {**manifest["metadata"], **version}}, **query)

    async def _as_applied(self, path: str, body: JSON) -> JSON:
        """Change the fields that the operator created into applied ones, and return the Deployment then.

        Else a field that a later manifest no longer has would stay: an apply removes only what an apply has set. The
        same as `csaupgrade` of client-go for objects that were not created by an apply.
        """
        managed = body["metadata"].get("managedFields") or []
        changed = as_applied(managed)
        if changed == managed:
            return body
        version = body["metadata"]["resourceVersion"]
        return await self.api.merge(path, {"metadata": {"resourceVersion": version, "managedFields": changed}})


@contextmanager
def _write_errors() -> Iterator[None]:
    """Raise the errors of the port `Workloads` for a Deployment that is written."""
    try:
        yield
    except ApiError as error:
        if error.status in LASTING:
            raise Refused(error.message) from error
        if error.status == HTTPStatus.NOT_FOUND:
            raise Changed(error.message) from error
        raise port_error(error) from error


def as_applied(managed: list[JSON]) -> list[JSON]:
    """Return managedFields with the operator's entry of a create as one of an apply, unless there is one already."""
    if any(_is_ours(entry, "Apply") for entry in managed):
        return managed
    return [{**entry, "operation": "Apply"} if _is_ours(entry, "Update") else entry for entry in managed]


def _is_ours(entry: JSON, operation: str) -> bool:
    return entry.get("manager") == MANAGER and entry.get("operation") == operation and not entry.get("subresource")


def _collection(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{segment(namespace)}/deployments"


def _deployment_path(namespace: str, name: str) -> str:
    return f"{_collection(namespace)}/{segment(name)}"


def controller_uid(body: Mapping[str, Any]) -> str | None:
    """Return the uid of the object that controls this one, if there is one."""
    owners = body["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def adoption_patch(deployment: Deployment, owner: OwnerReference) -> JSON:
    """Return the merge patch of a new owner; its resource version makes it a conflict on any other state."""
    owners = [owner.model_dump(mode="json")]
    return {"metadata": {"resourceVersion": deployment.resource_version, "ownerReferences": owners}}


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
        resource_version=meta["resourceVersion"],
        generation=meta["generation"],
        observed_generation=status.get("observedGeneration", 0),
        owners=tuple(map(OwnerReference.model_validate, meta.get("ownerReferences") or ())),
        terminating=bool(meta.get("deletionTimestamp")),
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
