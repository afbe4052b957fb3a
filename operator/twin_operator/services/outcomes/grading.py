"""Outcomes of experiments: graded with the prediction as issued, recorded once, and written to Simulations.

Reading them again is in `ledger`; what a window of them says about a TwinModel belongs in `health`.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np

from twin_operator.api.v1alpha1 import Simulation, SimulationStatus, TwinModel
from twin_operator.api.v1alpha1.observed_outcome import ObservedOutcome
from twin_operator.api.v1alpha1.simulation_status import PredictionFidelity
from twin_operator.domain.effects.population import Clause
from twin_operator.domain.fidelity.grading import grade
from twin_operator.domain.fidelity.ledger import Issued, Observed, RecordedOutcome, TwinKey
from twin_operator.domain.twin import TauWeights
from twin_operator.services.archive.archiving import ArchiveAccess
from twin_operator.services.archive.ports import Archive, ArchiveUnreachable
from twin_operator.services.outcomes.health import prediction_fidelity
from twin_operator.services.outcomes.ledger import Ledger
from twin_operator.services.reconciling.errors import OutcomesIncomplete
from twin_operator.services.reconciling.metrics import Meters
from twin_operator.services.reconciling.ports import Changed, Event, Gone, Refused, Resources, Unreadable, write_status
from twin_operator.services.reconciling.refusals import stalled_by, write_first_accepted
from twin_operator.services.reconciling.turns import in_turns
from twin_operator.services.runs.times import moment

logger = logging.getLogger(__name__)
Key = tuple[str, str]
Judge = tuple[TwinModel | None, Sequence[RecordedOutcome]]
T = TypeVar("T")
BATCH = 500  # outcomes a transaction
PAUSE_SECONDS = 2.0  # after the archive did not answer
HELD_SECONDS = 30.0  # an outcome for a registered model that the TwinModel does not own
GATHER_SECONDS = 0.1  # outcomes that come together are recorded together
UNGRADABLE = "The answer lacks what grading needs; ask again in another Simulation"  # an answer of an earlier version


@dataclass
class Outcomes:
    """Takes in Simulations whose outcome is known and not graded yet.

    Args:
        archive: where outcomes are recorded.
        access: calls it.
        ledger: reads the outcomes of TwinModels with new ones again.
        resources: the API server.
        cluster: uid of the cluster.
        meters: counts outcomes.
        clock: seconds since the epoch.
        weights_in_memory: tau weights that this process made, by digest.
        is_of_twin: whether a registered model is of the TwinModel with this namespace and name.
        graded: called with namespace and name of the TwinModel of each graded Simulation.
    """

    archive: Archive
    access: ArchiveAccess
    ledger: Ledger
    resources: Resources
    cluster: str
    meters: Meters
    clock: Callable[[], float]
    weights_in_memory: Callable[[str], TauWeights | None]
    is_of_twin: Callable[[tuple[str, str], str], Awaitable[bool]]
    graded: Callable[[tuple[str, str]], None]
    _waiting: dict[str, Simulation] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waiting(self) -> int:
        """How many outcomes are not graded yet."""
        return len(self._waiting)

    def observe(self, simulation: Simulation) -> None:
        """Take note of a Simulation that is to be graded."""
        self._waiting[simulation.uid] = simulation
        self._wake.set()

    async def run(self) -> None:
        """Grade for ever, in batches."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            self.meters.outcomes_waiting(len(self._waiting))
            batch = in_turns(self._waiting.values(), lambda each: each.namespace)[:BATCH]
            for simulation in batch:
                del self._waiting[simulation.uid]
            try:
                await self.grade(batch)
            except Exception as error:
                self._waiting = {simulation.uid: simulation for simulation in batch} | self._waiting
                if not isinstance(error, ArchiveUnreachable):
                    logger.exception("Grading outcomes failed; retrying in %.0f s.", PAUSE_SECONDS)
                await asyncio.sleep(PAUSE_SECONDS)
            self.meters.outcomes_waiting(len(self._waiting))
            if self._waiting:
                self._wake.set()

    async def grade(self, batch: Sequence[Simulation]) -> None:
        """Record these outcomes and write their grades.

        Raises:
            ArchiveUnreachable: nothing is recorded; the same batch may be given again.
        """
        by_uid = {simulation.uid: simulation for simulation in batch}
        standing = await self.access.call(self.archive.recorded, list(by_uid))
        news = await self._of_own_model([each for uid, each in by_uid.items() if uid not in standing])
        if news:
            outcomes = await self._graded(news)
            standing |= await self.access.call(self.archive.record, outcomes)
            self._count([by_uid[outcome.simulation] for outcome in outcomes], standing)
        for uid in standing:
            self.ledger.recorded(model_of(by_uid[uid]))
        judges = {key: await self._judge(key) for key in {model_of(by_uid[uid]) for uid in standing}}
        await asyncio.gather(*(self._write(by_uid[uid], each, judges) for uid, each in standing.items()))

    async def _of_own_model(self, simulations: Sequence[Simulation]) -> list[Simulation]:
        """Return those whose registered model is of their TwinModel; the others are tried again later."""
        own = []
        for simulation in simulations:
            registered = simulation.status.registered_model
            if registered is None or await self.is_of_twin(model_of(simulation), registered):
                own.append(simulation)
            else:
                asyncio.get_running_loop().call_later(HELD_SECONDS, self.observe, simulation)
        return own

    async def _graded(self, simulations: Sequence[Simulation]) -> list[RecordedOutcome]:
        """Grade those of these that can be; one that cannot keeps no other from it, and gets an Event."""
        vectors, outcomes = await self._vectors(simulations), []
        for simulation in simulations:
            try:
                outcomes.append(outcome_of(simulation, vectors, self.clock(), self.cluster))
            except (Ungradable, ValueError) as reason:
                logger.warning("The outcome of %s/%s cannot be graded: %s", *simulation.key, reason)
                await self.resources.emit(Event(simulation, "NotGraded", f"{UNGRADABLE}: {reason}.", warning=True))
        return outcomes

    def _count(self, news: Sequence[Simulation], standing: Mapping[str, RecordedOutcome]) -> None:
        for simulation in news:
            self.meters.outcome_graded(model_of(simulation), standing[simulation.uid].graded.grade)

    async def _vectors(self, simulations: Sequence[Simulation]) -> Mapping[str, TauWeights]:
        bases = [simulation.status.basis for simulation in simulations]
        digests = {basis.weights_digest for basis in bases if basis and basis.weights_digest}
        in_memory = {digest: self.weights_in_memory(digest) for digest in digests}
        known = {digest: vector for digest, vector in in_memory.items() if vector is not None}
        missing = digests - set(known)
        return known | (await self.access.call(self.archive.weights, list(missing)) if missing else {})

    async def _judge(self, model: Key) -> Judge:
        """Return a TwinModel and its outcomes: what says whether an outcome counts; without what cannot be read."""
        seen, outcomes = None, None
        with suppress(Gone, Unreadable):
            seen = await self.resources.read(TwinModel, *model)
        with suppress(OutcomesIncomplete):
            outcomes = await self.ledger.outcomes(model)
        return seen, outcomes or ()

    async def _write(self, simulation: Simulation, outcome: RecordedOutcome, judges: Mapping[Key, Judge]) -> None:
        fidelity = prediction_fidelity(outcome, *judges[model_of(simulation)])
        with suppress(Gone, Changed, Unreadable):  # who changes it so often brings it back by the watch
            try:
                await write_status(self.resources, simulation, lambda seen: _with_grade(seen, fidelity))
            except Refused as refused:
                smaller = [stalled_by(simulation, refused, self.clock())]
                await write_first_accepted(self.resources, simulation, refused, smaller)
        self.graded(model_of(simulation))


class Ungradable(Exception):  # noqa: N818 - a fact about an answer
    """An answer lacks what grading needs; the message names it."""


def model_of(simulation: Simulation) -> Key:
    """Return namespace and name of the TwinModel that a Simulation asked."""
    return simulation.namespace, simulation.spec.model_ref.name


def _with_grade(simulation: Simulation, fidelity: PredictionFidelity) -> Simulation:
    """Return it with its grade, and the generation that the patch of `spec.observed` made: nothing else changes."""
    generation = simulation.metadata.generation
    status = simulation.status.replace(
        observed_generation=generation,
        conditions=tuple(each.replace(observed_generation=generation) for each in simulation.status.conditions),
        fidelity=fidelity,
    )
    return simulation.replace(status=status)


def outcome_of(simulation: Simulation, vectors: Mapping[str, TauWeights], now: float, cluster: str) -> RecordedOutcome:
    """Grade the outcome of a Simulation.

    Args:
        simulation: Succeeded and with `spec.observed`.
        vectors: tau weights by digest.
        now: seconds since the epoch; the record has whole seconds, as the status has.
        cluster: uid of the cluster.

    Raises:
        Ungradable: the answer, or the outcome, is not there.
    """
    spec, status = simulation.spec, simulation.status
    told, basis = _required(spec.observed, "spec.observed"), _required(status.basis, "status.basis")
    digest = _required(basis.weights_digest, "status.basis.weightsDigest")
    issued, observed = _issued(status), _observed(told)
    now = moment(now).timestamp()
    completed = now if status.completion_time is None else status.completion_time.timestamp()
    time = now if told.time is None else told.time.timestamp()
    return RecordedOutcome(
        simulation=simulation.uid,
        name=simulation.name,
        registered_model=_required(status.registered_model, "status.registeredModel"),
        model_version=_required(status.model_version, "status.modelVersion"),
        experiment=observed.experiment,
        arm=spec.intervention.arm,
        against=_required(basis.against, "status.basis.against"),
        where=tuple(Clause(each.feature, each.operator.value, each.values) for each in spec.population.where),
        population_share=(status.population.share if status.population else None) or 0.0,
        issued=issued,
        observed=observed.effect,
        graded=grade(issued, vectors.get(digest) or equivalent_weights(issued), observed),
        hindsight=bool(status.fidelity and status.fidelity.hindsight) or time < completed,
        predicted_at=completed,
        time=time,
        recorded=now,
        twin=TwinKey(cluster, *model_of(simulation)),
        run_id=status.model_run_id,
    )


def graded_outcome(simulation: Simulation, cluster: str) -> RecordedOutcome:
    """Return the outcome of a Simulation as it was graded: what its status says stands.

    An object of release 0.1.0 does not say when its outcome was recorded: its own time counts, or else that of the
    answer.

    Raises:
        Ungradable: the answer, the outcome or the grade is not there.
    """
    fidelity = _required(simulation.status.fidelity, "status.fidelity")
    told = _required(simulation.spec.observed, "spec.observed")
    completed = _required(simulation.status.completion_time, "status.completionTime")
    recorded = fidelity.recorded_time or told.time or completed
    outcome = outcome_of(simulation, {}, recorded.timestamp(), cluster)
    written = {name: getattr(fidelity, name) for name in _WRITTEN_GRADE}
    stands = {name: value for name, value in written.items() if value is not None}
    hindsight = bool(fidelity.hindsight)
    return replace(outcome, graded=replace(outcome.graded, **stands), hindsight=hindsight)


_WRITTEN_GRADE: Final = ("grade", "absolute_error", "relative_error", "standardized_error", "covered")


def _required(value: T | None, path: str) -> T:
    if value is None:
        raise Ungradable(f"{path} is missing")
    return value


def _issued(status: SimulationStatus) -> Issued:
    effect, basis = _required(status.effect, "status.effect"), _required(status.basis, "status.basis")
    return Issued(
        estimate=_required(effect.estimate, "status.effect.estimate"),
        standard_error=effect.standard_error or 0.0,
        sampling_sd=basis.sampling_sd or 0.0,
        share_squared=1.0 if basis.experiment_share_squared is None else basis.experiment_share_squared,
        degrees=math.inf if basis.degrees_of_freedom is None else basis.degrees_of_freedom,
        control_sd=basis.control_sd or 0.0,
        treated_sd=basis.treated_sd or 0.0,
    )


def _observed(told: ObservedOutcome) -> Observed:
    return Observed(
        experiment=told.experiment.strip(),
        effect=told.effect,
        standard_error=told.standard_error,
        low=told.low,
        high=told.high,
        confidence=told.confidence,
        sample_size=told.sample_size,
    )


def equivalent_weights(issued: Issued) -> TauWeights:
    """Return the one tau that gives the interval as it was issued: for a prediction whose own weights are lost.

    Only a Redis that forgot and an operator that was killed, both before the archive heard of them, lose weights.
    """
    excess = max(0.0, issued.standard_error**2 - issued.sampling_sd**2)
    tau = math.sqrt(excess / (1 + issued.share_squared))
    return TauWeights(np.array([tau]), np.array([1.0]), 0, 0)
