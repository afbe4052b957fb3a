"""A model registry whose client blocks, for the operator's event loop: each call in a thread."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from twin_operator.services.reconciling.ports import RollBack
from twin_operator.services.runs.messages import TrainedVersion
from twin_operator.services.runs.run import JSON


def read_summary(summary: JSON) -> TrainedVersion:
    """Return what training kept next to a bank; raise `LookupError` where it is not what this release reads."""
    try:
        return TrainedVersion.model_validate(summary)
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        raise LookupError(f"this release cannot read {field} in the summary of the version") from error


class BlockingVersions(Protocol):
    """A registry whose client blocks. Every method may raise `ConnectionError`."""

    def summary(self, name: str, version: str) -> JSON:
        """Return what training kept next to the bank; raise `LookupError` where there is no such version."""
        ...

    def champion_version(self, name: str) -> str | None:
        """Return the champion: the version that is active unless another is pinned."""
        ...

    def promote(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        """Make a version the champion."""
        ...

    def roll_back(self, name: str, from_version: str, to_version: str, reason: str, by: str) -> bool:
        """Make an earlier version the champion if the one to leave is; return whether the earlier one is now."""
        ...


@dataclass(frozen=True)
class ThreadedVersions:
    """Calls a blocking registry in threads.

    Args:
        registry: the client.
        before_write: awaited before a write; a leader that may have lost its Lease waits there.
    """

    registry: BlockingVersions
    before_write: Callable[[], Awaitable[None]]

    async def summary(self, registered_model: str, version: str) -> TrainedVersion:
        """Return what training kept next to the bank; raise `LookupError` where it is not what this release reads."""
        return read_summary(await asyncio.to_thread(self.registry.summary, registered_model, version))

    async def champion(self, registered_model: str) -> str | None:
        """Return the champion: the version that is active unless another is pinned."""
        return await asyncio.to_thread(self.registry.champion_version, registered_model)

    async def promote(self, registered_model: str, version: str, tags: Mapping[str, str]) -> None:
        """Make a version the champion."""
        await self.before_write()
        await asyncio.to_thread(self.registry.promote, registered_model, version, tags)

    async def roll_back(self, registered_model: str, request: RollBack) -> bool:
        """Make an earlier version the champion again."""
        await self.before_write()
        leave, take = request.leave, request.take
        return await asyncio.to_thread(
            self.registry.roll_back, registered_model, leave, take, request.reason, request.by
        )
