"""The recorded outcomes of each registered model, read from the archive once and after each change."""

import logging
from dataclasses import dataclass, field

from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.services.archive.access import ArchiveAccess
from twin_operator.services.archive.ports import Archive, ArchiveUnreachable

logger = logging.getLogger(__name__)
Outcomes = tuple[RecordedOutcome, ...]


@dataclass
class Ledger:
    """Outcomes by registered model.

    Args:
        archive: where they are recorded.
        access: calls it.
    """

    archive: Archive
    access: ArchiveAccess
    _known: dict[str, Outcomes] = field(default_factory=dict)
    _stale: set[str] = field(default_factory=set)

    async def outcomes(self, registered_model: str) -> Outcomes | None:
        """Return the outcomes in the order of their recording, the same tuple while they are the same.

        None while the archive cannot be reached and no outcomes were read before.
        """
        known = self._known.get(registered_model)
        if known is not None and registered_model not in self._stale:
            return known
        self._stale.discard(registered_model)
        try:
            read = tuple(await self.access.call(self.archive.outcomes, registered_model))
        except ArchiveUnreachable:
            self._stale.add(registered_model)
            return known
        if read != known:  # else the same tuple again: others compare by identity
            self._known[registered_model] = read
        return self._known[registered_model]

    def recorded(self, registered_model: str) -> None:
        """Read a registered model's outcomes again at the next request."""
        self._stale.add(registered_model)
