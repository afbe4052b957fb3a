"""The known TwinModels, the version of each that answers a Simulation, and the tau weights of its answer."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from twin_operator.api.v1alpha1 import Simulation, TwinModel
from twin_operator.api.v1alpha1.conditions import Reason, SimulationPhase
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.fidelity.window import ledger_of
from twin_operator.domain.table.columns import Uncertainty
from twin_operator.domain.twin.tau_mixture import Contrast, TauWeights, tau_weights
from twin_operator.services.reconciling.ports import Versions
from twin_operator.services.runs.messages import TrainedVersion
from twin_operator.services.runs.twin_spec import uncertainty_of
from twin_operator.services.versions.active import active_version
from twin_operator.services.versions.version import Refusal, Version, Waiting

logger = logging.getLogger(__name__)
Key = tuple[str, str]
WeightsKey = tuple[str, str, str, str, float]
MOST_VECTORS = 4096  # tau weights that are remembered by digest: 8 MB; older ones are in the archive


@dataclass
class Twins:
    """Resolves `modelRef` to a concrete version, and computes the weights of tau, the SD between experiments.

    Args:
        registry: reads summaries of versions.
        outcomes: returns the recorded outcomes of a registered model, the same object while they are the same; None
            while they cannot be read: then the weights rest on the training experiments alone.
    """

    registry: Versions
    outcomes: Callable[[str], Awaitable[Sequence[RecordedOutcome] | None]]
    _models: dict[Key, TwinModel] = field(default_factory=dict)
    _versions: dict[tuple[str, str], Version] = field(default_factory=dict)
    _weights: dict[WeightsKey, TauWeights] = field(default_factory=dict)
    _outcomes: dict[str, Sequence[RecordedOutcome] | None] = field(default_factory=dict)
    _by_digest: dict[str, TauWeights] = field(default_factory=dict)

    def observe(self, model: TwinModel, *, deleted: bool) -> bool:
        """Remember a TwinModel; return whether Simulations that wait for it may continue now."""
        if deleted:
            return self._models.pop(model.key, None) is not None
        before = _answering(self._models.get(model.key))
        self._models[model.key] = model
        return before != _answering(model)

    async def resolve(self, simulation: Simulation) -> Version | Waiting | Refusal:
        """Return the version that answers `simulation`, or what it waits for."""
        namespace, name = simulation.namespace, simulation.spec.model_ref.name
        model = self._models.get((namespace, name))
        if model is None:
            return Waiting(
                SimulationPhase.PENDING,
                Reason.MODEL_NOT_FOUND,
                f"There is no TwinModel {name} in namespace {namespace} yet.",
            )
        registered, active = _answering(model)
        version = simulation.spec.model_ref.version or active
        if registered is None or version is None:
            return Waiting(
                SimulationPhase.PENDING, Reason.MODEL_NOT_READY, f"TwinModel {name} has no trained version yet."
            )
        found = await self.version(registered, version)
        if isinstance(found, Waiting):
            return Waiting(found.phase, found.reason, f"TwinModel {name}: {found.message}")
        return found

    def uncertainty(self, key: Key) -> Uncertainty:
        """Return a TwinModel's `spec.uncertainty` in the domain's terms."""
        return uncertainty_of(self._models[key].spec)

    async def weights(self, version: Version, contrast: Contrast, scale: float) -> TauWeights:
        """Return the tau weights of a contrast, computed once a version, scale and state of its outcomes."""
        key = version.registered_model, version.version, contrast.arm, contrast.against, scale
        outcomes = await self.outcomes(version.registered_model)
        self._take_outcomes(version.registered_model, outcomes)
        if key not in self._weights:
            self._weights[key] = self._remember(tau_weights(contrast, scale, ledger_of(outcomes or (), contrast)))
        return self._weights[key]

    def weights_in_hand(self, digest: str) -> TauWeights | None:
        """Return tau weights that this process computed."""
        return self._by_digest.get(digest)

    async def version(self, registered: str, number: str) -> Version | Waiting:
        """Return a version, or why it cannot be read now."""
        key = registered, number
        if key not in self._versions:
            try:
                self._versions[key] = version_of(registered, await self.registry.summary(registered, number))
            except LookupError:
                return Waiting(
                    SimulationPhase.PENDING,
                    Reason.MODEL_NOT_READY,
                    f"{registered} has no version {number} in the registry.",
                )
            except ConnectionError:
                return Waiting(
                    SimulationPhase.PENDING,
                    Reason.MODEL_NOT_READY,
                    "The model registry cannot be reached; it is tried again.",
                )
        return self._versions[key]

    def _take_outcomes(self, registered_model: str, outcomes: Sequence[RecordedOutcome] | None) -> None:
        """Forget the weights of a registered model whose outcomes are others than before."""
        if self._outcomes.get(registered_model) is not outcomes:
            self._outcomes[registered_model] = outcomes
            self._weights = {key: value for key, value in self._weights.items() if key[0] != registered_model}

    def _remember(self, vector: TauWeights) -> TauWeights:
        while len(self._by_digest) >= MOST_VECTORS:
            self._by_digest.pop(next(iter(self._by_digest)))
        return self._by_digest.setdefault(vector.digest, vector)


def version_of(registered: str, trained: TrainedVersion) -> Version:
    """Return a version from what training kept next to its bank."""
    return Version(
        registered_model=registered,
        version=trained.version,
        arms=trained.arms,
        features=trained.features,
        contrasts=trained.contrasts,
    )


def _answering(model: TwinModel | None) -> tuple[str | None, str | None]:
    """Return the registered model and the version that answer Simulations, as the status has them."""
    return (None, None) if model is None else (model.status.registered_model, active_version(model))
