"""Views of the custom resources that several services read: what an object says, and nothing of what to do."""

from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.twin_spec import columns_digest


def registered_model(body: JSON) -> str:
    """Return the name in the registry."""
    meta = body["metadata"]
    return str(body["spec"].get("registeredModel") or f"{meta['namespace']}.{meta['name']}")


def serves(body: JSON) -> bool:
    """Whether a version serves."""
    return bool(((body.get("status") or {}).get("model") or {}).get("version"))


def needs_training(body: JSON) -> bool:
    """Whether the columns changed since the version that serves was trained; a pinned version serves as it is."""
    if body["spec"].get("version"):
        return False
    trained = ((body.get("status") or {}).get("model") or {}).get("specDigest")
    return trained is not None and not trained.startswith(columns_digest(body["spec"]))
