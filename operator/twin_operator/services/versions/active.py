"""What a TwinModel says about its versions: the registered model, whether one is active, and whether it is outdated."""

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.services.runs.twin_spec import columns_digest


def registered_model(model: TwinModel) -> str:
    """Return the name of the registered model in the registry."""
    return model.spec.registered_model or f"{model.namespace}.{model.name}"


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
