"""Train a twin: read the data, learn, store the bank, register the version. Runs in a worker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.errors import DomainError
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.experiment_data import prepare
from twin_operator.domain.train import TrainedTwin, train_by_plan
from twin_operator.domain.twin.bank import Bank
from twin_operator.domain.twin.tau_mixture import Contrast
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.payloads import plan_to_json
from twin_operator.services.runs.run import JSON, Outcome
from twin_operator.services.runs.times import timestamp
from twin_operator.services.runs.twin_spec import Source, columns_of, learner_of, source_of, spec_digest, uncertainty_of


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

    def stamp(self, source: Source) -> str | None:
        """Return what changes when the data does (ETag, or time and size), without reading it; None where none is told.

        Raises:
            Stalled: `AddressNotAllowed`.
        """
        ...


class ModelRegistry(Protocol):
    """Where versions of twins are kept."""

    def adoptable(self, name: str, fingerprint: str) -> JSON | None:
        """Return the summary of the champion of `name` if it was trained from the same spec and data."""
        ...

    def version_of_run(self, name: str, run: str) -> str | None:
        """Return the version that a run made, if it made one before."""
        ...

    def summary(self, name: str, version: str) -> JSON:
        """Return what was kept beside the bank of a version, with `version` in it."""
        ...

    def serve(self, name: str, version: str) -> None:
        """Make a version champion unless a later one is."""
        ...

    def register(
        self, name: str, owner: str, bank: Bank, summary: JSON, tags: Mapping[str, str], *, promote: bool
    ) -> str:
        """Store bank and summary as the version of the run in `tags`, and return it; another one's if that was first.

        Raises:
            Stalled: `RegisteredModelTaken`.
        """
        ...

    def check_owner(self, name: str, owner: str) -> None:
        """Raise `Stalled` (`RegisteredModelTaken`) when another TwinModel owns `name`."""
        ...


Progress = Callable[[float, str], None]
Clock = Callable[[], float]


def train_twin(payload: JSON, source: DataSource, registry: ModelRegistry, progress: Progress, clock: Clock) -> Outcome:
    """Carry out a training task; at most one version comes of a run, however often it is delivered.

    Args:
        payload: `spec` (a TwinModel's, as JSON), `registeredModel`, `owner` and `run`.
        source: where the data is read from.
        registry: where the version goes.
        progress: called with a share done (0 to 1) and a phrase.
        clock: seconds since the epoch, for `trainedTime`.

    Returns:
        the summary of the version that serves now (`status.model`, `effects`, `plan` and the bank's digest), or why
        there is none.
    """
    return refusals_as_outcomes(lambda: _train(payload, source, registry, progress, clock))


def _train(payload: JSON, source: DataSource, registry: ModelRegistry, progress: Progress, clock: Clock) -> Outcome:
    spec, name = payload["spec"], payload["registeredModel"]
    registry.check_owner(name, payload["owner"])
    made = registry.version_of_run(name, payload["run"])
    if made is not None:
        registry.serve(name, made)
        return made_before(registry, name, made)
    raw = source.read(source_of(spec))
    adopted = registry.adoptable(name, fingerprint(spec, raw))
    if adopted is not None:
        return Outcome(Reason.SUCCEEDED, f"Version {adopted['version']} of {name} fits this spec and data.", adopted)
    twin = learn(spec, raw, TrainingPlan.of(learner_of(spec)), progress)
    tags = {"twinops.fingerprint": fingerprint(spec, raw), "twinops.run": payload["run"]}
    summary = {**summarise(twin, spec, raw), "trainedTime": timestamp(clock())}
    version = registry.register(name, payload["owner"], twin.bank, summary, tags, promote=True)
    return registered(registry, name, version)


def refusals_as_outcomes(work: Callable[[], Outcome]) -> Outcome:
    """Return what `work` returns, or its refusal as an outcome with a reason."""
    try:
        return work()
    except Stalled as stalled:
        return Outcome(stalled.reason, stalled.message)
    except DomainError as error:
        return Outcome(Reason(error.reason), str(error))


def learn(spec: JSON, raw: RawTable, plan: TrainingPlan, progress: Progress) -> TrainedTwin:
    """Check the rows and train by a plan; raise `DomainError` where they cannot be learned from."""
    progress(0.0, f"{raw.rows} rows read")
    return train_by_plan(prepare(raw.columns, columns_of(spec)), plan, uncertainty_of(spec), progress)


def fingerprint(spec: JSON, raw: RawTable) -> str:
    """Return what a version was trained from: the digests of its spec and of its data."""
    return f"{spec_digest(spec)}:{raw.digest}"


def registered(registry: ModelRegistry, name: str, version: str) -> Outcome:
    """Return the outcome of a training: the summary as the registry has it, another delivery's where that was first."""
    summary = registry.summary(name, version)
    return Outcome(Reason.SUCCEEDED, f"Version {version} was learned from {summary['samples']} rows.", summary)


def made_before(registry: ModelRegistry, name: str, version: str) -> Outcome:
    """Return the outcome of a run that was delivered again after its version had been registered."""
    return Outcome(Reason.SUCCEEDED, f"Version {version} is of this run already.", registry.summary(name, version))


def summarise(twin: TrainedTwin, spec: JSON, raw: RawTable) -> JSON:
    """Return what is kept beside the bank: status.model, effects, contrasts, warnings and the plan carried out."""
    bank = twin.bank
    return {
        "dataDigest": raw.digest,
        "specDigest": spec_digest(spec),
        "samples": int(bank.outcome.size),
        "arms": list(bank.arms),
        "experiments": list(bank.experiments),
        "features": {f.name: f.type.value for f in bank.columns.features},
        "algorithm": twin.plan.algorithm.value,
        "plan": plan_to_json(twin.plan),
        "metrics": dict(twin.metrics),
        "effects": [asdict(effect) for effect in twin.effects],
        "warnings": list(twin.warnings),
        "assignmentNotRandom": twin.assignment_not_random,
        "contrasts": contrasts_json(twin.contrasts),
    }


def contrasts_json(contrasts: Sequence[Contrast]) -> list[JSON]:
    """Return contrasts as JSON, each readable by `Contrast.from_dict`."""
    return [dict(contrast.as_dict()) for contrast in contrasts]
