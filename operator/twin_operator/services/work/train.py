"""Train a twin or a candidate: read the data, learn, store the bank, register the version. Runs in a worker.

A candidate is trained by a plan, and is registered without becoming active.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from twin_operator.api.v1alpha1 import TwinModelSpec
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.errors import DomainError
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.experiment_data import prepare
from twin_operator.domain.train import TrainedTwin, train_by_plan
from twin_operator.domain.twin import Bank
from twin_operator.services.reconciling.errors import Stalled, TryAgain, VersionGone
from twin_operator.services.runs.run import JSON, Outcome
from twin_operator.services.runs.times import moment
from twin_operator.services.runs.training_messages import (
    RetrainingPayload,
    Summary,
    TrainedVersion,
    TrainingPayload,
)
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
        """Return what changes with the data (ETag, or time and size), without reading it; None where there is none.

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
        """Return a `TrainedVersion` as JSON."""
        ...

    def serve(self, name: str, version: str) -> None:
        """Make a version champion unless a later one is."""
        ...

    def register(
        self,
        name: str,
        owner: str,
        bank: Bank,
        summary: JSON,
        tags: Mapping[str, str],
        *,
        promote: bool,
        confirm: "Confirm",
    ) -> str:
        """Store bank and summary as the version of the run in `tags`, and return it; another one's if that was first.

        Args:
            name: of the registered model.
            owner: of that.
            bank: what answers are computed from.
            summary: what is kept next to it.
            tags: of the version.
            promote: whether the version is to be the champion.
            confirm: called right before the version is registered, and right before it becomes the champion.

        Raises:
            Stalled: `RegisteredModelTaken`.
        """
        ...

    def check_owner(self, name: str, owner: str) -> None:
        """Raise `Stalled` (`RegisteredModelTaken`) when another TwinModel owns `name`."""
        ...


Progress = Callable[[float, str], None]
Confirm = Callable[[], None]
"""Returns where the run may go on; raises where it was stopped, so that nothing more of it is written."""
Clock = Callable[[], float]


@dataclass(frozen=True)
class TrainingAttempt:
    """One attempt at a training.

    Attributes:
        source: where the data is read from.
        registry: where the version goes.
        progress: called with the share done (0 to 1) and the name of the step.
        clock: seconds since the epoch, for `trainedTime`.
        confirm: called before a version is registered or promoted.
    """

    source: DataSource
    registry: ModelRegistry
    progress: Progress
    clock: Clock
    confirm: Confirm


def train_twin(payload: TrainingPayload, attempt: TrainingAttempt) -> Outcome:
    """Run a training task; at most one version comes of a run, however often it is delivered.

    Args:
        payload: of the task.
        attempt: where the data is, and where the version goes.

    Returns:
        the `TrainedVersion` that is active now, or why there is none.
    """
    return refusals_as_outcomes(lambda: _train(payload, attempt))


def _train(payload: TrainingPayload, attempt: TrainingAttempt) -> Outcome:
    spec, name, registry = payload.spec, payload.registered_model, attempt.registry
    registry.check_owner(name, payload.owner)
    made = registry.version_of_run(name, payload.run)
    if made is not None:
        attempt.confirm()
        registry.serve(name, made)
        return made_before(registry, name, made)
    raw = attempt.source.read(source_of(spec))
    adopted = registry.adoptable(name, fingerprint(spec, raw))
    if adopted is not None:
        version = TrainedVersion.model_validate(adopted).version
        return Outcome(Reason.SUCCEEDED, f"Version {version} of {name} fits this spec and data.", adopted)
    return _register(payload, attempt, raw, TrainingPlan.of(learner_of(spec)), {}, promote=True)


def _register(
    payload: TrainingPayload,
    attempt: TrainingAttempt,
    raw: RawTable,
    plan: TrainingPlan,
    tags: Mapping[str, str],
    *,
    promote: bool,
) -> Outcome:
    """Train by a plan, and register the version with the tags of every version and some more."""
    name, registry = payload.registered_model, attempt.registry
    twin = learn(payload.spec, raw, plan, attempt.progress)
    summary = summarise(twin, payload.spec, raw, attempt.clock()).wire()
    every = {**version_tags(payload, raw), **tags}
    version = registry.register(
        name, payload.owner, twin.bank, summary, every, promote=promote, confirm=attempt.confirm
    )
    return registered(registry, name, version)


def refusals_as_outcomes(work: Callable[[], Outcome]) -> Outcome:
    """Return what `work` returns, or its refusal as an outcome with a reason."""
    try:
        return work()
    except Stalled as stalled:
        return Outcome(stalled.reason, stalled.message)
    except VersionGone as gone:
        return Outcome(Reason.MODEL_NOT_FOUND, str(gone))
    except DomainError as error:
        return Outcome(Reason(error.reason), str(error))


def learn(spec: TwinModelSpec, raw: RawTable, plan: TrainingPlan, progress: Progress) -> TrainedTwin:
    """Check the rows and train by a plan; raise `DomainError` where they cannot be learned from."""
    progress(0.0, f"{raw.rows} rows read")
    return train_by_plan(prepare(raw.columns, columns_of(spec)), plan, uncertainty_of(spec), progress)


def version_tags(payload: TrainingPayload, raw: RawTable) -> dict[str, str]:
    """Return the tags of a version in the registry: what it was trained from, and by which run."""
    return {"twinops.fingerprint": fingerprint(payload.spec, raw), "twinops.run": payload.run}


def fingerprint(spec: TwinModelSpec, raw: RawTable) -> str:
    """Return what a version was trained from: the digests of its spec and of its data."""
    return f"{spec_digest(spec)}:{raw.digest}"


def registered(registry: ModelRegistry, name: str, version: str) -> Outcome:
    """Return the outcome of a training: the summary as the registry has it, another delivery's where that was first."""
    value = registry.summary(name, version)
    samples = TrainedVersion.model_validate(value).samples
    return Outcome(Reason.SUCCEEDED, f"Version {version} was learned from {samples} rows.", value)


def made_before(registry: ModelRegistry, name: str, version: str) -> Outcome:
    """Return the outcome of a run that was delivered again after its version had been registered."""
    return Outcome(Reason.SUCCEEDED, f"Version {version} is of this run already.", registry.summary(name, version))


def summarise(twin: TrainedTwin, spec: TwinModelSpec, raw: RawTable, now: float) -> Summary:
    """Return what is kept next to the bank; `now` in seconds since the epoch."""
    bank = twin.bank
    return Summary(
        data_digest=raw.digest,
        spec_digest=spec_digest(spec),
        samples=int(bank.outcome.size),
        arms=bank.arms,
        experiments=bank.experiments,
        features={feature.name: feature.type for feature in bank.columns.features},
        algorithm=twin.plan.algorithm,
        plan=twin.plan,
        metrics=dict(twin.metrics),
        effects=twin.effects,
        warnings=twin.warnings,
        assignment_not_random=twin.assignment_not_random,
        contrasts=twin.contrasts,
        trained_time=moment(now),
    )


def retrain_twin(payload: RetrainingPayload, attempt: TrainingAttempt) -> Outcome:
    """Run a retraining task; at most one version comes of a run, however often it is delivered.

    Args:
        payload: of the task.
        attempt: where the data is, and where the version goes.

    Returns:
        the candidate as a `TrainedVersion`, or why there is none.

    Raises:
        TryAgain: the data cannot be read now; the next attempt may find its store reachable.
    """
    outcome = refusals_as_outcomes(lambda: _retrain(payload, attempt))
    if outcome.reason is Reason.DATA_NOT_READABLE:
        raise TryAgain(outcome.message)
    return outcome


def _retrain(payload: RetrainingPayload, attempt: TrainingAttempt) -> Outcome:
    name, registry = payload.registered_model, attempt.registry
    registry.check_owner(name, payload.owner)
    made = registry.version_of_run(name, payload.run)
    if made is not None:
        return made_before(registry, name, made)
    raw = attempt.source.read(source_of(payload.spec))
    tags = {"twinops.job": payload.job, "twinops.trigger": payload.trigger}
    return _register(payload, attempt, raw, payload.plan, tags, promote=False)
