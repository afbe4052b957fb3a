"""The MLflow registry in memory: blocking, as `adapters/mlflow_registry.py` is, and for the operator's event loop."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.twin import Bank
from twin_operator.services.reconciling.errors import Stalled, VersionGone
from twin_operator.services.reconciling.ownership import ownership
from twin_operator.services.reconciling.ports import RegisteredModel, RegisteredVersion, RollBack
from twin_operator.services.reconciling.version_tags import (
    ADOPT,
    FINGERPRINT,
    OWNER,
    REPLACED_BY,
    ROLLED_BACK,
    ROLLED_BACK_BY,
    ROLLED_BACK_TIME,
    RUN,
    SAMPLES,
    read_summary,
    summary_tags,
)
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import timestamp
from twin_operator.services.runs.training_messages import TrainedVersion


@dataclass
class _Version:
    summary: str
    tags: dict[str, str]
    bank: Bank | None
    deleted: bool = False  # its number is not given again


@dataclass
class _RegisteredModel:
    tags: dict[str, str]
    versions: list[_Version] = field(default_factory=list)
    champion: str | None = None


class InMemoryRegistry:
    """Registers and reads versions; while `reachable` is False every call raises `ConnectionError`.

    Args:
        clock: seconds since the epoch, for the time of a rollback.
    """

    def __init__(self, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.reachable = True
        self.clock = clock
        self.after_claim: Callable[[], None] = lambda: None
        self._models: dict[str, _RegisteredModel] = {}
        self._downloaded: dict[str, Bank] = {}
        self._runs = itertools.count(1)

    def check_owner(self, name: str, owner: str) -> None:
        self._registered().setdefault(name, _RegisteredModel({OWNER: owner}))
        self.claim(name, owner)
        refusal = ownership(name, self._models[name].tags, owner).refusal
        if refusal is not None:
            raise Stalled(Reason.REGISTERED_MODEL_TAKEN, refusal)

    def claim(self, name: str, owner: str) -> RegisteredModel | None:
        model = self._registered().get(name)
        if model is None:
            return None
        rule = ownership(name, model.tags, owner)
        if rule.write_owner:
            model.tags[OWNER] = owner
            self.after_claim()
        if rule.remove_adopt:
            model.tags.pop(ADOPT, None)
        return self.registered_model(name)

    def adoptable(self, name: str, fingerprint: str) -> JSON | None:
        champion = self.champion_version(name)
        if champion is None or self.tags(name, champion).get(FINGERPRINT) != fingerprint:
            return None
        return self.summary(name, champion)

    def champion_version(self, name: str) -> str | None:
        model = self._registered().get(name)
        return None if model is None else model.champion

    def registered_model(self, name: str) -> RegisteredModel | None:
        model = self._registered().get(name)
        return None if model is None else RegisteredModel(dict(model.tags), model.champion)

    def registered_version(self, name: str, version: str) -> RegisteredVersion | None:
        if version not in self.versions(name):
            return None
        found = self._version(name, version)
        return RegisteredVersion(dict(found.tags), json.loads(found.summary).get("runID"))

    def version_of_run(self, name: str, run: str) -> str | None:
        made = (number for number in self.versions(name) if self.tags(name, number).get(RUN) == run)
        return next(made, None)

    def register(
        self,
        name: str,
        owner: str,
        bank: Bank | None,
        summary: JSON,
        tags: Mapping[str, str],
        *,
        promote: bool,
        confirm: Callable[[], None] = lambda: None,
    ) -> str:
        self.check_owner(name, owner)
        confirm()
        version = self._settle(name, tags[RUN], self._create(name, bank, summary, tags))
        if promote:
            confirm()
            self.serve(name, version)
        return version

    def serve(self, name: str, version: str) -> None:
        serving = self.champion_version(name)
        if serving is None or int(serving) <= int(version):
            self.promote(name, version, {})

    def promote(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        own, serving = self._version(name, version).tags, self.champion_version(name)
        if serving not in {None, version}:
            self._version(name, str(serving)).tags[REPLACED_BY] = version
        own.pop(REPLACED_BY, None)
        own.update(tags)
        self._models[name].champion = version

    def roll_back(self, name: str, from_version: str, to_version: str, reason: str, by: str) -> bool:
        serving = self.champion_version(name)
        if serving != from_version:
            return serving == to_version
        self.tags(name, to_version)
        moment = str(timestamp(self.clock()))
        left = {ROLLED_BACK: reason, ROLLED_BACK_BY: by, ROLLED_BACK_TIME: moment}
        self._version(name, from_version).tags.update(left)
        self.promote(name, to_version, {})
        return True

    def tags(self, name: str, version: str) -> dict[str, str]:
        return dict(self._version(name, version).tags)

    def summary(self, name: str, version: str) -> JSON:
        content: JSON = json.loads(self._version(name, version).summary)
        return {**content, "version": version}

    def bank(self, name: str, version: str, run_id: str | None) -> Bank:
        if run_id is not None and run_id in self._downloaded:
            return self._downloaded[run_id]
        found = json.loads(self._version(name, version).summary)["runID"]
        if run_id is not None and run_id != found:
            raise VersionGone(f"Version {version} of {name} is of another MLflow run now.")
        bank = self._version(name, version).bank
        if bank is None:
            raise LookupError(f"Version {version} of {name} was registered without a bank.")
        self._downloaded[found] = bank
        return bank

    # What tests do to a registry.

    def versions(self, name: str) -> list[str]:
        """Return the numbers of the versions of a registered model, in their order."""
        model = self._registered().get(name)
        every = [] if model is None else model.versions
        return [str(number) for number, version in enumerate(every, 1) if not version.deleted]

    def add(self, name: str, owner: str, run: str, *, promote: bool = True, **summary: Any) -> str:
        """Register a version without a bank: enough for the operator, which reads summaries only."""
        content = {"metrics": {}, "samples": 0, **summary}
        return self.register(name, owner, None, content, {RUN: run}, promote=promote)

    def without_downloads(self) -> InMemoryRegistry:
        """Return the registry as a worker has it that has downloaded nothing yet."""
        other = InMemoryRegistry(self.clock)
        other._models = self._models
        return other

    def delete_registered_model(self, name: str) -> None:
        """Delete a registered model with its versions; their numbers are given again."""
        del self._models[name]

    def delete_version(self, name: str, version: str) -> None:
        """Delete a version, and the alias if that is of this version."""
        self._version(name, version).deleted = True
        if self._models[name].champion == version:
            self._models[name].champion = None

    def set_champion(self, name: str, version: str) -> None:
        """Move the alias, and nothing else."""
        self._models[name].champion = version

    def create_foreign(self, name: str) -> None:
        """Register a model with one version, the champion, as another team does: without a tag of ours."""
        self._models[name] = _RegisteredModel({}, [_Version("{}", {}, None)], "1")

    def add_foreign_version(self, name: str) -> str:
        """Register a version without a tag of ours, and return its number."""
        self._models[name].versions.append(_Version("{}", {}, None))
        return str(len(self._models[name].versions))

    def set_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of a registered model, as its administrator does."""
        self._models[name].tags[key] = value

    def content(self, name: str) -> object:
        """Return all that is known of a registered model, to be compared with what it is later."""
        model = self._models[name]
        versions = [(each.summary, dict(each.tags), each.deleted) for each in model.versions]
        return dict(model.tags), versions, model.champion

    def remove_champion(self, name: str) -> None:
        """Delete the alias, as the one that was cut short before its promotion leaves it."""
        self._models[name].champion = None

    def _registered(self) -> dict[str, _RegisteredModel]:
        if not self.reachable:
            raise ConnectionError("The MLflow server cannot be reached.")
        return self._models

    def _version(self, name: str, version: str) -> _Version:
        if version not in self.versions(name):
            raise VersionGone(f"{name} has no version {version} in the registry.")
        return self._models[name].versions[int(version) - 1]

    def _create(self, name: str, bank: Bank | None, summary: JSON, tags: Mapping[str, str]) -> str:
        versions = self._models[name].versions
        {key: float(value) for key, value in summary["metrics"].items()}
        content = json.dumps({**summary, "runID": f"{name}-{next(self._runs)}"})
        kept = {**tags, SAMPLES: str(summary["samples"]), **summary_tags(summary)}
        versions.append(_Version(content, kept, bank))
        return str(len(versions))

    def _settle(self, name: str, run: str, version: str) -> str:
        """Return the first version of a run, and delete a later one of the same run."""
        first = self.version_of_run(name, run) or version
        if first != version:
            self._version(name, version).deleted = True
        return first


@dataclass(frozen=True)
class InMemoryVersions:
    """The registry for the event loop, without threads: `services.reconciling.ports.Versions`.

    Args:
        registry: that is read and written.
    """

    registry: InMemoryRegistry

    async def registered_model(self, name: str) -> RegisteredModel | None:
        await asyncio.sleep(0)
        return self.registry.registered_model(name)

    async def claim(self, name: str, owner: str) -> RegisteredModel | None:
        await asyncio.sleep(0)
        return self.registry.claim(name, owner)

    async def version(self, registered_model: str, version: str) -> RegisteredVersion | None:
        await asyncio.sleep(0)
        return self.registry.registered_version(registered_model, version)

    async def summary(self, registered_model: str, version: str) -> TrainedVersion:
        await asyncio.sleep(0)
        return read_summary(self.registry.summary(registered_model, version), version)

    async def champion(self, registered_model: str) -> str | None:
        await asyncio.sleep(0)
        return self.registry.champion_version(registered_model)

    async def promote(self, registered_model: str, version: str, tags: Mapping[str, str]) -> None:
        await asyncio.sleep(0)
        self.registry.promote(registered_model, version, tags)

    async def roll_back(self, registered_model: str, request: RollBack) -> bool:
        await asyncio.sleep(0)
        return self.registry.roll_back(registered_model, request.leave, request.take, request.reason, request.by)
