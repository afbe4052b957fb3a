"""Rollbacks: a user requests by annotations that an earlier version is the champion again."""

from typing import Final

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState
from twin_operator.services.reconciling.active_version import active_version, registered_model
from twin_operator.services.reconciling.ports import Changed, Event, Gone, Resources, RollBack, Versions
from twin_operator.services.runs.training_messages import TrainedVersion

ROLLBACK_PREFIX: Final = "twinops.dev/rollback-"


def wanted_roll_back(model: TwinModel) -> RollBack | None:
    """Return the request in a TwinModel's annotations, unless it was done or its version is not the active one.

    The annotations stay, as the operator does not change users' metadata; they name the version to leave, so that they
    mean nothing once another one is active.
    """
    annotations = model.metadata.annotations
    leave, take, reason, by = (annotations.get(ROLLBACK_PREFIX + name) for name in ("from", "to", "reason", "by"))
    if not (leave and take and reason and by):
        return None
    done = _retraining(model).rolled_back_version == leave
    return None if done or active_version(model) != leave or leave == take else RollBack(leave, take, reason, by)


async def roll_back(request: RollBack, model: TwinModel, versions: Versions, resources: Resources) -> TwinModel:
    """Move the alias, emit an Event, record it in the status, and return the TwinModel as it is then."""
    name = registered_model(model)
    try:
        left = await versions.summary(name, request.leave)
        await versions.summary(name, request.take)
    except LookupError as error:
        message = f"Rolling back from version {request.leave} to {request.take} is not possible: {error}."
        await resources.emit(_rollback_event(model, request, "RollBackRefused", message))
        return model
    if not await versions.roll_back(name, request):
        message = f"Version {request.leave} of {name} is not the champion, so it cannot be rolled back."
        await resources.emit(_rollback_event(model, request, "RollBackRefused", message))
        return model
    message = f"{request.by} rolled back from version {request.leave} to {request.take}: {request.reason}"
    await resources.emit(_rollback_event(model, request, "RolledBack", message))
    try:
        return await resources.update_status(model, _rolled_back(model, left))
    except (Changed, Gone):
        return model


def _rolled_back(model: TwinModel, left: TrainedVersion) -> TwinModel:
    """Return the TwinModel with the rollback in its status.

    The data and the spec of the version that is left count as tried: no trigger brings the same candidate back.
    """
    retraining = _retraining(model).replace(
        rolled_back_version=left.version, tried_spec_digest=left.spec_digest, tried_data_digest=left.data_digest
    )
    return model.replace(status=model.status.replace(retraining=retraining))


def _retraining(model: TwinModel) -> RetrainingState:
    return model.status.retraining or RetrainingState()


def _rollback_event(model: TwinModel, request: RollBack, reason: str, message: str) -> Event:
    return Event(model, reason, message, warning=True, occasion=f"{request.leave}-{request.take}")
