"""The recorded outcomes of TwinModels, read from the archive and kept in memory. Recording them is in `grading`."""

from dataclasses import dataclass, field

from twin_operator.domain.fidelity.ledger import RecordedOutcome, TwinKey
from twin_operator.services.archive.archiving import ArchiveAccess
from twin_operator.services.archive.ports import Archive, ArchiveUnreachable

Key = tuple[str, str]
RecordedOutcomes = tuple[RecordedOutcome, ...]


@dataclass
class Ledger:
    """Recorded outcomes by TwinModel.

    Args:
        archive: where they are recorded.
        access: calls it.
        cluster: uid of the cluster.
    """

    archive: Archive
    access: ArchiveAccess
    cluster: str
    _known: dict[Key, RecordedOutcomes] = field(default_factory=dict)
    _stale: set[Key] = field(default_factory=set)

    async def outcomes(self, model: Key) -> RecordedOutcomes | None:
        """Return the outcomes in the order of their recording, the same tuple while they are the same.

        `model`: namespace and name of a TwinModel.

        None while the archive cannot be reached and no outcomes were read before.
        """
        known = self._known.get(model)
        if known is not None and model not in self._stale:
            return known
        self._stale.discard(model)
        try:
            read = tuple(await self.access.call(self.archive.outcomes, TwinKey(self.cluster, *model)))
        except ArchiveUnreachable:
            self._stale.add(model)
            return known
        if read != known:  # else the same tuple again: others compare by identity
            self._known[model] = read
        return self._known[model]

    def recorded(self, model: Key) -> None:
        """Read a TwinModel's outcomes again at the next request."""
        self._stale.add(model)
