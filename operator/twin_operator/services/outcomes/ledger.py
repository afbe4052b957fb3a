"""The recorded outcomes of each registered model, read from the archive once and after each change."""

import logging
from collections.abc import Callable
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
        changed: called with a registered model whose outcomes are others than before.
    """

    archive: Archive
    access: ArchiveAccess
    changed: Callable[[str], None] = lambda _registered_model: None
    _known: dict[str, Outcomes] = field(default_factory=dict)
    _stale: set[str] = field(default_factory=set)

    async def outcomes(self, registered_model: str) -> Outcomes | None:
        """Return the outcomes in the order of their recording; None while nothing is known and the archive is down."""
        known = self._known.get(registered_model)
        if known is not None and registered_model not in self._stale:
            return known
        self._stale.discard(registered_model)
        try:
            read = tuple(await self.access.call(self.archive.outcomes, registered_model))
        except ArchiveUnreachable:
            self._stale.add(registered_model)
            return known
        self._known[registered_model] = read
        if read != known:
            self.changed(registered_model)
        return read

    def recorded(self, registered_model: str) -> None:
        """Have a registered model's outcomes read again."""
        self._stale.add(registered_model)
