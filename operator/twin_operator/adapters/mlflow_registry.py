"""The MLflow registry: versions of twins, their banks as a model flavour of our own (Arrow and JSON, no pickle)."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import time
from typing import Any, Final

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.twin import Bank
from twin_operator.services.reconciling.errors import Stalled, TryAgain
from twin_operator.services.runs.run import JSON

FLAVOUR: Final = "twin_bank"
CHAMPION: Final = "champion"  # the registry alias of the version that serves
SUMMARY: Final = "summary.json"
OWNER: Final = "twinops.owner"  # tag: cluster/namespace/name/uid of the TwinModel
RUN: Final = "twinops.run"  # tag of a version: the run of a task that made it, at most one version a run
REPLACED_BY: Final = "twinops.replacedBy"  # tag of a version that no longer serves
ROLLED_BACK: Final = "twinops.rolledBack"  # tag of a version that was taken back: why
ROLLED_BACK_BY: Final = "twinops.rolledBackBy"
ROLLED_BACK_TIME: Final = "twinops.rolledBackTime"  # RFC 3339
BANK_DIGEST: Final = "twinops.bankDigest"  # tag of a version: SHA-256 of the bank's file
EXPERIMENT: Final = "twin-operator"
ABSENT: Final = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})


def save_model(path: str, directory: str, mlflow_model: Model | None = None) -> None:
    """Write a bank's files and their `MLmodel` to `path` (the contract of an MLflow flavour).

    Args:
        path: a folder that does not exist yet.
        directory: the folder that holds the files of the bank.
        mlflow_model: the description that MLflow adds to.
    """
    model = mlflow_model or Model()
    shutil.copytree(directory, path)
    model.add_flavor(FLAVOUR, format="arrow", files=sorted(p.name for p in Path(directory).iterdir()))
    model.save(str(Path(path) / MLMODEL_FILE_NAME))


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def unconditionally() -> None:
    """Confirm always: for what no task does."""


class BankFlavour:
    """What `Model.log` wants of a flavour: a `save_model`."""

    __name__ = "twin_operator.adapters.mlflow_registry"
    save_model = staticmethod(save_model)


@dataclass
class MlflowRegistry:
    """Registers and reads versions.

    Args:
        tracking_uri: of the MLflow server.
        directory: where downloaded banks are kept.
        write_bank: writes a bank into a folder.
        read_bank: maps the bank of a folder into memory.
        clock: seconds since the epoch, for the time of a roll-back.
    """

    tracking_uri: str
    directory: Path
    write_bank: Callable[[Bank, Path], Path]
    read_bank: Callable[[Path], Bank]
    clock: Callable[[], float] = time
    _client: MlflowClient = field(init=False)
    _banks: dict[str, Bank] = field(default_factory=dict)
    """By the MLflow run that made the version: a deleted model's numbers are given again, run ids are not."""

    def __post_init__(self) -> None:
        mlflow.set_tracking_uri(self.tracking_uri)
        self._client = MlflowClient(self.tracking_uri, self.tracking_uri)

    def check_owner(self, name: str, owner: str) -> None:
        """Claim `name` for `owner`; refuse where another TwinModel has it.

        An owner is `CLUSTER/NAMESPACE/NAME/UID`; an older uid of the same name is adopted and re-tagged.
        """
        model = self._or_none(lambda: self._client.get_registered_model(name)) or self._create_model(name, owner)
        holder = model.tags.get(OWNER, owner)
        if holder.rpartition("/")[0] != owner.rpartition("/")[0]:
            raise Stalled(
                Reason.REGISTERED_MODEL_TAKEN,
                f"The registered model {name} belongs to {holder.rpartition('/')[0]}; "
                "choose another spec.registeredModel.",
            )
        self._client.set_registered_model_tag(name, OWNER, owner)

    def _create_model(self, name: str, owner: str) -> RegisteredModel:
        """Create a registered model, or read the one that another worker created meanwhile."""
        try:
            return self._client.create_registered_model(name, tags={OWNER: owner})
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return self._client.get_registered_model(name)

    def adoptable(self, name: str, fingerprint: str) -> JSON | None:
        """Return the champion's summary when it was trained from the same spec and data."""
        champion = self.champion(name)
        if champion is None or champion.tags.get("twinops.fingerprint") != fingerprint:
            return None
        return self.summary(name, str(champion.version))

    def champion(self, name: str) -> ModelVersion | None:
        """Return the version with the alias `champion`."""
        version: ModelVersion | None = self._or_none(lambda: self._client.get_model_version_by_alias(name, CHAMPION))
        return version

    def champion_version(self, name: str) -> str | None:
        """Return the number of the version with the alias `champion`."""
        champion = self.champion(name)
        return None if champion is None else str(champion.version)

    def version_of_run(self, name: str, run: str) -> str | None:
        """Return the version that a run made, the lowest where a repeated delivery made another."""
        found = self._asked(lambda: self._client.search_model_versions(f"name = '{name}' and tags.`{RUN}` = '{run}'"))
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
        confirm: Callable[[], None] = unconditionally,
    ) -> str:
        """Log the bank to a run of its own, register the version, and `serve` it where it is to be promoted.

        `confirm` is called before each of the last two steps, and raises where the task is to stop.

        Two deliveries of one task may get here: the lower number stays, and the other is deleted. Numbers are given in
        the order in which versions become visible, so whoever has the higher one sees the lower.
        """
        self.check_owner(name, owner)
        version = self._settle(name, tags[RUN], self._create(name, bank, summary, tags, confirm))
        if promote:
            confirm()
            self.serve(name, version)
        return version

    def _settle(self, name: str, run: str, version: str) -> str:
        """Return the first version of a run, without the own one where that is younger."""
        first = self.version_of_run(name, run) or version
        if first != version:
            self._client.delete_model_version(name, version)
        return first

    def serve(self, name: str, version: str) -> None:
        """Promote a version unless a later one serves: a task delivered again long after takes nothing back."""
        serving = self.champion_version(name)
        if serving is None or int(serving) <= int(version):
            self.promote(name, version, {})

    def _create(
        self, name: str, bank: Bank, summary: JSON, tags: Mapping[str, str], confirm: Callable[[], None]
    ) -> str:
        experiment = mlflow.set_experiment(EXPERIMENT)
        with (
            tempfile.TemporaryDirectory() as scratch,
            mlflow.start_run(experiment_id=experiment.experiment_id, run_name=name, tags=dict(tags)) as run,
        ):
            folder = Path(scratch)
            digest = digest_of(self.write_bank(bank, folder))
            identity = {"runID": run.info.run_id, "bankDigest": digest}
            (folder / SUMMARY).write_text(json.dumps({**summary, **identity}))
            mlflow.log_metrics({key: float(value) for key, value in summary["metrics"].items()})
            info = Model.log(None, BankFlavour(), name="bank", directory=scratch)
        self._confirm(confirm, run.info.run_id)
        version = self._client.create_model_version(
            name,
            info.model_uri,
            run_id=run.info.run_id,
            model_id=info.model_id,
            tags={**tags, "twinops.samples": str(summary["samples"]), BANK_DIGEST: digest},
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
            self._asked(lambda: self._client.delete_model_version_tag(name, version, REPLACED_BY))
        self._tag(name, version, tags)
        self._asked(lambda: self._client.set_registered_model_alias(name, CHAMPION, version))

    def roll_back(self, name: str, from_version: str, to_version: str, reason: str, by: str) -> bool:
        """Let `to_version` serve again if `from_version` still does, and tag the one left; return whether `to` serves.

        May be repeated. Raises like `promote`.
        """
        serving = self.champion_version(name)
        if serving != from_version:
            return serving == to_version
        moment = datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.tags(name, to_version)
        self._tag(name, from_version, {ROLLED_BACK: reason, ROLLED_BACK_BY: by, ROLLED_BACK_TIME: moment})
        self.promote(name, to_version, {})
        return True

    def tags(self, name: str, version: str) -> dict[str, str]:
        """Return the tags of a version; raises like `promote`."""
        return dict(self._asked(lambda: self._client.get_model_version(name, version)).tags)

    def _tag(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            self._asked(partial(self._client.set_model_version_tag, name, version, key, value))

    def summary(self, name: str, version: str) -> JSON:
        """Return what was kept beside the bank of a version, with `version` in it.

        Raises:
            LookupError: there is no such version.
            ConnectionError: the server does not answer.
        """
        with tempfile.TemporaryDirectory() as scratch:
            path = self._asked(lambda: self._download(name, version, Path(scratch), SUMMARY))
            content: JSON = json.loads(path.read_text())
        return {**content, "version": version}

    def bank(self, name: str, version: str, run_id: str | None) -> Bank:
        """Return a version's bank, downloaded once a worker and mapped into memory once a process.

        Args:
            name: of the registered model.
            version: its number, which another version may have got after a deletion.
            run_id: the MLflow run that made the version; None for whichever has the number now.

        Raises:
            LookupError: there is no such version.
            TryAgain: the number belongs to a version of another run now, or its file is not the registered one.
            ConnectionError: the server does not answer.
        """
        run = run_id or self._run_id(name, version)
        if run not in self._banks:
            self._banks[run] = self.read_bank(self._cached(name, version, run))
        return self._banks[run]

    def _run_id(self, name: str, version: str) -> str:
        run: str = self._asked(lambda: self._client.get_model_version(name, version)).run_id
        return run

    def _cached(self, name: str, version: str, run: str) -> Path:
        """Return the folder of a version's files; what a run made never changes, so what is there is right."""
        home = self.directory / "banks" / run
        if not home.exists():
            found = self._asked(lambda: self._client.get_model_version(name, version))
            if found.run_id != run:
                raise TryAgain(f"Version {version} of {name} is of another MLflow run now than the one that was asked.")
            home.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(dir=home.parent))
            self._download(name, version, scratch)
            self._check(scratch, name, version, found.tags.get(BANK_DIGEST))
            self._publish(scratch, home)
        return home

    @staticmethod
    def _check(folder: Path, name: str, version: str, digest: str | None) -> None:
        """Refuse a bank that is not the one that was registered; versions of release 0.1.0 have no digest."""
        if digest is not None and digest_of(next(folder.glob("*.arrow"))) != digest:
            shutil.rmtree(folder, ignore_errors=True)
            raise TryAgain(
                f"The bank of version {version} of {name} is not the one that was registered: its digest differs."
            )

    @staticmethod
    def _publish(scratch: Path, home: Path) -> None:
        try:
            scratch.rename(home)
        except OSError:  # another process of this worker was first
            shutil.rmtree(scratch, ignore_errors=True)
            if not home.exists():
                raise

    def _download(self, name: str, version: str, target: Path, part: str = "") -> Path:
        uri = f"models:/{name}/{version}" + (f"/{part}" if part else "")
        path = mlflow.artifacts.download_artifacts(
            artifact_uri=uri, dst_path=str(target), tracking_uri=self.tracking_uri
        )
        return Path(path)

    @staticmethod
    def _asked(question: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it answers
        try:
            return question()
        except MlflowException as error:
            known = error.error_code in ABSENT
            raise (LookupError if known else ConnectionError)(str(error)) from error

    @staticmethod
    def _or_none(look_up: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it looks up
        try:
            return look_up()
        except MlflowException as error:
            if error.error_code in ABSENT:
                return None
            raise ConnectionError(str(error)) from error
