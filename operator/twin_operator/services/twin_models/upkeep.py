"""What keeps a serving model faithful: its grade by outcomes, and whether and why it is retrained. Only decides."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from twin_operator.api.v1alpha1 import TwinModelSpec
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.twin_model_status import DataState, RetrainingState, TwinFidelity
from twin_operator.domain.fidelity.faithfulness import VerdictKind
from twin_operator.services.outcomes.health import Health
from twin_operator.services.outcomes.status import fidelity_status
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.reconciling.status import Fact
from twin_operator.services.retraining.policy import RetrainingPolicy, next_time
from twin_operator.services.retraining.state import finished
from twin_operator.services.retraining.triggers import (
    DataSeen,
    History,
    Idle,
    Obstacle,
    TriggerSnapshot,
    Wanted,
    decide,
)
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import seconds, timestamp
from twin_operator.services.runs.twin_spec import spec_digest

DEGRADED = {
    "FidelityDegraded": Trigger.FIDELITY_DEGRADED,
    "CoverageDrop": Trigger.COVERAGE_DROP,
    "PredictionError": Trigger.PREDICTION_ERROR,
}


@dataclass(frozen=True)
class UpkeepSnapshot:
    """A TwinModel that serves, and what is known of it.

    Attributes:
        body: the object.
        health: None while the archive is down and nothing is known.
        trouble: what is wrong with the archive, if anything.
        retraining: `status.retraining` with every job accounted for.
        jobs: the model's RetrainingJobs.
        seen: what the last look at the data found by this spec and version, or why it found nothing.
    """

    body: JSON
    health: Health | None
    trouble: str | None
    retraining: JSON
    jobs: Sequence[JSON]
    seen: DataSeen | Obstacle


@dataclass(frozen=True)
class Upkeep:
    """What is to be written and done.

    Attributes:
        fidelity, retraining, data: what the model's status is to say; `data` is added by the keeper.
        facts: conditions beside Ready.
        degraded: whether Faithful is False.
        wanted: a job to be made.
        skipped: why the schedule passes without one, when it is due.
        again: when to look again, seconds since the epoch.
    """

    fidelity: TwinFidelity | None
    retraining: RetrainingState
    data: DataState | None = None
    facts: list[Fact] = field(default_factory=list)
    degraded: bool = False
    wanted: Wanted | None = None
    skipped: Obstacle | None = None
    again: float | None = None


def upkeep(snapshot: UpkeepSnapshot, now: float) -> Upkeep:
    """Decide what a serving model needs; `now` in seconds since the epoch."""
    policy = RetrainingPolicy.of(snapshot.body["spec"])
    facts = [*_archive(snapshot), *_faithful(snapshot)]
    try:
        due, upcoming = _schedule(snapshot, policy, now)
        decision = decide(_triggers(snapshot, policy, due), now) if snapshot.health is not None else Idle()
    except Stalled as stalled:
        due, upcoming, decision = None, None, Obstacle(stalled.reason, stalled.message)
    if isinstance(decision, Obstacle):
        facts.append(Fact(ConditionType.RETRAINABLE, ConditionStatus.FALSE, decision.reason, decision.message))
    retraining = {**snapshot.retraining, "nextScheduledTime": timestamp(upcoming)}
    allowed = seconds(retraining.get("lastFinishedTime"))
    retraining["nextAllowedTime"] = None if allowed is None else timestamp(allowed + policy.cooldown)
    degraded = any(fact.type == ConditionType.FAITHFUL and fact.status == "False" for fact in facts)
    return Upkeep(
        fidelity=_fidelity(snapshot),
        retraining=RetrainingState.model_validate(retraining),
        facts=facts,
        degraded=degraded,
        wanted=decision if isinstance(decision, Wanted) else None,
        skipped=decision if isinstance(decision, Obstacle) and due is not None else None,
        again=upcoming,
    )


def _fidelity(snapshot: UpkeepSnapshot) -> TwinFidelity | None:
    """Return `status.fidelity`; the one that stands while nothing can be known."""
    if snapshot.health is not None:
        return fidelity_status(snapshot.health.window, snapshot.health.summary, snapshot.health.spread)
    stands = (snapshot.body.get("status") or {}).get("fidelity")
    return None if stands is None else TwinFidelity.model_validate(stands)


def _archive(snapshot: UpkeepSnapshot) -> list[Fact]:
    if snapshot.trouble is None:
        return []
    message = (
        f"{snapshot.trouble} Simulations finish all the same and are archived later; "
        "outcomes are graded when it is back."
    )
    return [Fact(ConditionType.ARCHIVE_REACHABLE, ConditionStatus.FALSE, Reason.ARCHIVE_UNREACHABLE, message)]


def _faithful(snapshot: UpkeepSnapshot) -> list[Fact]:
    if snapshot.health is None:
        known = (snapshot.body.get("status") or {}).get("conditions") or ()
        kept = [c for c in known if c["type"] == ConditionType.FAITHFUL]
        return [
            Fact(ConditionType.FAITHFUL, ConditionStatus(c["status"]), Reason(c["reason"]), c["message"]) for c in kept
        ]
    verdict = snapshot.health.verdict
    if verdict.kind in DEGRADED:
        status = ConditionStatus.FALSE
    elif verdict.kind in {VerdictKind.THRESHOLDS_MET, VerdictKind.WITHIN_CHANCE}:
        status = ConditionStatus.TRUE
    else:
        status = ConditionStatus.UNKNOWN
    sentence = verdict.sentence
    if status is ConditionStatus.FALSE and isinstance(snapshot.seen, DataSeen) and snapshot.seen.new_rows == 0:
        sentence += " It needs new data: there are no rows that this version was not trained on."
    return [Fact(ConditionType.FAITHFUL, status, Reason(verdict.kind), sentence)]


def _schedule(snapshot: UpkeepSnapshot, policy: RetrainingPolicy, now: float) -> tuple[float | None, float | None]:
    """Return when the schedule was due, if it was, and when it is due next; missed times are one."""
    if policy.schedule is None:
        return None, None
    status = snapshot.body.get("status") or {}
    settled = status.get("observedGeneration") == snapshot.body["metadata"].get("generation")
    planned = seconds(snapshot.retraining.get("nextScheduledTime")) if settled else None
    upcoming = next_time(policy.schedule, policy.zone, now)
    if planned is None or planned > now:
        return None, upcoming if planned is None else planned
    return planned, upcoming


def _breaches(health: Health | None) -> list[Trigger]:
    """Return the triggers that fidelity gives: none while misses are within chance."""
    if health is None or health.verdict.kind not in DEGRADED:
        return []
    return [DEGRADED[breach] for breach in health.verdict.breaches]


def _triggers(snapshot: UpkeepSnapshot, policy: RetrainingPolicy, due: float | None) -> TriggerSnapshot:
    body, health, retraining = snapshot.body, snapshot.health, snapshot.retraining
    spec, model = body["spec"], body["status"]["model"]
    return TriggerSnapshot(
        uid=body["metadata"]["uid"],
        name=body["metadata"]["name"],
        policy=policy,
        suspended=bool(spec.get("suspend")),
        pinned=spec.get("version"),
        version=model["version"],
        trained_spec=model.get("specDigest"),
        trained_data=model.get("dataDigest"),
        spec=spec_digest(TwinModelSpec.model_validate(spec)),
        breaches=_breaches(health),
        fault="" if health is None else health.verdict.sentence,
        data=snapshot.seen,
        due=due,
        history=History(
            failed_attempts=retraining.get("failedAttempts") or 0,
            last_finished=retraining.get("lastFinishedTime"),
            tried_spec=retraining.get("triedSpecDigest"),
            tried_data=retraining.get("triedDataDigest"),
            unfinished=any(not finished(job) for job in snapshot.jobs),
        ),
    )
