"""From modelRef to the version that answers: the active versions of TwinModels, and their summaries in the registry.

Which version becomes active is decided in `twin_models`.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from twin_operator.api.v1alpha1 import Simulation, TwinModel
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason, SimulationPhase
from twin_operator.domain.effects.answers import Gate
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.fidelity.window import ledger_of
from twin_operator.domain.table.columns import FeatureType, Uncertainty
from twin_operator.domain.twin import Contrast, TauWeights, tau_weights
from twin_operator.services.reconciling.active_version import (
    Answering,
    active_version,
    answering,
    is_active,
    obstacle_of,
)
from twin_operator.services.reconciling.errors import OutcomesIncomplete
from twin_operator.services.reconciling.ports import Versions
from twin_operator.services.reconciling.twin_checks import TwinChecks, gates_of, gates_of_active, sentence_of
from twin_operator.services.runs.run import BoundVersion, Outcome
from twin_operator.services.runs.training_messages import TrainedVersion
from twin_operator.services.runs.twin_spec import uncertainty_of

logger = logging.getLogger(__name__)
Key = tuple[str, str]
WeightsKey = tuple[Key, str, str, str | None, str, str, float]
MOST_VECTORS = 4096  # tau weights that are remembered by digest: 8 MB; older ones are in the archive


@dataclass(frozen=True)
class Version:
    """What the operator knows of a version of a twin without its bank.

    Attributes:
        run_id: the MLflow run that made the version: the number may be given to another one after a deletion.
        gates: what its training found that forbids Deploy.
        data_warning: the warnings of its training about the data, in sentences.
    """

    registered_model: str
    version: str
    run_id: str | None
    arms: tuple[str, ...]
    features: Mapping[str, FeatureType]
    contrasts: tuple[Contrast, ...]
    gates: tuple[Gate, ...]
    data_warning: str | None

    @property
    def bound(self) -> BoundVersion:
        """What identifies it in the record of a run."""
        return BoundVersion(self.registered_model, self.version, self.run_id)

    def contrast(self, arm: str, against: str | None) -> Contrast:
        """Return the comparison of `arm` with `against`, or with the control.

        Raises:
            Refusal: `UnknownArm` or `ArmsNotCompared`.
        """
        other = against or self.arms[0]
        for name in (arm, other):
            if name not in self.arms:
                raise Refusal(Reason.UNKNOWN_ARM, f"The twin knows no arm {name!r}; it knows {', '.join(self.arms)}.")
        if arm == other:
            raise Refusal(Reason.UNKNOWN_ARM, f"{arm!r} cannot be compared with itself; name another arm in `against`.")
        for contrast in self.contrasts:
            if (contrast.arm, contrast.against) == (arm, other):
                return contrast
        raise Refusal(Reason.ARMS_NOT_COMPARED, f"No past experiment randomised both {arm!r} and {other!r}.")


class Refusal(Exception):  # noqa: N818 - the result of a Simulation, not an error of the operator
    """A Simulation that no worker can answer."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.outcome = Outcome(reason, message)


@dataclass(frozen=True)
class Waiting:
    """A Simulation waits: for its model, for a worker, or because it is suspended."""

    phase: SimulationPhase
    reason: Reason
    message: str


@dataclass
class Twins:
    """Resolves `modelRef` to a concrete version, and computes the weights of tau, the SD between experiments.

    Args:
        registry: reads summaries of versions.
        outcomes: returns the recorded outcomes of a TwinModel, the same object while they are the same; None while they
            cannot be read: then the weights rest on the training experiments alone. Raises `OutcomesIncomplete`.
        refusal: returns why a TwinModel may not use its registered model now; waits for nothing.
    """

    registry: Versions
    outcomes: Callable[[Key], Awaitable[Sequence[RecordedOutcome] | None]]
    refusal: Callable[[TwinModel], str | None]
    _answers: dict[Key, Answering] = field(default_factory=dict)
    _models: dict[Key, TwinModel] = field(default_factory=dict)
    _versions: dict[tuple[str, str], Version] = field(default_factory=dict)
    _weights: dict[WeightsKey, TauWeights] = field(default_factory=dict)
    _outcomes: dict[Key, Sequence[RecordedOutcome] | None] = field(default_factory=dict)
    _by_digest: dict[str, TauWeights] = field(default_factory=dict)

    def observe(self, model: TwinModel, *, deleted: bool) -> bool:
        """Remember a TwinModel; return whether Simulations that wait for it may continue now.

        A registered model whose active version is of another run may be one that was made again under its name: what is
        known of its versions is read again. A late event of the deletion of an earlier TwinModel of this name changes
        nothing.
        """
        known = self._models.get(model.key)
        if deleted and (known is None or known.uid != model.uid):
            return False
        self._models.pop(model.key, None)
        before, after = self._answers.pop(model.key, Answering()), Answering()
        if not deleted:
            self._models[model.key] = model
            after = self._answers[model.key] = answering(model, self.refusal(model))
        if before.version_of_run != after.version_of_run:
            self._forget({before.registered_model, after.registered_model})
        return deleted or before != after

    def numbers(self, registered: str) -> list[str]:
        """Return the versions of a registered model that are known."""
        return [number for name, number in self._versions if name == registered]

    def forget_version(self, registered: str, number: str) -> None:
        """Read a version that may be gone from the registry at its next use."""
        self._versions.pop((registered, number), None)

    def _forget(self, registered_models: Collection[str | None]) -> None:
        self._versions = {key: each for key, each in self._versions.items() if key[0] not in registered_models}
        self._weights = {key: each for key, each in self._weights.items() if key[1] not in registered_models}

    async def resolve(self, simulation: Simulation) -> Version | Waiting | Refusal:
        """Return the version that answers `simulation`, or what it waits for."""
        named = self._named(simulation)
        if isinstance(named, Waiting):
            return named
        found = await self.version(*named)
        if isinstance(found, Waiting):
            return Waiting(found.phase, found.reason, f"TwinModel {simulation.spec.model_ref.name}: {found.message}")
        return found

    def in_memory(self, simulation: Simulation) -> Version | Waiting | None:
        """Return what `resolve` does where that needs no read of the registry; else None."""
        named = self._named(simulation)
        return named if isinstance(named, Waiting) else self._versions.get(named)

    def _named(self, simulation: Simulation) -> tuple[str, str] | Waiting:
        """Return registered model and number of the version that answers a Simulation, or what it waits for."""
        namespace, name = simulation.namespace, simulation.spec.model_ref.name
        model = self._models.get((namespace, name))
        if model is None:
            return Waiting(
                SimulationPhase.PENDING,
                Reason.MODEL_NOT_FOUND,
                f"There is no TwinModel {name} in namespace {namespace} yet.",
            )
        registered, version = model.status.registered_model, simulation.spec.model_ref.version
        obstacle = obstacle_of(model, self.refusal(model), asked=version)
        version = version or active_version(model)
        if obstacle is not None or registered is None or version is None:
            reason, message = obstacle or (Reason.MODEL_NOT_READY, "There is no trained version yet.")
            return Waiting(SimulationPhase.PENDING, reason, f"TwinModel {name}: {message}")
        return registered, version

    def uncertainty(self, key: Key) -> Uncertainty:
        """Return a TwinModel's `spec.uncertainty` in the domain's terms."""
        return uncertainty_of(self._models[key].spec)

    async def weights(self, model: Key, version: Version, contrast: Contrast, scale: float) -> TauWeights | Waiting:
        """Return the tau weights of a contrast, computed once a version, scale and state of its twin's outcomes.

        They wait while outcomes are missing: an answer rests on all that the cluster has.
        """
        key = model, version.registered_model, version.version, version.run_id, contrast.arm, contrast.against, scale
        try:
            outcomes = await self.outcomes(model)
        except OutcomesIncomplete as incomplete:
            return Waiting(SimulationPhase.PENDING, incomplete.reason, incomplete.message)
        self._take_outcomes(model, outcomes)
        if key not in self._weights:
            self._weights[key] = self._remember(tau_weights(contrast, scale, ledger_of(outcomes or (), contrast)))
        return self._weights[key]

    def weights_in_memory(self, digest: str) -> TauWeights | None:
        """Return tau weights that this process computed."""
        return self._by_digest.get(digest)

    async def version(self, registered: str, number: str) -> Version | Waiting:
        """Return a version, or why it cannot be read now."""
        try:
            return await self._read(registered, number)
        except LookupError as error:
            return await self._unreadable(registered, number, error)
        except ConnectionError as error:
            return Waiting(SimulationPhase.PENDING, Reason.MODEL_NOT_READY, f"{error} It is tried again.")

    def known(self, key: Key) -> TwinModel | None:
        """Return a TwinModel as it was seen last; None also before the watch has shown it."""
        return self._models.get(key)

    async def checks(self, model: TwinModel | None, bound: BoundVersion | None) -> TwinChecks:
        """Return what is known now against the answers of a version of a TwinModel.

        Args:
            model: the TwinModel; None where it is gone.
            bound: the version; None where it is not known which it was.

        Raises:
            ConnectionError: the version is not the active one, and the registry does not answer.
        """
        not_faithful = None if model is None else sentence_of(model, ConditionType.FAITHFUL, ConditionStatus.FALSE)
        if bound is None:
            return TwinChecks(None, None, not_faithful)
        if model is not None and is_active(model, bound):
            warning = sentence_of(model, ConditionType.DATA_WARNING, ConditionStatus.TRUE)
            return TwinChecks(gates_of_active(model), warning, not_faithful)
        try:
            version = await self._read(bound.registered_model, bound.version)
        except LookupError:
            return TwinChecks(None, None, not_faithful)
        if bound.run_id not in {None, version.run_id}:
            return TwinChecks(None, None, not_faithful)
        return TwinChecks(version.gates, version.data_warning, not_faithful)

    async def _read(self, registered: str, number: str) -> Version:
        """Return a version; raise `LookupError` or `ConnectionError`."""
        key = registered, number
        if key not in self._versions:
            self._versions[key] = version_of(registered, await self.registry.summary(registered, number))
        return self._versions[key]

    async def _unreadable(self, registered: str, number: str, error: LookupError) -> Waiting:
        """Return why a version without a summary cannot answer: it is not there, or another release made it."""
        with suppress(ConnectionError):
            if await self.registry.version(registered, number) is None:
                message = f"{registered} has no version {number} in the registry."
                return Waiting(SimulationPhase.PENDING, Reason.MODEL_NOT_FOUND, message)
        message = f"Version {number} of {registered} cannot be read: {error}."
        return Waiting(SimulationPhase.PENDING, Reason.MODEL_NOT_READY, message)

    def _take_outcomes(self, model: Key, outcomes: Sequence[RecordedOutcome] | None) -> None:
        """Forget the weights of a TwinModel whose outcomes are others than before."""
        if self._outcomes.get(model) is not outcomes:
            self._outcomes[model] = outcomes
            self._weights = {key: value for key, value in self._weights.items() if key[0] != model}

    def _remember(self, vector: TauWeights) -> TauWeights:
        while len(self._by_digest) >= MOST_VECTORS:
            self._by_digest.pop(next(iter(self._by_digest)))
        return self._by_digest.setdefault(vector.digest, vector)


def version_of(registered: str, trained: TrainedVersion) -> Version:
    """Return a version from what training kept next to its bank."""
    return Version(
        registered_model=registered,
        version=trained.version,
        run_id=trained.run_id,
        arms=trained.arms,
        features=trained.features,
        contrasts=trained.contrasts,
        gates=gates_of(trained),
        data_warning=" ".join(trained.warnings) or None,
    )
