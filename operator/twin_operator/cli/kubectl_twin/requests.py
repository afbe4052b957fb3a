"""What the commands send: patches and objects, worked out from arguments and what the cluster says. Pure."""

from typing import Any, Final

from twin_operator.api.v1alpha1 import API_VERSION

JSON = dict[str, Any]
ROLLBACK: Final = "twinops.dev/rollback-"
"""Prefix of the four annotations that ask the operator to move a champion back; they count together."""


class Impossible(Exception):  # noqa: N818 - a fact about the model
    """There is nothing to ask for; the message says why and what to do instead."""


def decision(*, approved: bool, by: str, message: str | None) -> JSON:
    """Return the patch that decides about a RetrainingJob."""
    return {"spec": {"approval": _given(approved=approved, by=by, message=message)}}


def cancellation() -> JSON:
    """Return the patch that stops a RetrainingJob."""
    return {"spec": {"cancel": True}}


def outcome(**given: float | str | None) -> JSON:
    """Return the patch that records the outcome of a Simulation, from fields named as on the wire."""
    return {"spec": {"observed": _given(**given)}}


def retraining(model: str, message: str | None, max_regression: float | None, *, override_cooldown: bool) -> JSON:
    """Return a RetrainingJob of a model; the server completes its name."""
    spec: JSON = {"modelRef": {"name": model}, "trigger": _given(type="Manual", message=message)}
    if override_cooldown:
        spec["overrideCooldown"] = True
    if max_regression is not None:
        spec["gate"] = {"maxRegression": max_regression}
    metadata = {"generateName": f"{model}-"}
    return {"apiVersion": API_VERSION, "kind": "RetrainingJob", "metadata": metadata, "spec": spec}


def rollback(model: JSON, to: str | None, reason: str, by: str) -> JSON:
    """Return the patch that asks for an earlier version of a model in place of the one that serves.

    Args:
        model: the TwinModel.
        to: the version; None for the one that served before the last promotion.
        reason: why, for people.
        by: who asks.

    Raises:
        Impossible: no version serves, it is pinned, or there is none to go back to.
    """
    name, status = model["metadata"]["name"], model.get("status") or {}
    serving = (status.get("model") or {}).get("version")
    wanted = to or (status.get("retraining") or {}).get("previousVersion")
    if serving is None:
        raise Impossible(f"No version of TwinModel {name} serves, so there is none to roll back.")
    if pinned := model["spec"].get("version"):
        raise Impossible(f"TwinModel {name} is pinned to version {pinned}: change or remove spec.version instead.")
    if wanted is None:
        raise Impossible(f"TwinModel {name} knows of no version before {serving}: name one with --to.")
    if wanted == serving:
        raise Impossible(f"Version {serving} of TwinModel {name} serves already: name another one with --to.")
    parts = {"from": serving, "to": wanted, "reason": reason, "by": by}
    return {"metadata": {"annotations": {f"{ROLLBACK}{part}": text for part, text in parts.items()}}}


def _given(**fields: bool | float | str | None) -> JSON:
    return {name: value for name, value in fields.items() if value is not None}
