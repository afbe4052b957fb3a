"""Pods in memory: the port `WorkerPods`, and on request what the Deployment controller and kubelets do."""

from dataclasses import dataclass

from tests.fakes.cluster import InMemoryCluster, Invalid, Write
from tests.fakes.deployments import DeploymentController
from tests.fakes.selectors import matches_labels
from twin_operator.services.reconciling.ports import Changed
from twin_operator.services.runs.run import JSON


@dataclass
class InMemoryPods:
    """The Pods of the Deployments of a cluster.

    Args:
        cluster: holds Deployments and Pods.
    """

    cluster: InMemoryCluster

    def __post_init__(self) -> None:
        self._controller = DeploymentController(self.cluster)

    async def list(self, namespace: str, selector: str) -> list[JSON]:
        """Return the Pods that a label selector matches."""
        matches = matches_labels(selector)
        return await self.cluster.request(
            lambda: [pod for pod in self.cluster.objects("Pod", namespace) if matches(pod)]
        )

    async def annotate(self, pod: JSON, annotations: dict[str, str | None]) -> None:
        """Merge annotations into a Pod, unless it is gone or another one has its name."""
        meta = pod["metadata"]
        place = "Pod", meta["namespace"], meta["name"]
        patch = {"metadata": {"uid": meta["uid"], "annotations": annotations}}

        def annotate() -> None:
            try:
                self.cluster.patch(*place, patch)
            except (KeyError, Invalid):
                return
            self.cluster.writes.append(Write("patch", *place))

        await self.cluster.request(annotate)

    async def scale(self, deployment: JSON, replicas: int) -> JSON:
        """Set the replicas of a Deployment that still has those that were seen; raise `Changed`."""
        meta = deployment["metadata"]
        place = "Deployment", meta["namespace"], meta["name"]

        def scale() -> JSON:
            self._compare(deployment)
            return self.cluster.patch(*place, {"spec": {"replicas": replicas}})

        return await self.cluster.request(scale, Write("patch", *place))

    def settle(self, *, ready: bool = True) -> None:
        """Give every Deployment its Pods and status, as its controller and the kubelets do in time.

        Args:
            ready: whether Pods that are not ready become so.
        """
        for deployment in self.cluster.objects("Deployment"):
            self._controller.settle(deployment, ready=ready)

    def _compare(self, deployment: JSON) -> None:
        meta = deployment["metadata"]
        try:
            there = self.cluster.get("Deployment", meta["namespace"], meta["name"])
        except KeyError:
            raise Changed(f'Deployment "{meta["name"]}" not found') from None
        seen = meta["uid"], deployment["spec"]["replicas"]
        if (there["metadata"]["uid"], there["spec"]["replicas"]) != seen:
            raise Changed("the Deployment is another one, or has other replicas")
