"""KEDA's rule for a Redis list: KEDA wakes and retires the Deployment, its HorizontalPodAutoscaler does the rest.

Every value is the documented default. Where documentation leaves room, the model favours KEDA: messages of all
priorities stand in the one list that it reads, a metric is never stale, nothing fails, and the tasks aimed at for each
worker (`listLength`, 5 by default) are chosen with the true seconds of a task, for the same time to drain.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from benchmarks.autoscaling.clock import Clock
from benchmarks.autoscaling.pool import Pool

POLL_SECONDS = 30.0  # ScaledObject pollingInterval: polls by KEDA itself, which wakes from zero
COOLDOWN_SECONDS = 300.0  # ScaledObject cooldownPeriod: from the last poll of a list that was not empty, to zero
SYNC_SECONDS = 15.0  # --horizontal-pod-autoscaler-sync-period of kube-controller-manager
STABILIZATION_SECONDS = 300.0  # HPA scaleDown.stabilizationWindowSeconds: the highest recommendation counts
TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance: a ratio nearer to 1 changes nothing
GROWTH_PODS = 4  # HPA scaleUp policy, each 15 seconds: this many,
GROWTH_FACTOR = 2  # or this multiple, whichever is more
GRACE_SECONDS = 30.0  # a Pod's terminationGracePeriodSeconds: SIGTERM lets Celery finish, then SIGKILL


@dataclass
class Keda:
    """One Deployment's scaling by a ScaledObject with minReplicaCount 0."""

    pool: Pool
    max_replicas: int
    tasks_per_worker: float
    random: np.random.Generator
    _active: float = -math.inf  # last poll of a list that was not empty
    _recommended: list[tuple[float, int]] = field(default_factory=list)

    def begin(self, clock: Clock, phase: float) -> None:
        """Poll and sync; `phase` in [0, 1) is where in KEDA's interval the start falls, the HPA's is independent."""
        clock.every(POLL_SECONDS, phase * POLL_SECONDS, self._look)
        clock.every(SYNC_SECONDS, self.random.uniform(0.0, SYNC_SECONDS), self._sync)

    def _look(self) -> None:
        now, replicas = self.pool.clock.now, len(self.pool.staying)
        if self.pool.waiting:
            self._active = now
            if not replicas:
                self.pool.grow(1)
        elif replicas and now - self._active >= COOLDOWN_SECONDS:
            self._shrink(replicas)

    def _sync(self) -> None:
        replicas = len(self.pool.staying)
        if not replicas:
            return  # an HPA is off while its target has no replicas
        wanted = min(self._stabilised(self._recommendation(replicas), replicas), self.max_replicas)
        if wanted > replicas:
            most = max(replicas + GROWTH_PODS, GROWTH_FACTOR * replicas)
            self.pool.grow(min(wanted, most) - replicas)
        elif wanted < replicas:
            self._shrink(replicas - wanted)

    def _recommendation(self, replicas: int) -> int:
        share = len(self.pool.waiting) / self.tasks_per_worker
        if abs(share / replicas - 1.0) <= TOLERANCE:
            return replicas
        return max(1, math.ceil(share))

    def _stabilised(self, recommendation: int, replicas: int) -> int:
        now = self.pool.clock.now
        earlier = self._recommended or [(now, replicas)]  # an HPA that starts holds what it finds
        kept = [look for look in earlier if look[0] > now - STABILIZATION_SECONDS]
        self._recommended = [*kept, (now, recommendation)]
        return max(recommendation, min(replicas, max(count for _, count in self._recommended)))

    def _shrink(self, count: int) -> None:
        """Let Pods go as a ReplicaSet does: those not ready first, else any; it does not know which are busy."""
        staying = self.pool.staying
        order = sorted(self.random.permutation(len(staying)), key=lambda index: staying[index].ready)
        self.pool.dismiss([staying[index] for index in order[:count]], GRACE_SECONDS)
