"""What the operator's use cases need of the world; adapters fulfil these."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Protocol

from twin_operator.services.tasks import JSON, Report, Run, Stop, Task


class RunQueue(Protocol):
    """Queues, runs and results."""

    async def publish(self, tasks: Collection[Task]) -> None:
        """Put tasks into their queues."""
        ...

    async def mark_queued(self, queued: Mapping[str, float]) -> None:
        """Write the time of queueing (seconds since the epoch) of runs that have none."""
        ...

    async def runs(self, ids: Iterable[str]) -> dict[str, Run]:
        """Read records; an unknown run is an empty one."""
        ...

    async def stop(self, run: str, why: Stop) -> None:
        """End a run and refuse its claims."""
        ...

    async def resume(self, run: str) -> None:
        """Allow claims again."""
        ...

    async def forget(self, runs: Collection[str]) -> None:
        """Drop records."""
        ...

    async def waiting(self, queues: Collection[str]) -> set[str]:
        """Return the runs whose message is in a queue or unacknowledged."""
        ...

    async def depths(self, queues: Collection[str]) -> dict[str, int]:
        """Return the length of each queue."""
        ...

    async def reports(self, *, pending: bool, block_ms: int = 1000, count: int = 200) -> list[Report]:
        """Read what workers reported."""
        ...

    async def acknowledge(self, entries: Collection[str]) -> None:
        """Drop reports that were acted on."""
        ...


class Gone(Exception):  # noqa: N818 - a fact about an object
    """The object is not there any more, or another one has its name."""


class Changed(Exception):  # noqa: N818 - a fact about an object
    """The object was changed since it was seen."""


class Refused(Exception):  # noqa: N818 - a fact about a write
    """The API server will never take this write."""


class Resources(Protocol):
    """The custom resources, and what the operator owns besides."""

    async def read(self, kind: str, namespace: str, name: str) -> JSON:
        """Return an object; raise `Gone`."""
        ...

    async def write_status(self, kind: str, body: JSON, status: JSON) -> JSON:
        """Merge `status` into the object as it was seen; raise `Gone`, `Changed` or `Refused`."""
        ...

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete an object if it still is this one."""
        ...

    def expiring(self, kind: str) -> AsyncIterator[tuple[str, str, str, str, int]]:
        """Yield namespace, name, uid, completion time (RFC 3339) and TTL (seconds) of what is finished and expires."""
        ...

    async def apply_deployment(self, deployment: JSON, *, dry_run: bool = False) -> JSON:
        """Apply a Deployment; raise `Refused`."""
        ...

    async def read_deployment(self, namespace: str, name: str) -> JSON | None:
        """Return a Deployment, or None."""
        ...


class Versions(Protocol):
    """What the registry says of a version; read once."""

    async def summary(self, registered_model: str, version: str) -> JSON:
        """Return what training kept beside the bank.

        Raises:
            LookupError: there is no such version.
            ConnectionError: the registry does not answer.
        """
        ...

    async def champion(self, registered_model: str) -> str | None:
        """Return the version that serves unless another is pinned."""
        ...
