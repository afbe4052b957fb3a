"""Carries out what a WorkerPool asks for: apply its Deployment, write its status."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from twin_operator.services.conditions import merge_conditions, stalled
from twin_operator.services.pools import PoolSnapshot, WorkerDefaults, deployment, refusal, status
from twin_operator.services.ports import Changed, Gone, Refused, Resources
from twin_operator.services.tasks import JSON

logger = logging.getLogger(__name__)
KIND = "WorkerPool"
Key = tuple[str, str]


@dataclass
class PoolReconciler:
    """Brings each WorkerPool and its Deployment together.

    Args:
        resources: the API server.
        defaults: what the installation says of every worker Pod.
        namespaces: where pools are taken.
        clock: seconds since the epoch.
    """

    resources: Resources
    defaults: WorkerDefaults
    namespaces: Collection[str]
    clock: Callable[[], float]
    _pools: dict[Key, JSON] = field(default_factory=dict)

    def observe(self, body: JSON, *, deleted: bool) -> list[Key]:
        """Take note of a pool; return the pools to reconcile: this one, and those that may take its queues."""
        key = body["metadata"]["namespace"], body["metadata"]["name"]
        if deleted:
            self._pools.pop(key, None)
            return list(self._pools)
        self._pools[key] = body
        return [key]

    @property
    def served(self) -> frozenset[str]:
        """The queues that pools with ready workers serve."""
        ready = [body for body in self._pools.values() if (body.get("status") or {}).get("readyReplicas")]
        return frozenset(queue for body in ready for queue in body["spec"]["queues"])

    def serves(self, queue: str) -> bool:
        """Whether a pool with ready workers serves `queue`."""
        return queue in self.served

    async def reconcile(self, key: Key) -> float | None:
        """Do what is next for the pool `key`."""
        try:
            body = await self.resources.read(KIND, *key)
        except Gone:
            return None
        others = [other for name, other in self._pools.items() if name != key]
        snapshot = PoolSnapshot(body, others, None, self.namespaces)
        if refusal(snapshot) is None:
            try:
                applied = await self.resources.apply_deployment(deployment(body, self.defaults))
            except Refused as error:
                await self._write(body, self._invalid(body, str(error)))
                return None
            snapshot = PoolSnapshot(body, others, applied, self.namespaces)
        await self._write(body, status(snapshot, self.clock()))
        return None

    def _invalid(self, body: JSON, message: str) -> JSON:
        facts = stalled("InvalidTemplate", f"The Deployment was refused: {message}"[:1000])
        return {
            "observedGeneration": body["metadata"].get("generation", 1),
            "phase": "Failed",
            "conditions": merge_conditions(body, facts, self.clock()),
        }

    async def _write(self, body: JSON, new: JSON) -> None:
        before = body.get("status") or {}
        if all(before.get(key) == value for key, value in new.items()):
            return
        try:
            await self.resources.write_status(KIND, body, new)
        except (Changed, Gone):
            logger.debug("WorkerPool %s changed meanwhile; its event brings it back.", body["metadata"]["name"])
