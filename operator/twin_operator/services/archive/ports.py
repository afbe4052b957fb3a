"""The archive as the use cases see it: Simulations, outcomes and retrainings beyond the life of their objects."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from twin_operator.domain.fidelity.ledger import RecordedOutcome, TwinKey
from twin_operator.domain.twin import TauWeights
from twin_operator.services.runs.run import JSON


class ArchiveUnreachable(Exception):  # noqa: N818 - a fact about the archive
    """The archive cannot be reached now; whatever it was asked is to be asked again."""


class ArchiveUnusable(Exception):  # noqa: N818 - likewise
    """Only a user can fix it: an address that names no archive, or an archive of a newer version of this package."""


@dataclass(frozen=True)
class ArchivedSimulation:
    """A finished Simulation: what was asked of which version, and the answer with all that replays it.

    Attributes:
        uid: of the object; the key.
        phase: Succeeded or Failed.
        reason: of its condition Ready.
        cluster: uid of the cluster; with `namespace` and `model` it identifies the twin.
        registered_model: None where it failed before a model was known.
        run_id: the MLflow run that made the version; None where that is not known.
        queued, completed: seconds since the epoch.
        spec: as it was asked, but for `observed`.
        answer: its status as it was written, but for what a later outcome changes: `fidelity` and `observedGeneration`.
    """

    uid: str
    namespace: str
    name: str
    model: str
    registered_model: str | None
    model_version: str | None
    arm: str
    against: str | None
    phase: str
    reason: str
    queued: float | None
    completed: float
    spec: JSON
    answer: JSON
    cluster: str
    run_id: str | None


@dataclass(frozen=True)
class ArchivedRetraining:
    """A RetrainingJob that ended: why it was started, what was trained, the comparison and the result.

    Attributes:
        uid: of the object; the key.
        cluster: uid of the cluster; with `namespace` and `model` it identifies the twin.
        promoted: whether its candidate serves since.
        status: `plan`, `candidate`, `champion`, `gate`, `approvedBy` and times of its status.
        completed: seconds since the epoch.
    """

    uid: str
    namespace: str
    name: str
    model: str
    registered_model: str
    trigger: str
    phase: str
    reason: str
    message: str
    promoted: bool
    completed: float
    status: JSON
    cluster: str


@dataclass(frozen=True)
class GradedSimulation:
    """A graded Simulation without its content.

    Attributes:
        twin: whom it asked.
        completed: when it was answered, whole seconds since the epoch.
    """

    uid: str
    name: str
    twin: TwinKey
    completed: float


class Archive(Protocol):
    """Where history is kept. Every call may raise `ArchiveUnreachable`; every write may be repeated."""

    def store(self, simulations: Sequence[ArchivedSimulation], weights: Mapping[str, TauWeights]) -> None:
        """Store finished Simulations and tau weights by their digest, in one transaction; what is known stays."""
        ...

    def known(self, uids: Collection[str]) -> set[str]:
        """Return which of these Simulations are stored."""
        ...

    def record(self, outcomes: Sequence[RecordedOutcome]) -> dict[str, RecordedOutcome]:
        """Store graded outcomes in one transaction; return, by uid of the Simulation, what stands: the first wins."""
        ...

    def recorded(self, uids: Collection[str]) -> dict[str, RecordedOutcome]:
        """Return the outcomes of these Simulations, by uid."""
        ...

    def unrecorded(self, simulations: Sequence[GradedSimulation]) -> set[str]:
        """Return the uids of those of these Simulations, all of one cluster, of which no outcome is stored.

        That of a Simulation with another uid, but of the same cluster, namespace, name and time of its answer is the
        same outcome: a backup that is restored gives new uids.
        """
        ...

    def outcomes(self, twin: TwinKey) -> list[RecordedOutcome]:
        """Return every outcome of a twin, in the order in which they were recorded."""
        ...

    def outcome_count(self, cluster: str) -> int:
        """Return how many outcomes of a cluster's twins are stored."""
        ...

    def weights(self, digests: Collection[str]) -> dict[str, TauWeights]:
        """Return tau weights by digest, those that are known."""
        ...

    def store_retraining(self, job: ArchivedRetraining) -> None:
        """Store a RetrainingJob that ended."""
        ...
