"""The MLflow registry of a worker: versions of twins, their banks as a model flavour of our own (Arrow, no pickle).

The operator reads and promotes versions over the REST API: `mlflow_rest`.
"""

import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from twin_operator.adapters.mlflow_registry.files import BankFlavour, VersionFiles, asked, asked_or_none, digest_of
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.twin import Bank
from twin_operator.services.reconciling.errors import Stalled, VersionGone
from twin_operator.services.reconciling.ownership import Ownership, ownership
from twin_operator.services.reconciling.version_tags import (
    ADOPT,
    BANK_DIGEST,
    CHAMPION,
    FINGERPRINT,
    OWNER,
    REPLACED_BY,
    RUN,
    SAMPLES,
    SUMMARY_FILE,
    summary_in,
    summary_tags,
)
from twin_operator.services.runs.run import JSON

logger = logging.getLogger(__name__)
EXPERIMENT: Final = "twin-operator"
METRICS_AT_ONCE: Final = 1000  # in one request, as the REST API of MLflow has it


@dataclass
class MlflowRegistry:
    """Registers and reads versions.

    Args:
        tracking_uri: of the MLflow server.
        directory: where downloaded banks are kept.
        write_bank: writes a bank into a folder.
        read_bank: maps the bank of a folder into memory.
    """

    tracking_uri: str
    directory: Path
    write_bank: Callable[[Bank, Path], Path]
    read_bank: Callable[[Path], Bank]
    _client: MlflowClient = field(init=False)
    _files: VersionFiles = field(init=False)
    _banks: dict[str, Bank] = field(default_factory=dict)
    """By the MLflow run that made the version: a deleted model's numbers are given again, run ids are not."""

    def __post_init__(self) -> None:
        mlflow.set_tracking_uri(self.tracking_uri)
        self._client = MlflowClient(self.tracking_uri, self.tracking_uri)
        self._files = VersionFiles(self.tracking_uri, self.directory, self._version)

    def check_owner(self, name: str, owner: str) -> None:
        """Claim `name` for `owner` (`CLUSTER/NAMESPACE/NAME/UID`) by the rule `ownership`; raise `Stalled` otherwise.

        Of two that claim it at the same time, the one whose tag stands has it.
        """
        model = self._registered_model(name) or self._create_model(name, owner)
        rule = _allowed(name, model, owner)
        if rule.settled:
            return
        if rule.write_owner:
            request = f"tag the registered model {name}"
            asked(request, lambda: self._client.set_registered_model_tag(name, OWNER, owner))
        if rule.remove_adopt:
            request = f"remove a tag of the registered model {name}"
            asked_or_none(request, lambda: self._client.delete_registered_model_tag(name, ADOPT))
        _allowed(name, self._registered_model(name) or model, owner)

    def _registered_model(self, name: str) -> RegisteredModel | None:
        request = f"read the registered model {name}"
        return asked_or_none(request, lambda: self._client.get_registered_model(name))

    def _create_model(self, name: str, owner: str) -> RegisteredModel:
        """Create a registered model, or read the one that another worker created meanwhile."""

        def create() -> RegisteredModel:
            try:
                return self._client.create_registered_model(name, tags={OWNER: owner})
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            return self._client.get_registered_model(name)

        return asked(f"create the registered model {name}", create)

    def adoptable(self, name: str, fingerprint: str) -> JSON | None:
        """Return the champion's summary when it was trained from the same spec and data."""
        champion = self.champion(name)
        if champion is None or champion.tags.get(FINGERPRINT) != fingerprint:
            return None
        return self.summary(name, str(champion.version))

    def champion(self, name: str) -> ModelVersion | None:
        """Return the version with the alias `champion`."""
        request = f"read which version of {name} is the champion"
        return asked_or_none(request, lambda: self._client.get_model_version_by_alias(name, CHAMPION))

    def champion_version(self, name: str) -> str | None:
        """Return the number of the version with the alias `champion`."""
        champion = self.champion(name)
        return None if champion is None else str(champion.version)

    def version_of_run(self, name: str, run: str) -> str | None:
        """Return the version that a run made, the lowest where a repeated delivery made another."""
        where = f"name = '{name}' and tags.`{RUN}` = '{run}'"
        found = asked(f"search the versions of {name}", lambda: self._client.search_model_versions(where))
        return str(min(int(version.version) for version in found)) if found else None

    def register(
        self,
        name: str,
        owner: str,
        bank: Bank,
        summary: JSON,
        tags: Mapping[str, str],
        *,
        promote: bool,
        confirm: Callable[[], None],
    ) -> str:
        """Log the bank to a run of its own, register the version, and `serve` it where it is to be promoted.

        `confirm` is called before each of the last two steps, and raises where the task is to stop.

        Two deliveries of one task may get here: the lower number stays, and the other is deleted. Numbers are given in
        the order in which versions become visible, so whoever has the higher one sees the lower.
        """
        self.check_owner(name, owner)
        created = asked(f"register a version of {name}", lambda: self._create(name, bank, summary, tags, confirm))
        version = self._settle(name, tags[RUN], created)
        if promote:
            confirm()
            self.serve(name, version)
        return version

    def _settle(self, name: str, run: str, version: str) -> str:
        """Return the first version of a run, without the own one where that is younger."""
        first = self.version_of_run(name, run) or version
        if first != version:
            request = f"delete version {version} of {name}"
            asked(request, lambda: self._client.delete_model_version(name, version))
        return first

    def serve(self, name: str, version: str) -> None:
        """Promote a version unless a later one serves: a task delivered again long after takes nothing back."""
        serving = self.champion_version(name)
        if serving is None or int(serving) <= int(version):
            self.promote(name, version, {})

    def _create(
        self, name: str, bank: Bank, summary: JSON, tags: Mapping[str, str], confirm: Callable[[], None]
    ) -> str:
        more = {SAMPLES: str(summary["samples"]), **summary_tags(summary)}
        experiment = mlflow.set_experiment(EXPERIMENT)
        with (
            tempfile.TemporaryDirectory() as scratch,
            mlflow.start_run(experiment_id=experiment.experiment_id, run_name=name, tags=dict(tags)) as run,
        ):
            folder = Path(scratch)
            digest = digest_of(self.write_bank(bank, folder))
            identity = {"runID": run.info.run_id, "bankDigest": digest}
            (folder / SUMMARY_FILE).write_text(json.dumps({**summary, **identity}))
            _log_metrics(summary["metrics"])
            info = Model.log(None, BankFlavour(), name="bank", directory=scratch)
        self._confirm(confirm, run.info.run_id)
        version = self._client.create_model_version(
            name,
            info.model_uri,
            run_id=run.info.run_id,
            model_id=info.model_id,
            tags={**tags, **more, BANK_DIGEST: digest},
        )
        return str(version.version)

    def _confirm(self, confirm: Callable[[], None], run_id: str) -> None:
        """Delete the MLflow run of a task that is to stop: no version refers to it."""
        try:
            confirm()
        except Exception:
            with suppress(MlflowException):
                self._client.delete_run(run_id)
            raise

    def promote(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        """Let a version serve, and tag it; the one that served gets `twinops.replacedBy`.

        May be repeated: the alias moves last, so that a promotion cut short is done whole the next time.

        Raises:
            LookupError: there is no such version.
            ConnectionError: the server does not answer.
        """
        own, serving = self.tags(name, version), self.champion_version(name)
        if serving not in {None, version}:
            self._tag(name, str(serving), {REPLACED_BY: version})
        if REPLACED_BY in own:
            request = f"remove a tag of version {version} of {name}"
            asked(request, lambda: self._client.delete_model_version_tag(name, version, REPLACED_BY))
        self._tag(name, version, tags)
        request = f"make version {version} of {name} the champion"
        asked(request, lambda: self._client.set_registered_model_alias(name, CHAMPION, version))

    def tags(self, name: str, version: str) -> dict[str, str]:
        """Return the tags of a version; raises like `promote`."""
        return dict(self._version(name, version).tags)

    def _version(self, name: str, version: str) -> ModelVersion:
        try:
            return asked(f"read version {version} of {name}", lambda: self._client.get_model_version(name, version))
        except LookupError:
            raise VersionGone(f"{name} has no version {version} in the registry.") from None

    def _tag(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        def write() -> None:
            for key, value in tags.items():
                self._client.set_model_version_tag(name, version, key, value)

        asked(f"set tags of version {version} of {name}", write)

    def summary(self, name: str, version: str) -> JSON:
        """Return what training wrote with a version, with `version` and the MLflow run in it.

        A version of release 0.1.0 has it in a file only: it is written to the tags, which the operator reads.

        Raises:
            LookupError: there is no such version.
            ConnectionError: the server does not answer.
        """
        found = self._version(name, version)
        content = summary_in(found.tags)
        if content is None:
            content = self._files.summary(name, version)
            self._tag_summary(name, version, content)
        return {**content, "version": version, "runID": found.run_id}

    def _tag_summary(self, name: str, version: str, summary: JSON) -> None:
        """Write a summary to the tags of a version; one that is too large stays in its file only."""
        try:
            self._tag(name, version, summary_tags(summary))
        except Stalled as stalled:
            logger.warning("Version %s of %s: %s", version, name, stalled.message)

    def bank(self, name: str, version: str, run_id: str | None) -> Bank:
        """Return a version's bank, downloaded once a worker and mapped into memory once a process.

        Args:
            name: of the registered model.
            version: its number, which another version may have got after a deletion.
            run_id: the MLflow run that made the version; None for whichever has the number now.

        Raises:
            VersionGone: there is no such version, or its number belongs to a version of another run now.
            TryAgain: its file is not the registered one.
            ConnectionError: the server does not answer.
        """
        run = run_id or str(self._version(name, version).run_id)
        if run not in self._banks:
            self._banks[run] = self.read_bank(self._files.bank(name, version, run))
        return self._banks[run]


def _log_metrics(metrics: Mapping[str, float]) -> None:
    """Log metrics to the active run, as many at a time as one request may have."""
    every = iter(metrics.items())
    while batch := dict(islice(every, METRICS_AT_ONCE)):
        mlflow.log_metrics({key: float(value) for key, value in batch.items()})


def _allowed(name: str, model: RegisteredModel, owner: str) -> Ownership:
    """Return how an owner may use a registered model; raise `Stalled` where it may not."""
    rule = ownership(name, model.tags, owner)
    if rule.refusal is not None:
        raise Stalled(Reason.REGISTERED_MODEL_TAKEN, rule.refusal)
    return rule
