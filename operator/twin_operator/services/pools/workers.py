"""The workers of a pool by their Pods: which are removed when there are to be fewer, and why some do not start.

A ReplicaSet removes Pods that are not assigned, not running or not ready before it compares deletion costs. So a
worker may be chosen only with every worker that ranks before it; a busy one that is not ready keeps all behind it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from twin_operator.services.pools.ports import Deployment, Pod

IDLE_COST: Final = -1000  # deletion cost of an idle worker that is to be removed
BUSY_COST: Final = -500  # of a busy one that a smaller spec.replicas removes, after every idle one
FINISHED: Final = frozenset({"Succeeded", "Failed"})
PHASE_RANKS: Final = {"Pending": 0, "Unknown": 1}  # a ReplicaSet removes these first, in this order
RUNNING_RANK: Final = 2
STARTING: Final = frozenset({"", "ContainerCreating", "PodInitializing"})  # why a container waits that will start
ADVICE: Final = {
    "ErrImagePull": "see that the image exists and that the workers' service account may pull it",
    "ImagePullBackOff": "see that the image exists and that the workers' service account may pull it",
    "InvalidImageName": "correct the image's name in the template",
    "CreateContainerConfigError": "see that the Secrets and ConfigMaps that the template names exist",
    "CrashLoopBackOff": "see kubectl logs --previous of this Pod",
    "Unschedulable": "add nodes, or change the template's resources, node selector or tolerations",
}


@dataclass(frozen=True)
class ScaleIn:
    """The workers to remove, first to last, and the replicas of the Deployment afterwards."""

    victims: tuple[Pod, ...]
    replicas: int


@dataclass(frozen=True)
class Workers:
    """A pool's Deployment as last observed, and its workers: Pods that neither terminate nor have finished."""

    deployment: Deployment
    pods: tuple[Pod, ...]

    @property
    def desired(self) -> int:
        """spec.replicas of the Deployment."""
        return self.deployment.replicas.desired

    @property
    def pending(self) -> bool:
        """Whether Kubernetes has not finished an earlier change: it may yet remove other Pods than ours."""
        behind = self.deployment.observed_generation < self.deployment.generation
        return behind or (len(self.pods) > self.desired and not self.rolling)  # a rollout has more Pods for long

    @property
    def rolling(self) -> bool:
        """Whether there are Pods of an earlier template: which of the two ReplicaSets shrinks is not our choice."""
        return self.deployment.replicas.updated != self.deployment.replicas.current


def active(pods: Iterable[Pod]) -> tuple[Pod, ...]:
    """Return the Pods that neither terminate nor have finished."""
    return tuple(pod for pod in pods if not pod.terminating and pod.phase not in FINISHED)


def plan_idle(workers: Workers, busy: Collection[str], wanted: int) -> ScaleIn:
    """Return which idle workers to remove, down to `wanted` at least; no busy one is removed, nor one in its place.

    Args:
        workers: of the pool.
        busy: names of those that hold a lease.
        wanted: the least that stay.
    """
    none = ScaleIn((), workers.desired)
    if wanted >= workers.desired:
        return none
    if wanted == 0 and not any(pod.name in busy for pod in workers.pods):
        return ScaleIn(tuple(_removal_order(workers.pods, busy)), 0)  # all of them: no ReplicaSet has a choice
    if workers.pending or workers.rolling:
        return none
    surplus, missing = workers.desired - wanted, workers.desired - len(workers.pods)
    victims = _idle_in_order(workers.pods, busy)[: max(0, surplus - missing)]
    return ScaleIn(tuple(victims), workers.desired - min(surplus, missing) - len(victims))


def plan_fixed(workers: Workers, busy: Collection[str], wanted: int) -> ScaleIn:
    """Return which workers to remove for a smaller spec.replicas: idle ones first, then busy ones."""
    if wanted >= workers.desired:
        return ScaleIn((), workers.desired)
    surplus = max(0, len(workers.pods) - wanted)
    return ScaleIn(tuple(_removal_order(workers.pods, busy)[:surplus]), wanted)


def _idle_in_order(pods: Sequence[Pod], busy: Collection[str]) -> list[Pod]:
    blocked = any(pod.name in busy and not pod.ready for pod in pods)
    return [pod for pod in _removal_order(pods, busy) if pod.name not in busy and not (pod.ready and blocked)]


def _removal_order(pods: Sequence[Pod], busy: Collection[str]) -> list[Pod]:
    """Order as a ReplicaSet removes Pods; among equals idle ones, those already chosen, then the newest."""
    newest = sorted(pods, key=lambda pod: pod.created, reverse=True)
    return sorted(newest, key=lambda pod: (_rank(pod), pod.name in busy, pod.deletion_cost))


def _rank(pod: Pod) -> tuple[bool, int, bool]:
    """Return what a ReplicaSet compares before deletion costs; the least is removed first."""
    return pod.assigned, PHASE_RANKS.get(pod.phase, RUNNING_RANK), pod.ready


def startup_problem(pods: Iterable[Pod], deployment: Deployment | None) -> str | None:
    """Return why workers do not become ready, in the words of Kubernetes, or None."""
    for condition in deployment.conditions if deployment else ():
        if condition.type == "ReplicaFailure" and condition.status == "True":
            return f"Worker Pods cannot be created: {condition.message}"
    problems = (_problem_of(pod) for pod in active(pods) if not pod.ready)
    return next((sentence for sentence in problems if sentence), None)


def _problem_of(pod: Pod) -> str | None:
    for condition in pod.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return _sentence(pod, condition.reason or "unknown", condition.message)
    for container in pod.containers:
        if container.last_exit_code is not None:
            ends = f"it ended {container.restarts} times, at last with code {container.last_exit_code}"
            return _sentence(pod, "CrashLoopBackOff", ends)
        if container.waiting_reason not in STARTING:
            return _sentence(pod, container.waiting_reason, container.waiting_message)
    return None


def _sentence(pod: Pod, reason: str, message: str) -> str:
    cause = f"{reason} ({message})" if message else reason
    advice = ADVICE.get(reason)
    return f"Worker Pod {pod.name} does not start: {cause}" + (f"; {advice}." if advice else ".")
