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
    """

    read: Callable[[str, str], JSON]

    async def summary(self, registered_model: str, version: str) -> JSON:
        """Return what training kept beside the bank."""
        return await asyncio.to_thread(self.read, registered_model, version)
