"""Calls of the archive from the event loop, and finished Simulations on their way to it.

They are archived off the hot path, in batches, and none is lost while the archive is down.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, TypeVar

from pydantic import ValidationError

from twin_operator.api.v1alpha1 import Simulation, SimulationStatus
from twin_operator.api.v1alpha1.conditions import ConditionType
from twin_operator.api.v1alpha1.schema import present
from twin_operator.domain.twin import TauWeights
from twin_operator.services.archive.ports import Archive, ArchivedSimulation, ArchiveUnreachable, ArchiveUnusable
from twin_operator.services.reconciling.ports import FinishedObject, Gone, Resources, Unreadable
from twin_operator.services.reconciling.turns import in_turns
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.simulation_messages import TauWeightsOnTheWire

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
CALLS_AT_ONCE = 4  # threads of the archive: SQLite has one writer, PostgreSQL needs no more for batches
BATCH = 500  # entries a transaction
IDLE_SECONDS = 0.5  # between two reads of an empty outbox
PAUSE_SECONDS = 2.0  # after the archive did not answer
LOOK_SECONDS = 10.0  # between two probes of an archive that was not used meanwhile
MOST_SENT = 10_000  # digests that are remembered as sent; a vector that is sent again is stored once


@dataclass
class ArchiveAccess:
    """Calls the archive, and fails at once while it is known to be down: the hot path must not wait for it.

    Args:
        changed: called with `reachable` when the archive went down or came back.
        trouble: why it could not be reached at the last call.
        outages: how often it went down; it may have lost rows in each.
    """

    changed: Callable[..., None]
    trouble: str | None = None
    outages: int = 0
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
            self.outages += 1
            logger.error("The archive cannot be reached: %s Finished Simulations wait in Redis.", trouble)
        self.changed(reachable=trouble is None)


class Outbox(Protocol):
    """Keeps entries, over restarts, until they are dropped."""

    async def put(self, entries: Sequence[JSON]) -> None:
        """Append entries."""
        ...

    async def take(self, count: int) -> list[tuple[str, JSON]]:
        """Return the oldest entries with their identities."""
        ...

    async def drop(self, entries: Collection[str]) -> None:
        """Remove entries."""
        ...

    async def length(self) -> int:
        """Return how many entries wait."""
        ...


@dataclass
class Archiving:
    """Fills the archive.

    Args:
        archive: where Simulations go.
        access: calls it.
        outbox: where they wait.
        resources: the API server, for what the outbox has lost.
        cluster: its uid.
        clock: seconds since the epoch.
        waiting: called with the number of entries that wait.
    """

    archive: Archive
    access: ArchiveAccess
    outbox: Outbox
    resources: Resources
    cluster: str
    clock: Callable[[], float]
    waiting: Callable[[int], None]
    _looked: float = 0.0
    _fresh: list[JSON] = field(default_factory=list)
    _sent: set[str] = field(default_factory=set)

    def finished(self, simulation: Simulation) -> None:
        """Have a finished Simulation archived; what a crash forgets here, the next start finds in the API server."""
        self._fresh.append({"simulation": _lean(simulation)})

    async def weights(self, vectors: Mapping[str, TauWeights]) -> None:
        """Have tau weights archived, by digest, before a prediction is made with them."""
        fresh = {digest: value for digest, value in vectors.items() if digest not in self._sent}
        if fresh:
            entries = [
                {"weights": TauWeightsOnTheWire.of(value).wire(), "digest": digest} for digest, value in fresh.items()
            ]
            await self.outbox.put(entries)
            self._sent = set(fresh) if len(self._sent) > MOST_SENT else self._sent | set(fresh)

    async def run(self) -> None:
        """Store batches for ever, and probe the archive at intervals, since it may be used for nothing else."""
        while True:
            try:
                stored = await self.store_batch()
                pause = 0.0 if stored == BATCH else IDLE_SECONDS
            except ArchiveUnreachable:
                pause = PAUSE_SECONDS
            except Exception:
                logger.exception("Archiving waits; it is tried again in %.0f s.", PAUSE_SECONDS)
                pause = PAUSE_SECONDS
            await asyncio.sleep(pause)

    async def store_batch(self) -> int:
        """Store the oldest entries in one transaction; return how many."""
        await self._flush()
        self.waiting(await self.outbox.length())  # first: it matters most while the archive does not answer
        await self._look()
        entries = await self.outbox.take(BATCH)
        if entries:
            simulations = _readable(
                (entry["simulation"] for _, entry in entries if "simulation" in entry), self.cluster
            )
            vectors = _vectors(entry for _, entry in entries if "weights" in entry)
            await self.access.call(self.archive.store, simulations, vectors)
            await self.outbox.drop([identity for identity, _ in entries])
        return len(entries)

    async def _flush(self) -> None:
        """Put what ended since into the outbox."""
        fresh, self._fresh = self._fresh, []
        try:
            for start in range(0, len(fresh), BATCH):
                await self.outbox.put(fresh[start : start + BATCH])
        except BaseException:
            self._fresh = fresh + self._fresh  # storing is idempotent: twice in the outbox is once in the archive
            raise

    async def _look(self) -> None:
        """Ask the archive something when it is down, or was not asked for a while."""
        now = self.clock()
        if not self.access.reachable or now >= self._looked + LOOK_SECONDS:
            await self.access.probe(self.archive.known, ())
            self._looked = now

    async def known(self, uid: str) -> bool:
        """Whether a Simulation is archived; False while the archive does not answer."""
        try:
            return uid in await self.access.call(self.archive.known, [uid])
        except ArchiveUnreachable:
            return False

    async def catch_up(self, ended: Sequence[FinishedObject]) -> None:
        """Archive those of these Simulations that the archive does not have: Redis may have forgotten them.

        Each is read from the API server, so namespaces take turns.
        """
        ended = in_turns(ended, lambda each: each.namespace)
        for start in range(0, len(ended), BATCH):
            page = ended[start : start + BATCH]
            known = await self._known_when_reachable([each.uid for each in page])
            for missing in (each for each in page if each.uid not in known):
                await self._send(missing)

    async def _known_when_reachable(self, uids: Sequence[str]) -> set[str]:
        while True:
            try:
                return await self.access.call(self.archive.known, uids)
            except ArchiveUnreachable:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _send(self, ended: FinishedObject) -> None:
        try:
            simulation = await self.resources.read(Simulation, ended.namespace, ended.name)
        except Gone:
            return
        except Unreadable as error:
            logger.warning("It is not archived: %s", error)
            return
        if simulation.uid == ended.uid:
            self.finished(simulation)


def _vectors(entries: Iterable[JSON]) -> dict[str, TauWeights]:
    """Return the vectors of these by digest; one that cannot be read must not keep the others from the archive."""
    vectors = {}
    for entry in entries:
        try:
            vectors[str(entry["digest"])] = TauWeightsOnTheWire.model_validate(entry["weights"]).weights()
        except (ValidationError, KeyError):
            logger.exception("The weights %s cannot be archived.", entry.get("digest"))
    return vectors


def _readable(bodies: Iterable[JSON], cluster: str) -> list[ArchivedSimulation]:
    """Return the records of these; one that cannot be read must not keep the others from the archive."""
    records = []
    for body in bodies:
        try:
            records.append(archived(Simulation.model_validate(body), cluster))
        except ValidationError:
            logger.exception("A Simulation cannot be archived.")
    return records


def _lean(simulation: Simulation) -> JSON:
    """Return a Simulation as JSON without what the archive does not keep."""
    return {
        "metadata": simulation.metadata.model_dump(include={"namespace", "name", "uid"}),
        "spec": simulation.spec.manifest(),
        "status": simulation.status.manifest(),
    }


def archived(simulation: Simulation, cluster: str) -> ArchivedSimulation:
    """Return the record of a finished Simulation; `cluster` is the uid of its cluster."""
    spec, status = simulation.spec, simulation.status
    ready = status.condition(ConditionType.READY)
    asked: JSON = present(spec.replace(observed=None).model_dump(mode="json"))
    return ArchivedSimulation(
        uid=simulation.uid,
        namespace=simulation.namespace,
        name=simulation.name,
        model=spec.model_ref.name,
        registered_model=status.registered_model,
        model_version=status.model_version,
        arm=spec.intervention.arm,
        against=spec.intervention.against,
        phase=status.phase,
        reason=ready.reason if ready else "",
        queued=None if status.queued_time is None else status.queued_time.timestamp(),
        completed=0.0 if status.completion_time is None else status.completion_time.timestamp(),
        spec=asked,
        answer=_as_written(status),
        cluster=cluster,
        run_id=status.model_run_id,
    )


def _as_written(status: SimulationStatus) -> JSON:
    """Return a status as JSON, but for what is written again when the outcome is known."""
    content: JSON = present(
        status.model_dump(
            mode="json",
            exclude={
                "fidelity": True,
                "observed_generation": True,
                "conditions": {"__all__": {"observed_generation": True}},
            },
        )
    )
    return content
