"""A worker's Pod as scaling in sees it, and what keeps Pods from becoming ready, in a sentence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from twin_operator.services.runs.run import JSON

DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
OVER: Final = frozenset({"Succeeded", "Failed"})
PHASES: Final = {"Pending": 0, "Unknown": 1}  # a ReplicaSet removes these first, in this order; then running ones
ADVICE: Final = {
    "ErrImagePull": "see that the image exists and that the workers' service account may pull it",
    "ImagePullBackOff": "see that the image exists and that the workers' service account may pull it",
    "InvalidImageName": "mend the image's name in the template",
    "CreateContainerConfigError": "see that the Secrets and ConfigMaps that the template names exist",
    "CrashLoopBackOff": "see kubectl logs --previous of this Pod",
    "Unschedulable": "add nodes, or change the template's resources, node selector or tolerations",
}


@dataclass(frozen=True)
class Worker:
    """A Pod that is there and not on its way out.

    Attributes:
        cost: its pod-deletion-cost; the lower, the sooner a ReplicaSet removes it.
        created: RFC 3339.
    """

    name: str
    assigned: bool
    phase: int
    ready: bool
    cost: int
    created: str
    pod: JSON

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """Return where a ReplicaSet looks first when it removes Pods, before any cost; the least goes first."""
        return self.assigned, self.phase, self.ready


def workers(pods: Iterable[JSON]) -> list[Worker]:
    """Return the workers among Pods: those that are leaving or over count no more."""
    return [
        _worker(pod)
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp") and (pod.get("status") or {}).get("phase") not in OVER
    ]


def _worker(pod: JSON) -> Worker:
    meta, status = pod["metadata"], pod.get("status") or {}
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or ()}
    return Worker(
        name=meta["name"],
        assigned=bool(pod["spec"].get("nodeName")),
        phase=PHASES.get(status.get("phase", "Pending"), 2),
        ready=conditions.get("Ready") == "True",
        cost=_cost((meta.get("annotations") or {}).get(DELETION_COST)),
        created=meta.get("creationTimestamp") or "",
        pod=pod,
    )


def _cost(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0  # as a ReplicaSet takes it


def trouble(pods: Iterable[JSON], deployment: JSON | None) -> str | None:
    """Return what keeps workers from becoming ready, as Kubernetes says it, or None."""
    conditions = ((deployment or {}).get("status") or {}).get("conditions") or ()
    for condition in conditions:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return f"Worker Pods cannot be created: {condition.get('message', '')}"
    found = (_trouble_of(worker.pod) for worker in workers(pods) if not worker.ready)
    return next((sentence for sentence in found if sentence), None)


def _trouble_of(pod: JSON) -> str | None:
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return _sentence(pod, condition)
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if ended := (container.get("lastState") or {}).get("terminated"):
            times = f"it ended {container.get('restartCount', 1)} times, at last with code {ended.get('exitCode')}"
            return _sentence(pod, {"reason": "CrashLoopBackOff", "message": times})
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
            return _sentence(pod, waiting)
    return None


def _sentence(pod: JSON, found: Mapping[str, Any]) -> str:
    reason, message = found.get("reason", "unknown"), found.get("message")
    said = f"{reason} ({message})" if message else str(reason)
    advice = ADVICE.get(reason)
    return f"Worker Pod {pod['metadata']['name']} does not start: {said}" + (f"; {advice}." if advice else ".")
