"""The files of versions in MLflow: banks as a model flavour of our own, downloaded once a worker.

Also the translation of errors of the `mlflow` package.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException, RestException
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME

from twin_operator.services.reconciling.errors import RegistryFault, TryAgain, VersionGone
from twin_operator.services.reconciling.version_tags import BANK_DIGEST, SUMMARY_FILE
from twin_operator.services.runs.run import JSON

FLAVOUR: Final = "twin_bank"
ABSENT: Final = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})
R = TypeVar("R")


def asked_or_none(request: str, look_up: Callable[[], R]) -> R | None:
    """Return what MLflow has, or None; raise `ConnectionError`."""
    try:
        return asked(request, look_up)
    except LookupError:
        return None


def asked(request: str, question: Callable[[], R]) -> R:
    """Return MLflow's answer. What goes wrong becomes a sentence of our own: its texts may hold the address.

    Raises:
        LookupError: what is requested is not there.
        ConnectionError: anything else.
    """
    try:
        return question()
    except MlflowException as error:
        if error.error_code in ABSENT:
            raise LookupError(f"MLflow cannot {request}: there is none") from None
        raise ConnectionError(_fault(error).sentence(request)) from None
    except OSError as error:
        if error.errno is not None:  # of a local file; those of requests have no number
            raise
        raise ConnectionError(RegistryFault.UNREACHABLE.sentence(request)) from None


def _fault(error: MlflowException) -> RegistryFault:
    """Return why MLflow did not answer: only with its answer does an error have a status of its own."""
    if not isinstance(error, RestException):
        return RegistryFault.UNREACHABLE
    status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return RegistryFault.of_status(status)


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


class BankFlavour:
    """What `Model.log` wants of a flavour: a `save_model`."""

    __name__ = "twin_operator.adapters.mlflow_registry.files"
    save_model = staticmethod(save_model)


@dataclass(frozen=True)
class VersionFiles:
    """Downloads the files of versions.

    Args:
        tracking_uri: of the MLflow server.
        directory: where downloaded banks are kept.
        find: returns a version from the registry.
    """

    tracking_uri: str
    directory: Path
    find: Callable[[str, str], ModelVersion]

    def bank(self, name: str, version: str, run: str) -> Path:
        """Return the folder of a version's bank; what a run made never changes, so what is there is right.

        Raises:
            VersionGone: there is no such version, or its number belongs to a version of another run now.
            TryAgain: its file is not the registered one.
        """
        home = self.directory / "banks" / run
        if not home.exists():
            found = self.find(name, version)
            if found.run_id != run:
                raise VersionGone(f"Version {version} of {name} is of another MLflow run now.")
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
        request = f"download {part or 'the bank'} of version {version} of {name}"
        options = {"artifact_uri": uri, "dst_path": str(target), "tracking_uri": self.tracking_uri}
        return Path(asked(request, lambda: mlflow.artifacts.download_artifacts(**options)))

    def summary(self, name: str, version: str) -> JSON:
        """Return the summary that training wrote next to the bank."""
        with tempfile.TemporaryDirectory() as scratch:
            content: JSON = json.loads(self._download(name, version, Path(scratch), SUMMARY_FILE).read_text())
        return content
