"""The Deployment controller and the kubelets of the cluster in memory; they act when a test says so."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Final

import orjson

from tests.fakes.cluster import InMemoryCluster
from twin_operator.services.runs.run import JSON

TEMPLATE_HASH: Final = "pod-template-hash"
DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
PHASES: Final = ("Pending", "Unknown", "Running")
"""In the order in which a ReplicaSet removes Pods."""


@dataclass
class DeploymentController:
    """Gives Deployments their Pods; there are no ReplicaSets, a Pod is owned by its Deployment.

    Args:
        cluster: holds Deployments and Pods.
    """

    cluster: InMemoryCluster
    _suffixes: Iterator[int] = field(default_factory=lambda: count(1))

    def settle(self, deployment: JSON, *, ready: bool) -> None:
        """Bring the Pods and the status of a Deployment to where its controller brings them in time.

        Args:
            deployment: as it is now.
            ready: whether Pods that are not ready become so; while one of the newest template is not, those of
                earlier templates stay.
        """
        wanted, mark = deployment["spec"]["replicas"], _template_hash(deployment)
        current = [pod for pod in self._owned(deployment) if pod["metadata"]["labels"][TEMPLATE_HASH] == mark]
        for _ in range(wanted - len(current)):
            self._start(deployment, mark)
        self._remove(sorted(current, key=_removal_rank)[: max(0, len(current) - wanted)])
        if ready:
            self._make_ready(deployment)
        pods = self._owned(deployment)
        current = [pod for pod in pods if pod["metadata"]["labels"][TEMPLATE_HASH] == mark]
        if all(is_ready(pod) for pod in current):
            self._remove([pod for pod in pods if pod not in current])
        self._write_status(deployment, len(current))

    def _owned(self, deployment: JSON) -> list[JSON]:
        uid, namespace = deployment["metadata"]["uid"], deployment["metadata"]["namespace"]
        pods = self.cluster.objects("Pod", namespace)
        return [pod for pod in pods if uid in {owner["uid"] for owner in pod["metadata"].get("ownerReferences", ())}]

    def _start(self, deployment: JSON, mark: str) -> None:
        meta, template = deployment["metadata"], deployment["spec"]["template"]
        labels = {**template["metadata"]["labels"], TEMPLATE_HASH: mark}
        owner = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": meta["name"],
            "uid": meta["uid"],
            "controller": True,
        }
        self.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    **template["metadata"],
                    "name": f"{meta['name']}-{mark}-{next(self._suffixes):05}",
                    "namespace": meta["namespace"],
                    "labels": labels,
                    "ownerReferences": [owner],
                },
                "spec": {**template["spec"], "nodeName": "node"},
            }
        )

    def _make_ready(self, deployment: JSON) -> None:
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        for pod in self._owned(deployment):
            if not is_ready(pod):
                meta = pod["metadata"]
                self.cluster.patch_status("Pod", meta["namespace"], meta["name"], {"status": status})

    def _remove(self, pods: list[JSON]) -> None:
        for pod in pods:
            self.cluster.remove("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])

    def _write_status(self, deployment: JSON, updated: int) -> None:
        meta, pods = deployment["metadata"], self._owned(deployment)
        ready = sum(map(is_ready, pods))
        status = {
            "observedGeneration": meta["generation"],
            "replicas": len(pods),
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        self.cluster.patch_status("Deployment", meta["namespace"], meta["name"], {"status": status})


def is_ready(pod: JSON) -> bool:
    """Return whether a Pod is ready."""
    conditions = pod["status"].get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _template_hash(deployment: JSON) -> str:
    return sha256(orjson.dumps(deployment["spec"]["template"], option=orjson.OPT_SORT_KEYS)).hexdigest()[:10]


def _removal_rank(pod: JSON) -> tuple[bool, int, bool, int, int]:
    """Return when a ReplicaSet removes a Pod; the least goes first, among equals the newest."""
    meta = pod["metadata"]
    cost = int(meta.get("annotations", {}).get(DELETION_COST, 0))
    phase = PHASES.index(pod["status"]["phase"])
    return bool(pod["spec"].get("nodeName")), phase, is_ready(pod), cost, -int(meta["uid"].rpartition("-")[2], 16)
