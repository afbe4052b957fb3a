"""A person takes a promoted version back: the champion's alias moves, and the registry and an Event keep the reason."""

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.services.reconciling.objects import registered_model
from twin_operator.services.reconciling.ports import Changed, Event, Gone, JSONResources, RollBack, Versions
from twin_operator.services.runs.run import JSON

KIND = "TwinModel"
PREFIX = "twinops.dev/rollback-"


def wanted_roll_back(body: JSON) -> RollBack | None:
    """Return the wish in a TwinModel's annotations, unless it was carried out or is about a version of the past.

    The annotations stay, as the operator changes no metadata of people; they name the version to leave, so that they
    mean nothing once another one serves.
    """
    annotations = body["metadata"].get("annotations") or {}
    values = [annotations.get(PREFIX + name) for name in ("from", "to", "reason", "by")]
    if not all(values):
        return None
    wish = RollBack(*map(str, values))
    status = body.get("status") or {}
    serving = (status.get("model") or {}).get("version")
    done = (status.get("retraining") or {}).get("rolledBackVersion") == wish.leave
    return None if done or serving != wish.leave or wish.leave == wish.take else wish


async def carry_out(wish: RollBack, body: JSON, versions: Versions, resources: JSONResources) -> JSON:
    """Move the alias, tell an Event, note it in the status, and return the TwinModel as it is then.

    The data and the spec of the version that is left count as tried: no trigger brings the same candidate back.
    """
    name = registered_model(body)
    try:
        left = await versions.summary(name, wish.leave)
        await versions.summary(name, wish.take)
    except LookupError as error:
        message = f"Rolling back from version {wish.leave} to {wish.take} is not possible: {error}."
        await resources.emit(
            Event(TwinModel.model_validate(body), "RollBackRefused", message, warning=True, occasion=_occasion(wish))
        )
        return body
    if not await versions.roll_back(name, wish):
        message = f"Version {wish.leave} of {name} is not the champion, so it cannot be rolled back."
        await resources.emit(
            Event(TwinModel.model_validate(body), "RollBackRefused", message, warning=True, occasion=_occasion(wish))
        )
        return body
    message = f"{wish.by} rolled back from version {wish.leave} to {wish.take}: {wish.reason}"
    await resources.emit(
        Event(TwinModel.model_validate(body), "RolledBack", message, warning=True, occasion=_occasion(wish))
    )
    tried = {"triedSpecDigest": left.get("specDigest"), "triedDataDigest": left.get("dataDigest")}
    status = {"retraining": {"rolledBackVersion": wish.leave, **tried}}
    try:
        return await resources.write_status(KIND, body, status)
    except (Changed, Gone):
        return body


def _occasion(wish: RollBack) -> str:
    return f"{wish.leave}-{wish.take}"
