"""Follows each unfinished Simulation: decides what is next, publishes its task, finds lost ones again."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.api.v1alpha1.conditions import SimulationPhase
from twin_operator.services.reconciling.metrics import SimulationMeters
from twin_operator.services.reconciling.ports import Gone, Resources, RunQueue, Unreadable
from twin_operator.services.runs.run import Outcome, Run, Stop, Target
from twin_operator.services.runs.tracing import trace_of, within
from twin_operator.services.simulations.answers import Answers, FollowedSimulation
from twin_operator.services.simulations.decide import (
    Decision,
    Enqueue,
    Finish,
    Running,
    deadline_of,
    decide,
    is_version_gone,
    model_of,
    queued,
)
from twin_operator.services.simulations.publication import Publication, Ready
from twin_operator.services.simulations.resolution import Resolution
from twin_operator.services.versions import Twins, Waiting

logger = logging.getLogger(__name__)
RETRY_SECONDS = 1.0  # after Redis did not answer
SETTLED_SECONDS = 2.0  # a message that was published less than this ago may not be visible yet


@dataclass
class Simulations:
    """Follows every unfinished Simulation to its end.

    Args:
        queue: queues, runs and results.
        resources: the API server.
        twins: forgets versions that are gone.
        resolution: knows which version answers.
        answers: writes statuses.
        clock: seconds since the epoch.
        second_write_seconds: age at which an unfinished Simulation gets a status.
        meters: counts messages that are published again.
        publication: publishes messages.
        served: whether a WorkerPool with workers serves a queue.
        version_gone: called with the key of the TwinModel whose version a worker did not find.
    """

    queue: RunQueue
    resources: Resources
    twins: Twins
    resolution: Resolution
    answers: Answers
    clock: Callable[[], float]
    second_write_seconds: float
    meters: SimulationMeters
    publication: Publication
    served: Callable[[str], bool]
    version_gone: Callable[[tuple[str, str]], None]
    _dirty: set[str] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _background: set[asyncio.Task[None]] = field(default_factory=set)

    async def observe(self, simulation: Simulation, *, deleted: bool) -> None:
        """Take note of what the watch says."""
        followed = self.answers.followed.get(simulation.uid)
        if simulation.status.phase.finished:
            self._forget(simulation.uid)
        elif deleted:
            await self._left(simulation.uid, followed)
        elif followed is None:
            self._follow(simulation)
        else:
            changed = followed.simulation.metadata.generation != simulation.metadata.generation
            followed.simulation = simulation
            if changed:
                self.mark([simulation.uid])

    async def deleted(self, uid: str) -> None:
        """Forget a Simulation that was deleted before its end, and stop its run."""
        self._forget(uid)
        await self.publication.withdraw(uid)

    def _forget(self, uid: str) -> None:
        self.answers.followed.pop(uid, None)
        self._release(uid)

    async def _left(self, uid: str, followed: FollowedSimulation | None) -> None:
        """Stop the run of a Simulation that left the selection, unless its final status was or is being written.

        An object that stops matching a field selector comes as deleted, as it was before: it does not show its end.
        """
        if followed is not None and not followed.writing:
            await self.deleted(uid)

    def model_changed(self, key: tuple[str, str]) -> None:
        """Review the Simulations of this TwinModel that are not published."""
        self.mark(
            uid for uid, t in self.answers.followed.items() if model_of(t.simulation) == key and t.published is None
        )

    def review_unpublished(self, queues: Collection[str] | None = None) -> None:
        """Review the Simulations, of some queues or all, that are not published: what they waited for may be there."""
        unpublished = {uid: t.simulation for uid, t in self.answers.followed.items() if t.published is None}
        self.mark(uid for uid, each in unpublished.items() if queues is None or each.spec.task_queue in queues)

    def mark(self, uids: Iterable[str]) -> None:
        """Request that Simulations are reconciled soon."""
        self._dirty.update(uids)
        if self._dirty:
            self._wake.set()

    async def review_forever(self) -> None:
        """Review the marked Simulations in batches: one read and one write to Redis for each batch."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._dirty = self._dirty, set()
            try:
                await self.review(batch)
            except Exception:
                logger.exception("Reviewing Simulations failed; retrying in %.0f s.", RETRY_SECONDS)
                self._dirty |= batch
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._wake.set)

    async def review(self, uids: Collection[str]) -> None:
        """Decide what is next for each of these, and do it."""
        runs = await self.queue.runs([uid for uid in uids if uid in self.answers.followed])
        ready: list[Ready] = []
        for uid, run in runs.items():
            followed = self.answers.followed.get(uid)
            if followed is None or followed.writing:
                continue
            if is_version_gone(run):
                await self._unbind(followed, run)
                continue
            decision = self._decide(followed, run)
            match decision:
                case Enqueue(at=at) if at > self.clock():
                    self._later(uid, at - self.clock())
                case Enqueue():
                    ready.append(Ready(followed, decision, run))
                case Finish(outcome):
                    followed.writing = True
                    self._spawn(self._finish(followed, run, outcome))
                case Running():
                    await self._wait(followed, self._accept(followed, run), decision)
                case Waiting():
                    await self._wait(followed, run, decision)
        await self._publish(ready)

    def _decide(self, followed: FollowedSimulation, run: Run) -> Decision | None:
        """Decide what is next; None while the registry is read, after which the Simulation is reviewed again."""
        model = self.resolution.of(followed.simulation, partial(self.mark, (followed.simulation.uid,)))
        if model is None:
            return None
        published, served = self.publication.has_published(followed), self.served(followed.simulation.spec.task_queue)
        return decide(followed.simulation, run, model, published=published, served=served, now=self.clock())

    async def _publish(self, ready: Sequence[Ready]) -> None:
        """Publish what has a place in its queue; the others keep their time of queueing, and wait for one."""
        chosen, others = self.publication.choose(ready)
        self.mark(others)
        places = {each.uid for each in chosen}
        for each in (each for each in ready if each.uid not in places):
            decision = queued(each.followed.simulation.spec.task_queue, served=True)
            self._show(each.followed, self._accept(each.followed, each.run), decision)
        for each, waiting in await self.publication.publish(chosen):
            await self._wait(each.followed, each.run, waiting)
        for each in chosen:
            self._watch_deadline(each.followed.simulation, each.run.queued or self.clock())
            if each.uid not in self.answers.followed:  # it went meanwhile, and its stop may have been taken back
                await self.queue.stop(each.uid, Stop.DELETED)
            elif each.followed.reason is not None and each.followed.published is not None:
                self.mark([each.uid])  # its status says why it waited

    async def finish_reported(self, uids: Collection[str]) -> None:
        """Write the answers that workers recorded; return when they stand in the API server."""
        runs = await self.queue.runs(uids)
        await asyncio.gather(*(self._finish_reported(uid, run) for uid, run in runs.items()))

    async def follow_unknown(self, target: Target) -> None:
        """Follow the Simulation of a report that came before its watch event."""
        if target.uid in self.answers.followed or target.uid in self.answers.ended:
            return
        try:
            simulation = await self.resources.read(Simulation, target.namespace, target.name)
        except (Gone, Unreadable):
            return
        if simulation.uid == target.uid and not simulation.status.phase.finished:
            self._follow(simulation)

    def attempt_ended(self, uids: Iterable[str]) -> None:
        """Review runs whose attempt failed: their message is gone."""
        for uid in uids:
            if (followed := self.answers.followed.get(uid)) is not None:
                self._unpublished(followed)
                self.mark([uid])

    async def resync(self) -> None:
        """Find unfinished Simulations without a message, and review all unfinished ones."""
        began = self.clock()
        queues = {t.simulation.spec.task_queue for t in self.answers.followed.values()} | {"simulations", "trials"}
        self.publication.found(found := await self.queue.waiting(queues), self.answers.followed)
        runs = await self.queue.runs(self.answers.followed)
        for uid, followed in self.answers.followed.items():
            run = runs.get(uid, Run())
            somewhere = uid in found or run.leased or run.outcome is not None
            if followed.published is not None and not somewhere and followed.published < began - SETTLED_SECONDS:
                with within(trace_of(followed.simulation.metadata).context):
                    logger.warning("The message of run %s is lost; it is published again.", uid)
                self.meters.republished()
                followed.published = None
        self.mark(self.answers.followed)

    def _unpublished(self, followed: FollowedSimulation) -> None:
        """Take note that the message of a Simulation is done with."""
        followed.published = None
        self._release(followed.simulation.uid)

    def _release(self, uid: str) -> None:
        """Give the place of a Simulation in its queue to the next one."""
        if self.publication.release(uid):
            self._wake.set()

    def _follow(self, simulation: Simulation) -> None:
        self.answers.followed[simulation.uid] = FollowedSimulation(simulation, self.clock())
        self.publication.follow(simulation)
        self.mark([simulation.uid])
        self._later(simulation.uid, self.second_write_seconds)

    def _later(self, uid: str, seconds: float) -> None:
        asyncio.get_running_loop().call_later(max(0.0, seconds), self.mark, (uid,))

    def _accept(self, followed: FollowedSimulation, run: Run) -> Run:
        """Return the record of a run with its time of queueing: one that waits for workers or its turn has one, too."""
        if run.queued is None:
            run = self.publication.accept(followed.simulation, run)
            self._watch_deadline(followed.simulation, run.queued or self.clock())
        return run

    def _watch_deadline(self, simulation: Simulation, moment: float) -> None:
        deadline = deadline_of(simulation, Run(queued=moment))
        if deadline is not None:
            self._later(simulation.uid, deadline - self.clock())

    async def _wait(self, followed: FollowedSimulation, run: Run, decision: Waiting | Running) -> None:
        if decision.phase is SimulationPhase.SUSPENDED and run.stop is None:
            self._unpublished(followed)
            await self.queue.stop(followed.simulation.uid, Stop.SUSPENDED)
        elif isinstance(decision, Running) and run.stop is Stop.SUSPENDED:
            await self.queue.resume(followed.simulation.uid)  # its message or its worker goes on
        if not self.publication.has_published(followed) and not run.leased:
            self._release(followed.simulation.uid)
        self._show(followed, run, decision)

    def _show(self, followed: FollowedSimulation, run: Run, decision: Waiting | Running) -> None:
        """Write where a Simulation is, once it is old enough that a user may read it."""
        suspended = decision.phase is SimulationPhase.SUSPENDED
        old_enough = self.clock() - followed.seen >= self.second_write_seconds or suspended
        if old_enough and followed.reason != decision.reason:
            followed.reason = decision.reason
            self._spawn(self.answers.write_unfinished(followed, run, decision))

    async def _finish_reported(self, uid: str, run: Run) -> None:
        followed = self.answers.followed.get(uid)
        if followed is None or run.outcome is None or followed.writing:
            return
        if is_version_gone(run):
            await self._unbind(followed, run)
        else:
            await self._finish(followed, run, run.outcome)

    async def _unbind(self, followed: FollowedSimulation, run: Run) -> None:
        """Have a Simulation whose version is gone from the registry wait for another one; no attempt counts."""
        uid = followed.simulation.uid
        if run.bound is not None:
            self.twins.forget_version(run.bound.registered_model, run.bound.version)
        await self.queue.forget([uid])
        self._unpublished(followed)
        self.version_gone(model_of(followed.simulation))
        self.mark([uid])

    async def _finish(self, followed: FollowedSimulation, run: Run, outcome: Outcome) -> None:
        await self.answers.write_finished(followed, run, outcome)
        self._release(followed.simulation.uid)
        if run.outcome is None and run.queued is not None:
            await self.queue.stop(followed.simulation.uid, Stop.CANCELLED)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
