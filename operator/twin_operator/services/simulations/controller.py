"""Follows each unfinished Simulation: decides what is next, publishes its task, finds lost ones again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.api.v1alpha1.conditions import SimulationPhase
from twin_operator.domain.twin import TauWeights
from twin_operator.services.reconciling.metrics import SimulationMeters
from twin_operator.services.reconciling.ports import Gone, Resources, RunQueue, Unreadable
from twin_operator.services.runs.run import Outcome, Run, Stop, Target, Task
from twin_operator.services.runs.tracing import trace_of, within
from twin_operator.services.simulations.answers import Answers, FollowedSimulation
from twin_operator.services.simulations.decide import (
    Enqueue,
    Finish,
    Running,
    deadline_of,
    decide,
    is_version_gone,
    model_of,
    simulation_payload,
    simulation_task,
)
from twin_operator.services.versions import Twins, Waiting

logger = logging.getLogger(__name__)
RETRY_SECONDS = 1.0  # after Redis or the registry did not answer
SETTLED_SECONDS = 2.0  # a message that was published less than this ago may not be visible yet


@dataclass
class Simulations:
    """Follows every unfinished Simulation to its end.

    Args:
        queue: queues, runs and results.
        resources: the API server.
        twins: resolves models to versions.
        answers: writes statuses.
        clock: seconds since the epoch.
        second_write_seconds: age at which an unfinished Simulation gets a status.
        meters: counts published messages.
        on_weights: called with tau weights by digest before a prediction is made with them.
        served: whether a WorkerPool with workers serves a queue.
        version_gone: called with namespace and name of the TwinModel whose version a worker did not find.
    """

    queue: RunQueue
    resources: Resources
    twins: Twins
    answers: Answers
    clock: Callable[[], float]
    second_write_seconds: float
    meters: SimulationMeters
    on_weights: Callable[[Mapping[str, TauWeights]], Awaitable[None]]
    served: Callable[[str], bool]
    version_gone: Callable[[tuple[str, str]], None]
    _dirty: set[str] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _elsewhere: set[str] = field(default_factory=set)
    _background: set[asyncio.Task[None]] = field(default_factory=set)

    def unfinished(self) -> int:
        """Return how many Simulations are followed."""
        return len(self.answers.followed)

    def oldest(self) -> float:
        """Return for how many seconds the oldest unfinished one has been followed; 0 where there is none."""
        return self.clock() - min((followed.seen for followed in self.answers.followed.values()), default=self.clock())

    async def observe(self, simulation: Simulation, *, deleted: bool) -> None:
        """Take note of what the watch says."""
        followed = self.answers.followed.get(simulation.uid)
        if simulation.status.phase.finished:
            self.answers.followed.pop(simulation.uid, None)
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
        self.answers.followed.pop(uid, None)
        await self.queue.stop(uid, Stop.DELETED)

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

    def outcomes_changed(self) -> None:
        """Look again at the Simulations that are not on their way: they may have waited for outcomes."""
        self.mark(uid for uid, t in self.answers.followed.items() if t.published is None)

    def mark(self, uids: Iterable[str]) -> None:
        """Request that Simulations are reconciled soon."""
        self._dirty.update(uids)
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
        ready: list[tuple[FollowedSimulation, Enqueue]] = []
        for uid, run in runs.items():
            followed = self.answers.followed.get(uid)
            if followed is None or followed.writing:
                continue
            if is_version_gone(run):
                await self._unbind(followed, run)
                continue
            try:
                model = await self.twins.resolve(followed.simulation)
            except Exception:
                logger.exception("The version that answers %s/%s could not be resolved.", *followed.simulation.key)
                self._later(uid, RETRY_SECONDS)
                continue
            published = followed.published is not None or uid in self._elsewhere
            served = self.served(followed.simulation.spec.task_queue)
            decision = decide(followed.simulation, run, model, published=published, served=served, now=self.clock())
            match decision:
                case Enqueue():
                    ready.append((followed, decision))
                case Finish(outcome):
                    followed.writing = True
                    self._spawn(self._finish(followed, run, outcome))
                case Waiting() | Running():
                    await self._wait(followed, run, decision)
        await self._publish(ready, runs)

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
            self._elsewhere.discard(uid)
            if uid in self.answers.followed:
                self.answers.followed[uid].published = None
                self.mark([uid])

    async def resync(self) -> None:
        """Find unfinished Simulations without a message, and review all unfinished ones."""
        began = self.clock()
        queues = {t.simulation.spec.task_queue for t in self.answers.followed.values()} | {"simulations", "trials"}
        self._elsewhere = await self.queue.waiting(queues)
        runs = await self.queue.runs(self.answers.followed)
        for uid, followed in self.answers.followed.items():
            run = runs.get(uid, Run())
            somewhere = uid in self._elsewhere or run.leased or run.outcome is not None
            if followed.published is not None and not somewhere and followed.published < began - SETTLED_SECONDS:
                with within(trace_of(followed.simulation.metadata).context):
                    logger.warning("The message of run %s is lost; it is published again.", uid)
                self.meters.republished()
                followed.published = None
        self.mark(self.answers.followed)

    def _follow(self, simulation: Simulation) -> None:
        self.answers.followed[simulation.uid] = FollowedSimulation(simulation, self.clock())
        self.mark([simulation.uid])
        self._later(simulation.uid, self.second_write_seconds)

    def _later(self, uid: str, seconds: float) -> None:
        asyncio.get_running_loop().call_later(max(0.0, seconds), self.mark, (uid,))

    async def _publish(self, ready: list[tuple[FollowedSimulation, Enqueue]], runs: dict[str, Run]) -> None:
        now = self.clock()
        due = [(followed, decision) for followed, decision in ready if decision.at <= now]
        for followed, decision in ready:
            if decision.at > now:
                self._later(followed.simulation.uid, decision.at - now)
        weighted = await self._with_weights(due, runs)
        stopped = [t.simulation.uid for t, _, _ in weighted if runs[t.simulation.uid].stop is not None]
        for uid in stopped:
            await self.queue.resume(uid)
        await self.on_weights({vector.digest: vector for _, _, vector in weighted})
        await self.queue.bind({t.simulation.uid: decision.version.bound for t, decision, _ in weighted}, now)
        tasks = [self._task(t, d, vector, runs[t.simulation.uid], now) for t, d, vector in weighted]
        await self.queue.publish(tasks)
        self.meters.published(len(tasks))
        for followed, _, _ in weighted:
            followed.published = now
        for uid in [t.simulation.uid for t, _, _ in weighted if t.simulation.uid not in self.answers.followed]:
            await self.queue.stop(uid, Stop.DELETED)  # it went meanwhile, and its stop may have been taken back above

    async def _with_weights(
        self, due: list[tuple[FollowedSimulation, Enqueue]], runs: dict[str, Run]
    ) -> list[tuple[FollowedSimulation, Enqueue, TauWeights]]:
        """Return those of these that have their tau weights now; the others wait."""
        weighted = []
        for followed, decision in due:
            weights = await self._weights(followed, decision)
            if isinstance(weights, Waiting):
                await self._wait(followed, runs[followed.simulation.uid], weights)
            else:
                weighted.append((followed, decision, weights))
        return weighted

    async def _weights(self, followed: FollowedSimulation, decision: Enqueue) -> TauWeights | Waiting:
        intervention = followed.simulation.spec.intervention
        contrast = decision.version.contrast(intervention.arm, intervention.against)
        model = model_of(followed.simulation)
        scale = self.twins.uncertainty(model).between_experiment_scale
        return await self.twins.weights(model, decision.version, contrast, scale)

    def _task(self, followed: FollowedSimulation, decision: Enqueue, weights: TauWeights, run: Run, now: float) -> Task:
        simulation = followed.simulation
        deadline = deadline_of(simulation, run if run.queued else Run(queued=now))
        if deadline is not None:
            self._later(simulation.uid, deadline - now)
        uncertainty = self.twins.uncertainty(model_of(simulation))
        payload = simulation_payload(simulation, decision.version, uncertainty, weights)
        return simulation_task(simulation, payload, deadline)

    async def _wait(self, followed: FollowedSimulation, run: Run, decision: Waiting | Running) -> None:
        suspended = decision.phase is SimulationPhase.SUSPENDED
        if suspended and run.stop is None:
            followed.published = None
            self._elsewhere.discard(followed.simulation.uid)
            await self.queue.stop(followed.simulation.uid, Stop.SUSPENDED)
        elif isinstance(decision, Running) and run.stop is Stop.SUSPENDED:
            await self.queue.resume(followed.simulation.uid)  # its message or its worker goes on
        old_enough = self.clock() - followed.seen >= self.second_write_seconds or suspended
        if old_enough and followed.reason != decision.reason:
            followed.reason = decision.reason
            waiting = Waiting(decision.phase, decision.reason, decision.message)
            self._spawn(self.answers.write_unfinished(followed, run, waiting))

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
        followed.published = None
        self._elsewhere.discard(uid)
        self.version_gone(model_of(followed.simulation))
        self.mark([uid])

    async def _finish(self, followed: FollowedSimulation, run: Run, outcome: Outcome) -> None:
        await self.answers.write_finished(followed, run, outcome)
        if run.outcome is None and run.queued is not None:
            await self.queue.stop(followed.simulation.uid, Stop.CANCELLED)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
