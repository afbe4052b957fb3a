"""Publishes the tasks of Simulations, with tau weights and the version that answers, within their queue's limits."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.domain.twin import TauWeights
from twin_operator.services.reconciling.metrics import SimulationMeters
from twin_operator.services.reconciling.ports import RunQueue
from twin_operator.services.reconciling.window import PublicationWindow
from twin_operator.services.runs.run import Run, Stop, Task
from twin_operator.services.simulations.answers import FollowedSimulation
from twin_operator.services.simulations.decide import (
    Enqueue,
    candidate_of,
    deadline_of,
    message_size,
    model_of,
    simulation_payload,
    simulation_task,
)
from twin_operator.services.versions import Twins, Waiting


@dataclass(frozen=True)
class Ready:
    """A Simulation that is ready for a worker, the decision, and the record of its run."""

    followed: FollowedSimulation
    decision: Enqueue
    run: Run

    @property
    def uid(self) -> str:
        """The Simulation's, which is the run's id."""
        return self.followed.simulation.uid


@dataclass
class Publication:
    """Publishes what has a place in its queue.

    Args:
        queue: queues and runs.
        twins: knows tau weights and how uncertain each twin is.
        meters: counts published messages.
        clock: seconds since the epoch.
        on_weights: called with tau weights by digest before a prediction is made with them.
        window: the places of the queues.
        batch_bytes: most bytes of messages in one pipeline, about.
    """

    queue: RunQueue
    twins: Twins
    meters: SimulationMeters
    clock: Callable[[], float]
    on_weights: Callable[[Mapping[str, TauWeights]], Awaitable[None]]
    window: PublicationWindow
    batch_bytes: int
    _elsewhere: set[str] = field(default_factory=set)
    _accepted: dict[str, float] = field(default_factory=dict)

    def found(self, uids: AbstractSet[str], followed: Mapping[str, FollowedSimulation]) -> None:
        """Take note of the runs that have a message: an earlier leader may have published it."""
        self._elsewhere = set(uids)
        for uid in uids & followed.keys():
            self.follow(followed[uid].simulation)

    def follow(self, simulation: Simulation) -> None:
        """Give a Simulation that has a message its place; a new leader finds messages before it sees the objects."""
        if simulation.uid in self._elsewhere:
            self.window.occupy(candidate_of(simulation))

    def has_published(self, followed: FollowedSimulation) -> bool:
        """Whether the message of a Simulation is known to be on its way."""
        return followed.published is not None or followed.simulation.uid in self._elsewhere

    def release(self, uid: str) -> bool:
        """Take note that a Simulation has no message; return whether another one may have its place."""
        self._elsewhere.discard(uid)
        return self.window.release(uid)

    async def withdraw(self, uid: str) -> None:
        """Stop the run of a Simulation that is gone; where it never had a message, leave nothing of it.

        The version that answers is bound before a message is published, by this leader or an earlier one.
        """
        run = (await self.queue.runs([uid]))[uid]
        if run.bound is not None:
            await self.queue.stop(uid, Stop.DELETED)
        elif run.begun:
            await self.queue.drop(uid)

    def accept(self, simulation: Simulation, run: Run) -> Run:
        """Return the record of a run that waits in the operator, with its time of queueing; `publish` writes it."""
        known = simulation.status.queued_time
        moment = self._accepted[simulation.uid] = self.clock() if known is None else known.timestamp()
        return replace(run, queued=moment)

    def choose(self, ready: Collection[Ready]) -> tuple[list[Ready], list[str]]:
        """Return those of these that have a place now, and the other Simulations that got one."""
        for each in ready:
            self.window.request(candidate_of(each.followed.simulation))
        granted = self.window.grant()
        chosen = [each for each in ready if self.window.has(each.uid)]
        here = {each.uid for each in ready}
        return chosen, [uid for uid in granted if uid not in here]

    async def publish(self, ready: Sequence[Ready]) -> list[tuple[Ready, Waiting]]:
        """Publish tasks; return those that have no tau weights now, with the reason."""
        accepted, self._accepted = self._accepted, {}
        if accepted:
            await self.queue.mark_queued(accepted)
        weighted, waiting = [], []
        for each in ready:
            weights = await self._weights(each)
            if isinstance(weights, Waiting):
                waiting.append((each, weights))
            else:
                weighted.append((each, weights))
        for batch in self._batches(weighted):
            await self._publish(batch)
        return waiting

    async def _publish(self, batch: Sequence[tuple[Ready, TauWeights]]) -> None:
        now = self.clock()
        for each, _ in batch:
            if each.run.stop is not None:
                await self.queue.resume(each.uid)
        await self.on_weights({weights.digest: weights for _, weights in batch})
        await self.queue.bind({each.uid: each.decision.version.bound for each, _ in batch}, now)
        tasks = [self._task(each, weights, now) for each, weights in batch]
        await self.queue.publish(tasks)
        self.meters.published(len(tasks))
        for each, _ in batch:
            each.followed.published = now

    def _batches(self, weighted: Iterable[tuple[Ready, TauWeights]]) -> Iterator[list[tuple[Ready, TauWeights]]]:
        batch: list[tuple[Ready, TauWeights]] = []
        size = 0
        for each, weights in weighted:
            own = message_size(each.followed.simulation)
            if batch and size + own > self.batch_bytes:
                yield batch
                batch, size = [], 0
            batch.append((each, weights))
            size += own
        if batch:
            yield batch

    async def _weights(self, ready: Ready) -> TauWeights | Waiting:
        intervention, version = ready.followed.simulation.spec.intervention, ready.decision.version
        contrast = version.contrast(intervention.arm, intervention.against)
        model = model_of(ready.followed.simulation)
        scale = self.twins.uncertainty(model).between_experiment_scale
        return await self.twins.weights(model, version, contrast, scale)

    def _task(self, ready: Ready, weights: TauWeights, now: float) -> Task:
        simulation = ready.followed.simulation
        deadline = deadline_of(simulation, ready.run if ready.run.queued else Run(queued=now))
        uncertainty = self.twins.uncertainty(model_of(simulation))
        payload = simulation_payload(simulation, ready.decision.version, uncertainty, weights)
        return simulation_task(simulation, payload, deadline)
