"""Deployments and Pods in memory: the port `Workloads`, and what the Deployment controller and kubelets do."""

from contextlib import suppress
from dataclasses import dataclass

from tests.fakes.cluster import InMemoryCluster, Invalid, Write
from tests.fakes.deployments import DeploymentController
from tests.fakes.selectors import matches_labels
from twin_operator.adapters.kubernetes_api.workloads import (
    adoption_patch,
    controller_uid,
    deletion_cost_patch,
    deployment_view,
    pod_view,
)
from twin_operator.api.v1alpha1 import OwnerReference
from twin_operator.services.pools.ports import Deployment, Pod
from twin_operator.services.reconciling.ports import Changed, Gone
from twin_operator.services.runs.run import JSON


@dataclass
class InMemoryWorkloads:
    """The Deployments of a cluster and their Pods.

    Args:
        cluster: holds Deployments and Pods.
    """

    cluster: InMemoryCluster

    def __post_init__(self) -> None:
        self._controller = DeploymentController(self.cluster)

    async def read_deployment(self, namespace: str, name: str) -> Deployment | None:
        """Return a Deployment, or None where there is none."""
        try:
            return deployment_view(await self.cluster.read("Deployment", namespace, name))
        except Gone:
            return None

    async def create_deployment(self, manifest: JSON) -> Deployment:
        """Create a Deployment; raise `Changed` where there is one of its name, or `Refused`."""
        place = "Deployment", manifest["metadata"]["namespace"], manifest["metadata"]["name"]

        def create() -> JSON:
            with suppress(KeyError):
                raise Changed(f'Deployment "{self.cluster.get(*place)["metadata"]["name"]}" already exists')
            return self.cluster.apply_object(manifest)

        return deployment_view(await self.cluster.request(create, Write("create", *place)))

    async def apply_deployment(self, deployment: Deployment, manifest: JSON) -> Deployment:
        """Apply a manifest to a Deployment on the server's side; raise `Changed` or `Refused`."""

        def apply() -> JSON:
            self._existing(deployment)
            return self.cluster.apply_object(manifest)

        write = Write("apply", "Deployment", deployment.namespace, deployment.name)
        return deployment_view(await self.cluster.request(apply, write))

    async def adopt(self, deployment: Deployment, owner: OwnerReference) -> Deployment:
        """Replace the owners of a Deployment by `owner`; raise `Changed`."""
        place = "Deployment", deployment.namespace, deployment.name

        def adopt() -> JSON:
            self._existing(deployment)
            return self.cluster.patch(*place, adoption_patch(deployment, owner))

        return deployment_view(await self.cluster.request(adopt, Write("patch", *place)))

    async def check_deployment(self, deployment: Deployment, manifest: JSON) -> None:
        """Apply a manifest to a Deployment as a dry run; raise `Changed` or `Refused`."""

        def check() -> None:
            self._existing(deployment)
            self.cluster.apply_object(manifest, dry_run=True)

        await self.cluster.request(check)

    async def scale(self, deployment: Deployment, replicas: int) -> Deployment:
        """Set the replicas of a Deployment that still has those that were seen; raise `Changed`."""
        place = "Deployment", deployment.namespace, deployment.name

        def scale() -> JSON:
            self._compare(deployment)
            return self.cluster.patch(*place, {"spec": {"replicas": replicas}})

        return deployment_view(await self.cluster.request(scale, Write("patch", *place)))

    async def list_pods(self, deployment: Deployment, selector: str) -> list[Pod]:
        """Return the Pods of a Deployment that a label selector matches."""
        matches = matches_labels(selector)

        def pods() -> list[Pod]:
            there = self.cluster.objects("Pod", deployment.namespace)
            return [pod_view(pod) for pod in there if matches(pod) and controller_uid(pod) == deployment.uid]

        return await self.cluster.request(pods)

    async def set_deletion_cost(self, pod: Pod, cost: int | None) -> None:
        """Set or remove the deletion cost of a Pod, unless it is gone or another one has its name."""
        place = "Pod", pod.namespace, pod.name

        def annotate() -> None:
            try:
                self.cluster.patch(*place, deletion_cost_patch(pod, cost))
            except (KeyError, Invalid):
                return
            self.cluster.writes.append(Write("patch", *place))

        await self.cluster.request(annotate)

    def settle(self, *, ready: bool = True) -> None:
        """Give every Deployment its Pods and status, as its controller and the kubelets do in time.

        Args:
            ready: whether Pods that are not ready become so.
        """
        for deployment in self.cluster.objects("Deployment"):
            self._controller.settle(deployment, ready=ready)

    def _compare(self, seen: Deployment) -> None:
        if self._existing(seen).replicas.desired != seen.replicas.desired:
            raise Changed("the Deployment has other replicas")

    def _existing(self, seen: Deployment) -> Deployment:
        try:
            there = deployment_view(self.cluster.get("Deployment", seen.namespace, seen.name))
        except KeyError:
            raise Changed(f'Deployment "{seen.name}" not found') from None
        if there.uid != seen.uid:
            raise Changed("the Deployment is another one")
        return there
