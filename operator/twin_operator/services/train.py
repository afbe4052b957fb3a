"""Train a twin: read the data, learn, store the bank, register the version. Runs in a worker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from twin_operator.domain.bank import Bank
from twin_operator.domain.errors import DomainError
from twin_operator.domain.experiment_data import prepare
from twin_operator.domain.mixture import Contrast
from twin_operator.domain.training import TrainedTwin, train
from twin_operator.services.conditions import timestamp
from twin_operator.services.errors import Stalled
from twin_operator.services.tasks import JSON, Outcome
from twin_operator.services.twin_spec import Source, columns_of, learner_of, source_of, spec_digest, uncertainty_of


@dataclass(frozen=True)
class RawTable:
    """Columns as they were read, and the digest of the bytes that they came from."""

    columns: Mapping[str, np.ndarray[Any, Any]]
    digest: str
    rows: int


class DataSource(Protocol):
    """Where past experiments are read from."""

    def read(self, source: Source) -> RawTable:
        """Return the columns; raise `Stalled` with a reason where they cannot be had."""
        ...


class ModelRegistry(Protocol):
    """Where versions of twins are kept."""

    def adoptable(self, name: str, fingerprint: str) -> JSON | None:
        """Return the summary of the champion of `name` if it was trained from the same spec and data."""
        ...

    def register(self, name: str, owner: str, bank: Bank, summary: JSON, tags: Mapping[str, str]) -> str:
        """Store bank and summary as a new version, make it champion, and return the version.

        Raises:
            Stalled: `RegisteredModelTaken`.
        """
        ...

    def check_owner(self, name: str, owner: str) -> None:
        """Raise `Stalled` (`RegisteredModelTaken`) when another TwinModel owns `name`."""
        ...


def train_twin(
    payload: JSON,
    source: DataSource,
    registry: ModelRegistry,
    progress: Callable[[float, str], None],
    clock: Callable[[], float],
) -> Outcome:
    """Carry out a training task.

    Args:
        payload: `spec` (a TwinModel's, as JSON), `registeredModel`, `owner` and `run`.
        source: where the data is read from.
        registry: where the version goes.
        progress: called with a share done (0 to 1) and a phrase.
        clock: seconds since the epoch, for `trainedTime`.

    Returns:
        the summary of the version that serves now (`status.model`, `effects` and the bank's digest), or why
        there is none.
    """
    spec, name = payload["spec"], payload["registeredModel"]
    try:
        registry.check_owner(name, payload["owner"])
        raw = source.read(source_of(spec))
        fingerprint = f"{spec_digest(spec)}:{raw.digest}"
        adopted = registry.adoptable(name, fingerprint)
        if adopted is not None:
            return Outcome("Succeeded", f"Version {adopted['version']} of {name} fits this spec and data.", adopted)
        progress(0.1, f"{raw.rows} rows read")
        twin = train(prepare(raw.columns, columns_of(spec)), learner_of(spec), uncertainty_of(spec), progress)
    except Stalled as stalled:
        return Outcome(stalled.reason, stalled.message)
    except DomainError as error:
        return Outcome(error.reason, str(error))
    summary = {**summarise(twin, spec, raw), "trainedTime": timestamp(clock())}
    tags = {"twinops.fingerprint": fingerprint, "twinops.run": payload["run"]}
    version = registry.register(name, payload["owner"], twin.bank, summary, tags)
    return Outcome("Succeeded", f"Version {version} was learned from {raw.rows} rows.", {**summary, "version": version})


def summarise(twin: TrainedTwin, spec: JSON, raw: RawTable) -> JSON:
    """Return what is kept beside the bank: status.model, effects, contrasts and warnings."""
    bank = twin.bank
    return {
        "dataDigest": raw.digest,
        "specDigest": spec_digest(spec),
        "samples": int(bank.outcome.size),
        "arms": list(bank.arms),
        "experiments": list(bank.experiments),
        "features": {f.name: f.type.value for f in bank.columns.features},
        "algorithm": spec["learner"]["algorithm"],
        "metrics": dict(twin.metrics),
        "effects": [asdict(effect) for effect in twin.effects],
        "warnings": list(twin.warnings),
        "assignmentNotRandom": twin.assignment_not_random,
        "contrasts": contrasts_json(twin.contrasts),
    }


def contrasts_json(contrasts: Sequence[Contrast]) -> list[JSON]:
    """Return contrasts as JSON, each readable by `Contrast.from_dict`."""
    return [dict(contrast.as_dict()) for contrast in contrasts]
