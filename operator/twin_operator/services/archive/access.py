"""The archive from the event loop: calls in threads, and a look-out for whether it answers."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from twin_operator.services.archive.ports import ArchiveUnreachable, ArchiveUnusable

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
CALLS_AT_ONCE = 4  # threads of the archive: SQLite has one writer, PostgreSQL needs no more for batches


@dataclass
class ArchiveAccess:
    """Calls the archive, and fails at once while it is known to be down: the hot path must not wait for it.

    Args:
        changed: called with `reachable` when the archive went down or came back.
    """

    changed: Callable[..., None]
    trouble: str | None = None
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CALLS_AT_ONCE))

    @property
    def reachable(self) -> bool:
        """Whether the last call was answered."""
        return self.trouble is None

    async def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the archive in a thread.

        Raises:
            ArchiveUnreachable: it does not answer, or did not when it was asked last.
        """
        if self.trouble is not None:
            raise ArchiveUnreachable(self.trouble)
        return await self.probe(method, *args, **kwargs)

    async def probe(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the archive also while it is known to be down: for the one loop that may wait for it."""
        async with self._turns:
            try:
                result = await asyncio.to_thread(method, *args, **kwargs)
            except (ArchiveUnreachable, ArchiveUnusable) as error:
                self._note(str(error))
                raise ArchiveUnreachable(str(error)) from error
        self._note(None)
        return result

    def _note(self, trouble: str | None) -> None:
        before, self.trouble = self.trouble, trouble
        if (before is None) is (trouble is None):
            return
        if trouble is None:
            logger.info("The archive answers again.")
        else:
            logger.error("The archive cannot be reached: %s Finished Simulations wait in Redis.", trouble)
        self.changed(reachable=trouble is None)
