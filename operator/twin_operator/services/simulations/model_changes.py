"""Changes of TwinModels: the Simulations that waited for one continue."""

from dataclasses import dataclass

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.services.reconciling.metrics import Meters
from twin_operator.services.simulations.controller import Simulations
from twin_operator.services.versions import Twins


@dataclass(frozen=True)
class ModelChanges:
    """Passes on TwinModels that changed: from the watch, and from own status writes, which come before it.

    Args:
        twins: resolves modelRef.
        simulations: those that wait for a model.
        meters: shows phases.
    """

    twins: Twins
    simulations: Simulations
    meters: Meters

    def written(self, model: TwinModel) -> None:
        """Take a TwinModel whose status was written: Simulations need not wait for the watch."""
        self.seen(model, deleted=False)

    def seen(self, model: TwinModel, *, deleted: bool) -> None:
        """Take a TwinModel as it is now."""
        if not deleted:
            self.meters.model_phase(model.key, model.status.phase)
        if self.twins.observe(model, deleted=deleted):
            self.simulations.model_changed(model.key)
