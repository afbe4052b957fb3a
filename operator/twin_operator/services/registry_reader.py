"""Summaries of versions for the operator, read off the event loop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from twin_operator.services.tasks import JSON


@dataclass(frozen=True)
class ThreadedVersions:
    """Reads in a thread, since the registry's client blocks.

    Args:
        read: returns the summary of a version; raises LookupError or ConnectionError.
        read_champion: returns the champion's version.
    """

    read: Callable[[str, str], JSON]
    read_champion: Callable[[str], str | None]

    async def summary(self, registered_model: str, version: str) -> JSON:
        """Return what training kept beside the bank."""
        return await asyncio.to_thread(self.read, registered_model, version)

    async def champion(self, registered_model: str) -> str | None:
        """Return the version that serves unless another is pinned."""
        return await asyncio.to_thread(self.read_champion, registered_model)
