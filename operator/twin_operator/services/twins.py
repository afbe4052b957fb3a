"""The TwinModels as the operator sees them, and the version of each that answers a Simulation."""

import logging
from dataclasses import dataclass, field

from twin_operator.domain.mixture import Contrast, tau_weights
from twin_operator.services.lifecycle import Refusal, Simulation, Version, Waiting
from twin_operator.services.ports import Versions
from twin_operator.services.simulate import weights_json
from twin_operator.services.tasks import JSON

logger = logging.getLogger(__name__)
Key = tuple[str, str]


@dataclass
class Twins:
    """Resolves `modelRef` to a concrete version.

    Args:
        registry: reads summaries of versions.
    """

    registry: Versions
    _models: dict[Key, JSON] = field(default_factory=dict)
    _versions: dict[tuple[str, str], Version] = field(default_factory=dict)
    _weights: dict[tuple[str, str, str, str, float], JSON] = field(default_factory=dict)

    def observe(self, body: JSON, *, deleted: bool) -> bool:
        """Take note of a TwinModel; return whether Simulations that wait for it may go on now."""
        key = body["metadata"]["namespace"], body["metadata"]["name"]
        if deleted:
            return self._models.pop(key, None) is not None
        before = self._models.get(key, {})
        self._models[key] = body
        return _serving(before) != _serving(body)

    async def resolve(self, simulation: Simulation) -> Version | Waiting | Refusal:
        """Return the version that answers `simulation`, or what it waits for."""
        namespace, name = simulation.model
        model = self._models.get((namespace, name))
        if model is None:
            return Waiting("Pending", "ModelNotFound", f"There is no TwinModel {name} in namespace {namespace} yet.")
        registered, serving = _serving(model)
        version = simulation.spec["modelRef"].get("version") or serving
        if registered is None or version is None:
            return Waiting("Pending", "ModelNotReady", f"TwinModel {name} has no trained version yet.")
        return await self._version(registered, version, name)

    def uncertainty(self, key: Key) -> JSON:
        """Return a TwinModel's `spec.uncertainty` in the domain's names."""
        value = self._models[key]["spec"]["uncertainty"]
        return {
            "confidence": value["confidence"],
            "between_experiment_scale": value["betweenExperimentScale"],
            "accept_prior": value["acceptPrior"],
        }

    def weights(self, version: Version, contrast: Contrast, scale: float) -> JSON:
        """Return the tau weights of a contrast, computed once a version and scale."""
        key = version.registered_model, version.version, contrast.arm, contrast.against, scale
        if key not in self._weights:
            self._weights[key] = weights_json(tau_weights(contrast, scale))
        return self._weights[key]

    async def _version(self, registered: str, number: str, model: str) -> Version | Waiting:
        key = registered, number
        if key not in self._versions:
            try:
                self._versions[key] = version_of(registered, await self.registry.summary(registered, number))
            except LookupError:
                return Waiting(
                    "Pending", "ModelNotReady", f"TwinModel {model} has no version {number} in the registry."
                )
            except ConnectionError:
                return Waiting("Pending", "ModelNotReady", "The model registry cannot be reached; it is tried again.")
        return self._versions[key]


def version_of(registered: str, summary: JSON) -> Version:
    """Return a version from what training kept beside its bank."""
    return Version(
        registered_model=registered,
        version=summary["version"],
        arms=tuple(summary["arms"]),
        features=dict(summary["features"]),
        contrasts=tuple(Contrast.from_dict(value) for value in summary["contrasts"]),
    )


def _serving(model: JSON) -> tuple[str | None, str | None]:
    status = model.get("status") or {}
    return status.get("registeredModel"), (status.get("model") or {}).get("version")
