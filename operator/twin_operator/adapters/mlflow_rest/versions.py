"""Versions of twins in MLflow's registry: summaries from tags, the alias of the active version, its moves.

Files of versions are the workers' business, but for the summary of a version that release 0.1.0 registered.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from twin_operator.adapters.mlflow_rest.api import MlflowApi
from twin_operator.services.reconciling.errors import RegistryFault
from twin_operator.services.reconciling.ownership import ownership
from twin_operator.services.reconciling.ports import RegisteredModel, RegisteredVersion, RollBack
from twin_operator.services.reconciling.version_tags import (
    ADOPT,
    CHAMPION,
    OWNER,
    PART,
    REPLACED_BY,
    ROLLED_BACK,
    ROLLED_BACK_BY,
    ROLLED_BACK_TIME,
    SUMMARY,
    SUMMARY_FILE,
    read_summary,
    summary_in,
)
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import timestamp
from twin_operator.services.runs.training_messages import TrainedVersion

FILE_OF_VERSION: Final = "/model-versions/get-artifact"  # through the server, also from a store that it does not proxy


@dataclass(frozen=True)
class RestVersions:
    """Reads and promotes versions: `services.reconciling.ports.Versions`.

    Args:
        api: sends the requests.
        clock: seconds since the epoch, for the time of a rollback.
    """

    api: MlflowApi
    clock: Callable[[], float] = time.time

    async def registered_model(self, name: str) -> RegisteredModel | None:
        """Return a registered model; None where there is none of this name. Raise `ConnectionError`."""
        request = f"read the registered model {name}"
        try:
            found = await self.api.get("registered-models/get", request, "registered_model", name=name)
        except LookupError:
            return None
        aliases = {each["alias"]: str(each["version"]) for each in found.get("aliases", ())}
        return RegisteredModel(_tags(found), aliases.get(CHAMPION))

    async def claim(self, name: str, owner: str) -> RegisteredModel | None:
        """Tag a registered model for an owner where it may have it; return the registered model as it is then."""
        found = await self.registered_model(name)
        rule = None if found is None else ownership(name, found.tags, owner)
        if rule is None or rule.refusal is not None or rule.settled:
            return found
        if rule.write_owner:
            await self._tag_model(name, OWNER, owner)
        if rule.remove_adopt:
            await self._remove_model_tag(name, ADOPT)
        return await self.registered_model(name)

    async def version(self, registered_model: str, version: str) -> RegisteredVersion | None:
        """Return a version without its summary; None where there is no such version. Raise `ConnectionError`."""
        try:
            found = await self._version(registered_model, version)
        except LookupError:
            return None
        return RegisteredVersion(_tags(found), found.get("run_id") or None)

    async def champion(self, registered_model: str) -> str | None:
        """Return the champion: the version that is active unless another is pinned."""
        found = await self.registered_model(registered_model)
        return None if found is None else found.champion

    async def summary(self, registered_model: str, version: str) -> TrainedVersion:
        """Return what training wrote with the version; raise `LookupError` where it is not what this release reads."""
        found = await self._version(registered_model, version)
        summary = summary_in(_tags(found)) or await self._summary_file(registered_model, version)
        return read_summary({**summary, "runID": found.get("run_id") or None}, version)

    async def promote(self, registered_model: str, version: str, tags: Mapping[str, str]) -> None:
        """Make a version the champion, and tag it; the one that was gets `twinops.replacedBy`.

        May be repeated: the alias moves last, so that a promotion that was cut short is completed the next time.
        """
        own = _tags(await self._version(registered_model, version))
        before = await self.champion(registered_model)
        if before not in {None, version}:
            await self._tag(registered_model, str(before), {REPLACED_BY: version})
        if REPLACED_BY in own:
            await self._remove_tag(registered_model, version, REPLACED_BY)
        await self._tag(registered_model, version, tags)
        request = f"make version {version} of {registered_model} the champion"
        path = "registered-models/alias"
        await self.api.write("POST", path, request, name=registered_model, alias=CHAMPION, version=version)

    async def roll_back(self, registered_model: str, request: RollBack) -> bool:
        """Make an earlier version the champion again if the one to leave is, and tag that; return whether it is now.

        May be repeated.
        """
        champion = await self.champion(registered_model)
        if champion != request.leave:
            return champion == request.take
        await self._version(registered_model, request.take)
        now = str(timestamp(self.clock()))
        left = {ROLLED_BACK: request.reason[:PART], ROLLED_BACK_BY: request.by, ROLLED_BACK_TIME: now}
        await self._tag(registered_model, request.leave, left)
        await self.promote(registered_model, request.take, {})
        return True

    async def _version(self, name: str, version: str) -> JSON:
        request = f"read version {version} of {name}"
        return await self.api.get("model-versions/get", request, "model_version", name=name, version=version)

    async def _summary_file(self, name: str, version: str) -> JSON:
        """Return the summary of a version of release 0.1.0, which has none in its tags before a worker reads it."""
        request = f"read {SUMMARY_FILE} of version {version} of {name}, which has no {SUMMARY} tags yet"
        try:
            return await self.api.file(FILE_OF_VERSION, request, name=name, version=version, path=SUMMARY_FILE)
        except LookupError:
            raise ConnectionError(RegistryFault.NO_FILE.sentence(request)) from None

    async def _tag_model(self, name: str, key: str, value: str) -> None:
        request = f"tag the registered model {name}"
        await self.api.write("POST", "registered-models/set-tag", request, name=name, key=key, value=value)

    async def _remove_model_tag(self, name: str, key: str) -> None:
        request = f"remove a tag of the registered model {name}"
        with suppress(LookupError):  # another process of ours removed it
            await self.api.write("DELETE", "registered-models/delete-tag", request, name=name, key=key)

    async def _tag(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        request = f"set tags of version {version} of {name}"
        for key, value in tags.items():
            path = "model-versions/set-tag"
            await self.api.write("POST", path, request, name=name, version=version, key=key, value=value)

    async def _remove_tag(self, name: str, version: str, key: str) -> None:
        request = f"remove a tag of version {version} of {name}"
        await self.api.write("DELETE", "model-versions/delete-tag", request, name=name, version=version, key=key)


def _tags(found: JSON) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in found.get("tags", ())}
