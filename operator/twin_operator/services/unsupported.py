"""Answers kinds whose behaviour is not built yet, so that nobody waits for them in silence."""

from collections.abc import Callable
from dataclasses import dataclass

from twin_operator.services.conditions import merge_conditions, stalled
from twin_operator.services.ports import Changed, Gone, Resources

RETRAINING = "RetrainingJob"


@dataclass(frozen=True)
class UnsupportedReconciler:
    """Marks RetrainingJobs as not supported.

    Args:
        resources: the API server.
        clock: seconds since the epoch.
    """

    resources: Resources
    clock: Callable[[], float]

    async def reconcile(self, key: tuple[str, str]) -> float | None:
        """Write `NotSupported` once."""
        try:
            body = await self.resources.read(RETRAINING, *key)
            generation = body["metadata"].get("generation", 1)
            if (body.get("status") or {}).get("observedGeneration") == generation:
                return None
            facts = stalled(
                "NotSupported", "RetrainingJobs are not supported yet; the model's version goes on to serve."
            )
            conditions = merge_conditions(body, facts, self.clock())
            status = {"observedGeneration": generation, "phase": "Failed", "conditions": conditions}
            await self.resources.write_status(RETRAINING, body, status)
        except (Changed, Gone):
            return None
        return None
