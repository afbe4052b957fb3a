"""The registered model of a TwinModel, and which of its versions answers Simulations, by its spec and status."""

from typing import NamedTuple

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason
from twin_operator.services.runs.run import BoundVersion
from twin_operator.services.runs.twin_spec import columns_digest


def registered_model(model: TwinModel) -> str:
    """Return the name of the registered model in the registry."""
    return model.spec.registered_model or f"{model.namespace}.{model.name}"


def names_other_namespace(model: TwinModel) -> bool:
    """Whether a registered model's name with a dot begins with another namespace than the TwinModel's own."""
    names = {registered_model(model), model.status.registered_model or ""}
    return any("." in name and name.partition(".")[0] != model.namespace for name in names)


def owner_tag(model: TwinModel, cluster: str) -> str:
    """Return the tag by which a registered model belongs to a TwinModel: `CLUSTER/NAMESPACE/NAME/UID`."""
    return f"{cluster}/{model.namespace}/{model.name}/{model.uid}"


def active_version(model: TwinModel) -> str | None:
    """Return the version that answers Simulations; None before the first one."""
    return None if model.status.model is None else model.status.model.version


def serves(model: TwinModel) -> bool:
    """Whether a version answers Simulations."""
    return model.status.model is not None


def needs_training(model: TwinModel) -> bool:
    """Whether the columns changed since the active version was trained; a pinned version is used as it is."""
    if model.spec.version or model.status.model is None:
        return False
    trained = model.status.model.spec_digest
    return trained is not None and not trained.startswith(columns_digest(model.spec))


class Answering(NamedTuple):
    """What answers the Simulations of a TwinModel, as its status has it, or why nothing does."""

    registered_model: str | None = None
    version: str | None = None
    run_id: str | None = None
    obstacle: tuple[Reason, str] | None = None

    @property
    def version_of_run(self) -> tuple[str | None, ...]:
        """The version that answers, without why it may not."""
        return self.registered_model, self.version, self.run_id


def answering(model: TwinModel, refusal: str | None) -> Answering:
    """Return what answers; `refusal` is why the TwinModel may not use its registered model, None where it may."""
    registered, active = model.status.registered_model, model.status.model
    obstacle = obstacle_of(model, refusal, asked=None)
    if active is None:
        return Answering(registered, obstacle=obstacle)
    return Answering(registered, active.version, active.run_id, obstacle)


def obstacle_of(model: TwinModel, refusal: str | None, *, asked: str | None) -> tuple[Reason, str] | None:
    """Return why no version of a TwinModel answers now; a version that the Simulation asks for needs no active one."""
    if refusal is not None:
        return Reason.MODEL_NOT_READY, refusal
    if model.status.registered_model not in {None, registered_model(model)}:
        return Reason.MODEL_NOT_READY, "spec.registeredModel was changed; the new one is trained first."
    if asked is not None:
        return None
    ready = model.status.condition(ConditionType.READY)
    if ready is not None and ready.status == ConditionStatus.FALSE and ready.reason == Reason.MODEL_NOT_FOUND:
        return Reason.MODEL_NOT_FOUND, ready.message
    if model.spec.version not in {None, active_version(model)}:
        return Reason.MODEL_NOT_READY, f"Version {model.spec.version} is pinned and not active yet."
    return None


def is_active(model: TwinModel, bound: BoundVersion) -> bool:
    """Whether the version that answers is the one that a run is bound to."""
    active, name = model.status.model, model.status.registered_model
    if active is None or (name, active.version) != (bound.registered_model, bound.version):
        return False
    return bound.run_id is None or active.run_id is None or bound.run_id == active.run_id
