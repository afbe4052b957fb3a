"""Outcomes of experiments: graded with the prediction as issued, recorded once, told to Simulation and model."""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.domain.effects.population import Clause
from twin_operator.domain.fidelity.grading import grade
from twin_operator.domain.fidelity.ledger import Issued, Observed, RecordedOutcome
from twin_operator.domain.twin.tau_mixture import TauWeights
from twin_operator.services.archive.access import ArchiveAccess
from twin_operator.services.archive.ports import Archive, ArchiveUnreachable
from twin_operator.services.outcomes.ledger import Ledger
from twin_operator.services.outcomes.status import prediction_fidelity
from twin_operator.services.reconciling.metrics import Meters
from twin_operator.services.reconciling.ports import Changed, Event, Gone, JSONResources
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import seconds

logger = logging.getLogger(__name__)
KIND = "Simulation"
BATCH = 500  # outcomes a transaction
PAUSE_SECONDS = 2.0  # after the archive did not answer
GATHER_SECONDS = 0.1  # outcomes that come together are recorded together
UNGRADABLE = "The answer lacks what grading needs; ask again in another Simulation"  # of an earlier version
WRITE_ATTEMPTS = 5  # of a status that others change at the same time


@dataclass
class Outcomes:
    """Takes in Simulations whose outcome is known and not graded yet.

    Args:
        archive: where outcomes are recorded.
        access: calls it.
        ledger: is told which registered models have news.
        resources: the API server.
        meters: counts outcomes.
        clock: seconds since the epoch.
        weights_in_hand: tau weights that this process made, by digest.
        graded: called with namespace and name of the TwinModel of each graded Simulation.
    """

    archive: Archive
    access: ArchiveAccess
    ledger: Ledger
    resources: JSONResources
    meters: Meters
    clock: Callable[[], float]
    weights_in_hand: Callable[[str], TauWeights | None]
    graded: Callable[[tuple[str, str]], None]
    _waiting: dict[str, JSON] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waiting(self) -> int:
        """How many outcomes are not graded yet."""
        return len(self._waiting)

    def observe(self, body: JSON) -> None:
        """Take note of a Simulation that is to be graded."""
        self._waiting[body["metadata"]["uid"]] = body
        self._wake.set()

    async def run(self) -> None:
        """Grade for ever, in batches."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            self.meters.outcomes_waiting(len(self._waiting))
            batch = [self._waiting.pop(uid) for uid in list(self._waiting)[:BATCH]]
            try:
                await self.grade(batch)
            except Exception as error:
                self._waiting = {body["metadata"]["uid"]: body for body in batch} | self._waiting
                if not isinstance(error, ArchiveUnreachable):
                    logger.exception("Outcomes wait; they are graded again in %.0f s.", PAUSE_SECONDS)
                await asyncio.sleep(PAUSE_SECONDS)
            self.meters.outcomes_waiting(len(self._waiting))
            if self._waiting:
                self._wake.set()

    async def grade(self, batch: Sequence[JSON]) -> None:
        """Record these outcomes and write their grades.

        Raises:
            ArchiveUnreachable: nothing is recorded; the same batch may be given again.
        """
        by_uid = {body["metadata"]["uid"]: body for body in batch}
        standing = await self.access.call(self.archive.recorded, list(by_uid))
        news = [body for uid, body in by_uid.items() if uid not in standing]
        if news:
            outcomes = await self._graded(news)
            standing |= await self.access.call(self.archive.record, outcomes)
            self._count([by_uid[outcome.simulation] for outcome in outcomes], standing)
        for outcome in standing.values():
            self.ledger.recorded(outcome.registered_model)
        await asyncio.gather(*(self._write(by_uid[uid], outcome) for uid, outcome in standing.items()))

    async def _graded(self, bodies: Sequence[JSON]) -> list[RecordedOutcome]:
        """Grade those of these that can be; one that cannot must not keep the others from it, and is told."""
        vectors, outcomes = await self._vectors(bodies), []
        for body in bodies:
            try:
                outcomes.append(outcome_of(body, vectors, self.clock()))
            except (KeyError, TypeError, ValueError) as error:
                meta = body["metadata"]
                logger.warning("The outcome of %s/%s cannot be graded: %r", meta["namespace"], meta["name"], error)
                await self.resources.emit(
                    Event(Simulation.model_validate(body), "NotGraded", f"{UNGRADABLE} ({error!r}).", warning=True)
                )
        return outcomes

    def _count(self, news: Sequence[JSON], standing: Mapping[str, RecordedOutcome]) -> None:
        for body in news:
            key = body["metadata"]["namespace"], body["spec"]["modelRef"]["name"]
            self.meters.outcome_graded(key, standing[body["metadata"]["uid"]].graded.grade)

    async def _vectors(self, bodies: Sequence[JSON]) -> Mapping[str, TauWeights]:
        digests = {str((body["status"].get("basis") or {}).get("weightsDigest")) for body in bodies}
        in_hand = {digest: self.weights_in_hand(digest) for digest in digests}
        known = {digest: vector for digest, vector in in_hand.items() if vector is not None}
        missing = digests - set(known)
        return known | (await self.access.call(self.archive.weights, list(missing)) if missing else {})

    async def _write(self, body: JSON, outcome: RecordedOutcome) -> None:
        for _ in range(WRITE_ATTEMPTS):
            try:
                await self.resources.write_status(KIND, body, _graded_status(body, outcome))
                break
            except Gone:
                break
            except Changed:
                again = await self._read_again(body)
                if again is None:
                    break
                body = again
        self.graded((body["metadata"]["namespace"], body["spec"]["modelRef"]["name"]))

    async def _read_again(self, body: JSON) -> JSON | None:
        meta = body["metadata"]
        try:
            again = await self.resources.read(KIND, meta["namespace"], meta["name"])
        except Gone:
            return None
        return again if again["metadata"]["uid"] == meta["uid"] else None


def _graded_status(body: JSON, outcome: RecordedOutcome) -> JSON:
    """Return the grade, and the generation that the patch of `spec.observed` made: nothing else changes."""
    generation = body["metadata"].get("generation", 1)
    conditions = [{**c, "observedGeneration": generation} for c in body["status"].get("conditions") or ()]
    return {
        "observedGeneration": generation,
        "conditions": conditions,
        "fidelity": prediction_fidelity(outcome).manifest(),
    }


def outcome_of(body: JSON, vectors: Mapping[str, TauWeights], now: float) -> RecordedOutcome:
    """Grade the outcome of a Simulation.

    Args:
        body: the Simulation, Succeeded and with `spec.observed`.
        vectors: tau weights by digest.
        now: seconds since the epoch.
    """
    meta, spec, status = body["metadata"], body["spec"], body["status"]
    told = spec["observed"]
    issued = _issued(status)
    observed = _observed(told)
    weights = vectors.get(status["basis"]["weightsDigest"]) or equivalent_weights(issued)
    completed = seconds(status["completionTime"]) or now
    time = seconds(told.get("time")) or now
    known_before = bool((status.get("fidelity") or {}).get("hindsight"))
    population = spec.get("population") or {}
    return RecordedOutcome(
        simulation=meta["uid"],
        name=meta["name"],
        registered_model=status["registeredModel"],
        model_version=status["modelVersion"],
        experiment=observed.experiment,
        arm=spec["intervention"]["arm"],
        against=status["basis"]["against"],
        where=tuple(
            Clause(c["feature"], c["operator"], tuple(c.get("values") or ())) for c in population.get("where") or ()
        ),
        population_share=float((status.get("population") or {}).get("share") or 0.0),
        issued=issued,
        observed=observed.effect,
        graded=grade(issued, weights, observed),
        hindsight=known_before or time < completed,
        predicted_at=completed,
        time=time,
        recorded=now,
    )


def _issued(status: JSON) -> Issued:
    effect, basis = status["effect"], status["basis"]
    return Issued(
        estimate=effect["estimate"],
        standard_error=effect.get("standardError", 0.0),
        sampling_sd=basis.get("samplingSD", 0.0),
        share_squared=basis.get("experimentShareSquared", 1.0),
        degrees=basis.get("degreesOfFreedom", math.inf),
        control_sd=basis.get("controlSD", 0.0),
        treated_sd=basis.get("treatedSD", 0.0),
    )


def _observed(told: JSON) -> Observed:
    return Observed(
        experiment=told["experiment"].strip(),
        effect=told["effect"],
        standard_error=told.get("standardError"),
        low=told.get("low"),
        high=told.get("high"),
        confidence=told.get("confidence"),
        sample_size=told.get("sampleSize"),
    )


def equivalent_weights(issued: Issued) -> TauWeights:
    """Return the one tau that gives the interval as it was issued: for a prediction whose own weights are lost.

    Only a Redis that forgot and an operator that was killed, both before the archive heard of them, lose weights.
    """
    excess = max(0.0, issued.standard_error**2 - issued.sampling_sd**2)
    tau = math.sqrt(excess / (1 + issued.share_squared))
    return TauWeights(np.array([tau]), np.array([1.0]), 0, 0)
