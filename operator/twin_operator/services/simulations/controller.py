"""The hot path in the operator: take Simulations in, publish their tasks, write their answers, lose none."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twin_operator.api import v1alpha1 as api
from twin_operator.api.v1alpha1.conditions import Reason, SimulationPhase
from twin_operator.domain.twin.tau_mixture import TauWeights
from twin_operator.services.reconciling.metrics import SimulationMeters
from twin_operator.services.reconciling.objects import Simulation
from twin_operator.services.reconciling.ports import Changed, Gone, JSONResources, Refused, RunQueue
from twin_operator.services.reconciling.queue import Pace
from twin_operator.services.runs.run import Outcome, Run, Stop, Target, Task
from twin_operator.services.runs.tracing import within
from twin_operator.services.simulations.decide import Enqueue, Finish, Running, deadline_of, decide
from twin_operator.services.simulations.figures import figures_of
from twin_operator.services.simulations.status import finished, unfinished
from twin_operator.services.simulations.task import simulation_task
from twin_operator.services.versions.twins import Twins
from twin_operator.services.versions.version import Waiting

logger = logging.getLogger(__name__)
KIND = "Simulation"
SETTLED_SECONDS = 2.0  # a message that was published less than this ago may not be visible yet
WRITE_ATTEMPTS = 5  # of a status that others change at the same time


@dataclass
class Tracked:
    """What the operator remembers of an unfinished Simulation."""

    simulation: Simulation
    seen: float
    published: float | None = None
    reason: str | None = None
    writing: bool = False


@dataclass
class Simulations:
    """Follows every unfinished Simulation to its end.

    Args:
        queue: queues, runs and results.
        resources: the API server.
        twins: resolves models to versions.
        clock: seconds since the epoch.
        second_write_seconds: age at which an unfinished Simulation gets a status.
        pace: limits the rate of those writes.
        meters: shows figures.
        on_finish: called with a Simulation's final body.
        on_trace: called with a Simulation's final body, its run and when it was seen first (seconds since the epoch).
        on_weights: called with tau weights by digest before a prediction is made with them.
        served: whether a WorkerPool with workers serves a queue.
    """

    queue: RunQueue
    resources: JSONResources
    twins: Twins
    clock: Callable[[], float]
    second_write_seconds: float
    pace: Pace
    meters: SimulationMeters
    on_finish: Callable[[Simulation], None]
    on_trace: Callable[[api.Simulation, Run, float], None]
    on_weights: Callable[[Mapping[str, TauWeights]], Awaitable[None]]
    served: Callable[[str], bool]
    _tracked: dict[str, Tracked] = field(default_factory=dict)
    _dirty: set[str] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _elsewhere: set[str] = field(default_factory=set)
    _background: set[asyncio.Task[None]] = field(default_factory=set)

    def unfinished(self) -> int:
        """Return how many Simulations are followed."""
        return len(self._tracked)

    def oldest(self) -> float:
        """Return for how many seconds the oldest unfinished one has been followed; 0 where there is none."""
        return self.clock() - min((tracked.seen for tracked in self._tracked.values()), default=self.clock())

    async def observe(self, simulation: Simulation, *, deleted: bool) -> None:
        """Take note of what the watch says."""
        tracked = self._tracked.get(simulation.uid)
        if simulation.finished:
            self._tracked.pop(simulation.uid, None)
        elif deleted:
            self._tracked.pop(simulation.uid, None)
            await self.queue.stop(simulation.uid, Stop.DELETED)
        elif tracked is None:
            self._track(simulation)
        else:
            changed = tracked.simulation.generation != simulation.generation
            tracked.simulation = simulation
            if changed:
                self.mark([simulation.uid])

    def model_changed(self, key: tuple[str, str]) -> None:
        """Look again at the Simulations that ask this TwinModel and are not on their way."""
        self.mark(uid for uid, t in self._tracked.items() if t.simulation.model == key and t.published is None)

    def mark(self, uids: Iterable[str]) -> None:
        """Have Simulations looked at again, soon."""
        self._dirty.update(uids)
        self._wake.set()

    async def review_forever(self) -> None:
        """Look at what was marked, in batches: one read and one write to Redis each."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._dirty = self._dirty, set()
            try:
                await self.review(batch)
            except Exception:
                logger.exception("Simulations wait; they are looked at again.")
                self._dirty |= batch
                asyncio.get_running_loop().call_later(1.0, self._wake.set)

    async def review(self, uids: Collection[str]) -> None:
        """Decide what is next for each of these, and do it."""
        runs = await self.queue.runs([uid for uid in uids if uid in self._tracked])
        ready: list[tuple[Tracked, Enqueue]] = []
        for uid, run in runs.items():
            tracked = self._tracked.get(uid)
            if tracked is None or tracked.writing:
                continue
            model = await self.twins.resolve(api.Simulation.model_validate(tracked.simulation.body))
            published = tracked.published is not None or uid in self._elsewhere
            served = self.served(tracked.simulation.queue)
            decision = decide(tracked.simulation, run, model, published=published, served=served, now=self.clock())
            match decision:
                case Enqueue():
                    ready.append((tracked, decision))
                case Finish(outcome):
                    self._spawn_finish(tracked, run, outcome)
                case Waiting() | Running():
                    await self._wait(tracked, run, decision)
        await self._publish(ready, runs)

    async def finish_reported(self, uids: Collection[str]) -> None:
        """Write the answers that workers recorded; return when they stand in the API server."""
        runs = await self.queue.runs(uids)
        await asyncio.gather(*(self._finish_reported(uid, run) for uid, run in runs.items()))

    async def track_unknown(self, target: Target) -> None:
        """Follow the Simulation of a report that came before its watch event."""
        if target.uid in self._tracked:
            return
        try:
            body = await self.resources.read(KIND, target.namespace, target.name)
        except Gone:
            return
        simulation = Simulation(body)
        if simulation.uid == target.uid and not simulation.finished:
            self._track(simulation)

    def attempt_ended(self, uids: Iterable[str]) -> None:
        """Look again at runs whose attempt failed: their message is gone."""
        for uid in uids:
            self._elsewhere.discard(uid)
            if uid in self._tracked:
                self._tracked[uid].published = None
                self.mark([uid])

    async def resync(self) -> None:
        """Find the unfinished that are nowhere, and look at every one again."""
        began = self.clock()
        queues = {t.simulation.queue for t in self._tracked.values()} | {"simulations", "trials"}
        self._elsewhere = await self.queue.waiting(queues)
        runs = await self.queue.runs(self._tracked)
        for uid, tracked in self._tracked.items():
            run = runs.get(uid, Run())
            somewhere = uid in self._elsewhere or run.leased or run.outcome is not None
            if tracked.published is not None and not somewhere and tracked.published < began - SETTLED_SECONDS:
                with within(tracked.simulation.trace.context):
                    logger.warning("The message of run %s is lost; it is published again.", uid)
                self.meters.republished()
                tracked.published = None
        self.mark(self._tracked)

    def _track(self, simulation: Simulation) -> None:
        self._tracked[simulation.uid] = Tracked(simulation, self.clock())
        self.mark([simulation.uid])
        self._later(simulation.uid, self.second_write_seconds)

    def _later(self, uid: str, seconds: float) -> None:
        asyncio.get_running_loop().call_later(max(0.0, seconds), self.mark, (uid,))

    async def _publish(self, ready: list[tuple[Tracked, Enqueue]], runs: dict[str, Run]) -> None:
        now = self.clock()
        due = [(tracked, decision) for tracked, decision in ready if decision.at <= now]
        for tracked, decision in ready:
            if decision.at > now:
                self._later(tracked.simulation.uid, decision.at - now)
        stopped = [t.simulation.uid for t, _ in due if runs[t.simulation.uid].stop is not None]
        for uid in stopped:
            await self.queue.resume(uid)
        vectors = [await self._weights(tracked, decision) for tracked, decision in due]
        await self.on_weights({vector.digest: vector for vector in vectors})
        await self.queue.mark_queued({t.simulation.uid: now for t, _ in due if runs[t.simulation.uid].queued is None})
        tasks = [self._task(t, d, v, runs[t.simulation.uid], now) for (t, d), v in zip(due, vectors, strict=True)]
        await self.queue.publish(tasks)
        self.meters.published(len(tasks))
        for tracked, _ in due:
            tracked.published = now

    async def _weights(self, tracked: Tracked, decision: Enqueue) -> TauWeights:
        intervention = tracked.simulation.spec["intervention"]
        contrast = decision.version.contrast(intervention["arm"], intervention.get("against"))
        scale = self.twins.uncertainty(tracked.simulation.model).between_experiment_scale
        return await self.twins.weights(decision.version, contrast, scale)

    def _task(self, tracked: Tracked, decision: Enqueue, weights: TauWeights, run: Run, now: float) -> Task:
        simulation = tracked.simulation
        deadline = deadline_of(simulation, run if run.queued else Run(queued=now))
        if deadline is not None:
            self._later(simulation.uid, deadline - now)
        return simulation_task(
            simulation, decision.version, self.twins.uncertainty(simulation.model), weights, deadline
        )

    async def _wait(self, tracked: Tracked, run: Run, decision: Waiting | Running) -> None:
        waiting = Waiting(decision.phase, decision.reason, decision.message)
        if waiting.phase == SimulationPhase.SUSPENDED and run.stop is None:
            tracked.published = None
            self._elsewhere.discard(tracked.simulation.uid)
            await self.queue.stop(tracked.simulation.uid, Stop.SUSPENDED)
        old_enough = (
            self.clock() - tracked.seen >= self.second_write_seconds or waiting.phase == SimulationPhase.SUSPENDED
        )
        if old_enough and tracked.reason != waiting.reason:
            tracked.reason = waiting.reason
            self._spawn(self._write_unfinished(tracked, run, waiting))

    async def _write_unfinished(self, tracked: Tracked, run: Run, waiting: Waiting) -> None:
        await self.pace.turn()
        if tracked.simulation.uid not in self._tracked or tracked.writing:
            return
        status = unfinished(tracked.simulation, run, waiting, None, self.clock())
        try:
            tracked.simulation = Simulation(await self.resources.write_status(KIND, tracked.simulation.body, status))
        except (Changed, Gone):
            tracked.reason = None  # the watch tells what it is now

    def _spawn_finish(self, tracked: Tracked, run: Run, outcome: Outcome) -> None:
        tracked.writing = True
        self._spawn(self._finish(tracked, run, outcome))

    async def _finish_reported(self, uid: str, run: Run) -> None:
        tracked = self._tracked.get(uid)
        if tracked is not None and run.outcome is not None and not tracked.writing:
            tracked.writing = True
            await self._finish(tracked, run, run.outcome)

    async def _finish(self, tracked: Tracked, run: Run, outcome: Outcome) -> None:
        try:
            for _ in range(WRITE_ATTEMPTS):
                if await self._write_finished(tracked, run, outcome):
                    break
        finally:
            tracked.writing = False
        if run.leased:
            await self.queue.stop(tracked.simulation.uid, Stop.CANCELLED)

    async def _write_finished(self, tracked: Tracked, run: Run, outcome: Outcome) -> bool:
        simulation = tracked.simulation
        try:
            status = finished(simulation, run, outcome, None, self.clock())
            body = await self.resources.write_status(KIND, simulation.body, status)
        except Changed:
            return not await self._read_again(tracked)
        except Gone:
            self._tracked.pop(simulation.uid, None)
            return True
        except Refused as error:
            logger.exception("The answer of %s/%s was refused.", simulation.namespace, simulation.name)
            broken = Outcome(Reason.INTERNAL_ERROR, f"The answer could not be written: {error}")
            status = finished(simulation, run, broken, None, self.clock())
            body = await self.resources.write_status(KIND, simulation.body, status)
        self._tracked.pop(simulation.uid, None)
        self.meters.finished(figures_of(body, run, tracked.seen, self.clock()))
        self.on_finish(Simulation(body))
        self.on_trace(api.Simulation.model_validate(body), run, tracked.seen)
        return True

    async def _read_again(self, tracked: Tracked) -> bool:
        """Take the object as it is now; return whether it still wants its answer."""
        old = tracked.simulation
        try:
            new = Simulation(await self.resources.read(KIND, old.namespace, old.name))
        except Gone:
            new = None
        if new is None or new.uid != old.uid or new.finished:
            self._tracked.pop(old.uid, None)
            return False
        tracked.simulation = new
        return True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
