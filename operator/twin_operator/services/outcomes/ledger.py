"""The recorded outcomes of TwinModels, read from the archive and kept in memory, and whether they are complete.

Recording them is in `grading`, comparing the archive with the graded Simulations in `backfill`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.fidelity.ledger import RecordedOutcome, TwinKey
from twin_operator.services.archive.archiving import ArchiveAccess
from twin_operator.services.archive.ports import Archive, ArchiveUnreachable
from twin_operator.services.reconciling.errors import OutcomesIncomplete

Key = tuple[str, str]
RecordedOutcomes = tuple[RecordedOutcome, ...]
NEVER_READ: Final = -1
NOT_COMPARED: Final = (
    "The archive is being compared with the graded Simulations, because it may have lost outcomes; this continues by "
    "itself after that."
)


@dataclass(frozen=True)
class Comparison:
    """What a comparison of the archive with the graded Simulations found.

    Attributes:
        missing: how many graded outcomes of each TwinModel the archive lacks.
        losses: of the ledger, when the comparison began.
        outages: of the archive, when the comparison, or the count of outcomes after an outage, began.
    """

    missing: Counter[Key]
    losses: int
    outages: int


@dataclass
class Ledger:
    """Recorded outcomes by TwinModel.

    Args:
        archive: where they are recorded.
        access: calls it.
        cluster: uid of the cluster.
        changed: called when what is known to be missing has changed.
        comparison: the last one; None before the first.
        losses: how often the archive had fewer outcomes than before.
    """

    archive: Archive
    access: ArchiveAccess
    cluster: str
    changed: Callable[[], None]
    comparison: Comparison | None = None
    losses: int = 0
    _known: dict[Key, tuple[int, RecordedOutcomes]] = field(default_factory=dict)
    _recorded: Counter[Key] = field(default_factory=Counter)

    async def outcomes(self, model: Key) -> RecordedOutcomes | None:
        """Return the outcomes in the order of their recording, the same tuple while they are the same.

        While the archive cannot be reached: those that were read before, or None.

        Args:
            model: namespace and name of a TwinModel.

        Raises:
            OutcomesIncomplete: the archive can be reached, and lacks outcomes, or was not compared.
        """
        self._require_complete(model)
        recorded, known = self._known.get(model, (NEVER_READ, None))
        if recorded == self._recorded[model]:
            return known
        try:
            return await self._read(model, known)
        except ArchiveUnreachable:
            return known

    def recorded(self, model: Key) -> None:
        """Read a TwinModel's outcomes again at the next request."""
        self._recorded[model] += 1

    def missing(self, model: Key) -> int:
        """Return how many graded outcomes of a TwinModel the archive lacked at the last comparison."""
        return 0 if self.comparison is None else self.comparison.missing[model]

    @property
    def read(self) -> int:
        """How many outcomes were read; the archive has at least as many."""
        return sum(len(outcomes) for _, outcomes in self._known.values())

    @property
    def compared(self) -> bool:
        """Whether the archive was compared, and nothing has happened since in which it may have lost outcomes."""
        known = self.comparison
        return known is not None and (known.losses, known.outages) == (self.losses, self.access.outages)

    def incomplete(self, model: Key) -> OutcomesIncomplete | None:
        """Return why a TwinModel's outcomes may not be used now; None also while the archive cannot be reached."""
        if not self.access.reachable:
            return None
        if not self.compared:
            return OutcomesIncomplete(Reason.OUTCOMES_NOT_COMPARED, NOT_COMPARED)
        missing = self.missing(model)
        return _lacking(model, missing) if missing else None

    def lost(self) -> None:
        """Have the archive compared, which has fewer outcomes than before: rows are never deleted from it."""
        self._known.clear()  # after the comparison, what the archive has then stands
        self.losses += 1
        self.changed()

    def take(self, comparison: Comparison) -> None:
        """Take what a comparison found."""
        before, self.comparison = self.comparison, comparison
        if comparison != before:
            self.changed()

    async def _read(self, model: Key, known: RecordedOutcomes | None) -> RecordedOutcomes:
        recorded = self._recorded[model]  # before the read: what is recorded during it is read next time
        read = tuple(await self.access.call(self.archive.outcomes, TwinKey(self.cluster, *model)))
        if known is not None and len(read) < len(known):
            self.lost()
        self._require_complete(model)
        outcomes = known if read == known else read  # others compare by identity
        self._known[model] = recorded, outcomes
        return outcomes

    def _require_complete(self, model: Key) -> None:
        if (incomplete := self.incomplete(model)) is not None:
            raise incomplete


def _lacking(model: Key, missing: int) -> OutcomesIncomplete:
    message = (
        f"The archive lacks {missing} graded outcomes of TwinModel {model[1]} and takes them in again from its "
        "Simulations; this continues by itself after that."
    )
    return OutcomesIncomplete(Reason.OUTCOMES_MISSING, message)
