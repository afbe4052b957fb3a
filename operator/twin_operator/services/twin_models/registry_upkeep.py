"""Changes of a TwinModel's versions in MLflow: deleted, pinned but missing, or another one is the champion.

The owner of a registered model is checked in `services.registered_models`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from twin_operator.api.v1alpha1 import TwinModel, TwinModelStatus
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState, ServingModel
from twin_operator.services.reconciling.active_version import registered_model, serves
from twin_operator.services.reconciling.ports import Event, RegisteredVersion, Versions
from twin_operator.services.reconciling.version_tags import REPLACED_BY, RUN
from twin_operator.services.runs.training_messages import TrainedVersion
from twin_operator.services.versions import Twins

logger = logging.getLogger(__name__)
Key = tuple[str, str]
READ_SECONDS: Final = 30.0  # between two reads of the registry: each resync of the operator has one
MODEL_NOT_FOUND: Final = "ModelNotFound"  # reasons of Events
CHAMPION_MOVED: Final = "ChampionMoved"


@dataclass(frozen=True)
class RegistryFinding:
    """What the registry has about the versions of a TwinModel.

    Attributes:
        chosen: the version that is to become active in place of the present one.
        moved: whether `chosen` is the champion by a user's hand, not by a promotion of ours.
        absent: the pinned version, when there is none of that number.
        deleted: whether the active version is not there any more, and no other is to become active.
        conflict: the champion, when that is a version without our tag.
    """

    chosen: TrainedVersion | None = None
    moved: bool = False
    absent: str | None = None
    deleted: bool = False
    conflict: str | None = None


NOTHING: Final = RegistryFinding()


@dataclass
class RegistryUpkeep:
    """Reads the changes of the versions of TwinModels.

    Args:
        versions: the registry.
        twins: forgets versions that are not there any more.
        clock: seconds since the epoch.
        mark: requests to reconcile a TwinModel soon.
    """

    versions: Versions
    twins: Twins
    clock: Callable[[], float]
    mark: Callable[[Key], None]
    _read: dict[Key, float] = field(default_factory=dict)
    _found: dict[Key, RegistryFinding] = field(default_factory=dict)

    async def find(self, model: TwinModel) -> RegistryFinding:
        """Return what the registry has; what it had before, where it was read a moment ago or does not answer."""
        if not self._is_due(model):
            return self._before(model)
        try:
            found = await self._find(model)
            await self._forget_deleted(registered_model(model))
        except ConnectionError as error:
            logger.warning("The registry does not say which version of %s serves: %s", registered_model(model), error)
            return self._before(model)
        self._read[model.key] = self.clock()
        self._found[model.key] = RegistryFinding(absent=found.absent, conflict=found.conflict)
        return found

    def _before(self, model: TwinModel) -> RegistryFinding:
        """Return what was found before and still holds; the rest was acted on."""
        before = self._found.get(model.key, NOTHING)
        return before if before.absent == model.spec.version else replace(before, absent=None)

    def version_gone(self, key: Key) -> None:
        """Reconcile a TwinModel soon whose version a worker did not find."""
        self.read_soon(key)
        self.mark(key)

    def read_soon(self, key: Key) -> None:
        """Read the registry at the next reconciliation of a TwinModel."""
        self._read.pop(key, None)

    def forget(self, key: Key) -> None:
        """Drop what is known of a TwinModel that was deleted, or has another registered model now."""
        self._read.pop(key, None)
        self._found.pop(key, None)

    def _is_due(self, model: TwinModel) -> bool:
        """Whether to read: after a change of the spec, after a while, and always for a version that is not active."""
        settled = model.status.observed_generation == model.metadata.generation
        recent = self.clock() < self._read.get(model.key, 0.0) + READ_SECONDS
        active = None if model.status.model is None else model.status.model.version
        if model.spec.version not in {None, active}:
            return True
        return serves(model) and not (settled and recent)

    async def _find(self, model: TwinModel) -> RegistryFinding:
        name, pin, active = registered_model(model), model.spec.version, model.status.model
        wanted = pin or await self.versions.champion(name)
        found = None if wanted is None else await self.versions.version(name, wanted)
        if wanted is None or found is None:
            return RegistryFinding(absent=pin, deleted=pin is None and await self._is_deleted(name, active))
        if active is not None and _is_same(active, wanted, found):
            return NOTHING
        if pin is None and RUN not in found.tags:
            return RegistryFinding(conflict=wanted, deleted=await self._is_deleted(name, active))
        try:
            trained = await self.versions.summary(name, wanted)
        except LookupError:  # a version that this release cannot read
            return RegistryFinding(absent=pin)
        return RegistryFinding(trained, moved=pin is None and await self._is_moved(name, active, wanted))

    async def _is_deleted(self, name: str, active: ServingModel | None) -> bool:
        """Whether the active version is not there any more; it stays active without the alias."""
        if active is None:
            return False
        found = await self.versions.version(name, active.version)
        return found is None or not _is_same(active, active.version, found)

    async def _is_moved(self, name: str, active: ServingModel | None, wanted: str) -> bool:
        """Whether a user moved the alias: a promotion of ours names the next version in the tags of the one before."""
        before = None if active is None else await self.versions.version(name, active.version)
        return before is None or before.tags.get(REPLACED_BY) != wanted

    async def _forget_deleted(self, name: str) -> None:
        """Have versions that Simulations asked for by number, and that are deleted, not bound again."""
        for number in self.twins.numbers(name):
            if await self.versions.version(name, number) is None:
                self.twins.forget_version(name, number)


def _is_same(active: ServingModel, version: str, found: RegisteredVersion) -> bool:
    """Whether a version is the active one: a number may be given again, the id of an MLflow run is not."""
    return active.version == version and (None in {active.run_id, found.run_id} or active.run_id == found.run_id)


def without_version(model: TwinModel) -> TwinModel:
    """Return a TwinModel without what its status has of versions: they are of another registered model."""
    retraining = (model.status.retraining or RetrainingState()).replace(
        previous_version=None,
        rolled_back_version=None,
        deleted_version=None,
        deleted_run_id=None,
        tried_spec_digest=None,
        tried_data_digest=None,
    )
    return model.replace(status=_cleared(model, retraining))


def without_deleted_version(model: TwinModel) -> TwinModel:
    """Return a TwinModel whose active version was deleted in the registry: it is trained again."""
    active = model.status.model
    retraining = (model.status.retraining or RetrainingState()).replace(
        deleted_version=None if active is None else active.version,
        deleted_run_id=None if active is None else active.run_id,
        previous_version=None,
    )
    return model.replace(status=_cleared(model, retraining))


def _cleared(model: TwinModel, retraining: RetrainingState) -> TwinModelStatus:
    return model.status.replace(model=None, effects=(), fidelity=None, data=None, retraining=retraining)


def deleted_event(model: TwinModel, version: str) -> Event:
    """Return the Event for a version that was deleted while it was active."""
    message = f"Version {version} of {registered_model(model)} was deleted in the registry; another one is trained."
    return Event(model, MODEL_NOT_FOUND, message, warning=True, occasion=f"deleted {version}")


def moved_event(model: TwinModel, version: str) -> Event:
    """Return the Event for a champion that a user moved to another version of ours."""
    message = f"The alias champion of {registered_model(model)} was moved to version {version}, which is active now."
    return Event(model, CHAMPION_MOVED, message, warning=True, occasion=f"moved to {version}")
