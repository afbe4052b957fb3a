"""What a serving model needs: its grade by outcomes, and whether and why it is retrained. Only decides."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from twin_operator.api.v1alpha1 import RetrainingJob, TwinModel
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.twin_model_status import DataState, RetrainingState, TwinFidelity
from twin_operator.services.outcomes.health import Health, fidelity_status
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.reconciling.status import Fact
from twin_operator.services.retraining.schedule import ScheduledTimes, scheduled_times
from twin_operator.services.retraining.triggers import (
    DataSeen,
    History,
    Idle,
    Obstacle,
    TriggerSnapshot,
    Wanted,
    decide,
)
from twin_operator.services.runs.times import moment
from twin_operator.services.runs.twin_spec import spec_digest
from twin_operator.services.twin_models.data_checks import serving_model

FAITHFUL = {True: ConditionStatus.TRUE, False: ConditionStatus.FALSE, None: ConditionStatus.UNKNOWN}


@dataclass(frozen=True)
class UpkeepSnapshot:
    """A TwinModel that serves, and what is known of it.

    Attributes:
        model: the object.
        health: None while the archive is down and nothing is known, or lacks outcomes.
        trouble: what is wrong with the archive, if anything.
        missing: how many graded outcomes the archive lacks.
        retraining: `status.retraining` with every finished job counted.
        jobs: the model's RetrainingJobs.
        data: `status.data` by the last check.
        seen: what that check found by the present spec and version, or why it found nothing.
    """

    model: TwinModel
    health: Health | None
    trouble: str | None
    missing: int
    retraining: RetrainingState
    jobs: Sequence[RetrainingJob]
    data: DataState | None
    seen: DataSeen | Obstacle


@dataclass(frozen=True)
class Upkeep:
    """What is to be written and done.

    Attributes:
        fidelity, retraining, data: complete parts of the model's status; None where the status has none.
        facts: conditions besides Ready.
        degraded: whether Faithful is False.
        wanted: a job to be created.
        skipped: why the schedule passes without one, when it is due.
        again: when to reconcile again, seconds since the epoch.
    """

    fidelity: TwinFidelity | None
    retraining: RetrainingState
    data: DataState | None
    facts: list[Fact] = field(default_factory=list)
    degraded: bool = False
    wanted: Wanted | None = None
    skipped: Obstacle | None = None
    again: float | None = None


def upkeep(snapshot: UpkeepSnapshot, now: float) -> Upkeep:
    """Decide what a serving model needs; `now` in seconds since the epoch."""
    facts = [*_archive(snapshot), *_incomplete(snapshot), *_faithful(snapshot)]
    times, decision = _retraining(snapshot, now)
    if isinstance(decision, Obstacle):
        facts.append(Fact(ConditionType.RETRAINABLE, ConditionStatus.FALSE, decision.reason, decision.message))
    return Upkeep(
        _fidelity(snapshot),
        _shown_times(snapshot, times),
        snapshot.data,
        facts,
        degraded=any(f.type is ConditionType.FAITHFUL and f.status is ConditionStatus.FALSE for f in facts),
        wanted=decision if isinstance(decision, Wanted) else None,
        skipped=decision if isinstance(decision, Obstacle) and times.due is not None else None,
        again=times.upcoming,
    )


def _retraining(snapshot: UpkeepSnapshot, now: float) -> tuple[ScheduledTimes, Wanted | Obstacle | Idle]:
    try:
        times = scheduled_times(snapshot.model.spec.retraining, _planned(snapshot), now)
    except Stalled as stalled:
        return ScheduledTimes(), Obstacle(stalled.reason, stalled.message)
    return times, Idle() if snapshot.health is None else decide(_triggers(snapshot, snapshot.health, times.due), now)


def _planned(snapshot: UpkeepSnapshot) -> float | None:
    """Return when the schedule was to be due next, by its status; None where that may be of an earlier spec."""
    model, planned = snapshot.model, snapshot.retraining.next_scheduled_time
    if planned is None or model.status.observed_generation != model.metadata.generation:
        return None
    return planned.timestamp()


def _shown_times(snapshot: UpkeepSnapshot, times: ScheduledTimes) -> RetrainingState:
    """Return `status.retraining` with the end of the cool-down and the next scheduled time."""
    last = snapshot.retraining.last_finished_time
    allowed = None if last is None else moment((last + snapshot.model.spec.retraining.cooldown).timestamp())
    upcoming = None if times.upcoming is None else moment(times.upcoming)
    return snapshot.retraining.replace(next_allowed_time=allowed, next_scheduled_time=upcoming)


def _fidelity(snapshot: UpkeepSnapshot) -> TwinFidelity | None:
    """Return `status.fidelity`: as it was while nothing is known."""
    health = snapshot.health
    if health is None:
        return snapshot.model.status.fidelity
    return fidelity_status(health.window, health.summary, health.spread)


def _archive(snapshot: UpkeepSnapshot) -> list[Fact]:
    if snapshot.trouble is None:
        return []
    message = (
        f"{snapshot.trouble} Simulations finish all the same and are archived later; "
        "outcomes are graded when it is back."
    )
    return [Fact(ConditionType.ARCHIVE_REACHABLE, ConditionStatus.FALSE, Reason.ARCHIVE_UNREACHABLE, message)]


def _incomplete(snapshot: UpkeepSnapshot) -> list[Fact]:
    if not snapshot.missing:
        return []
    message = (
        f"The archive lacks {snapshot.missing} graded outcomes of this twin and takes them in again from its "
        "Simulations; until that is done, fidelity stays as it is and new Simulations wait."
    )
    return [Fact(ConditionType.OUTCOMES_INCOMPLETE, ConditionStatus.TRUE, Reason.OUTCOMES_MISSING, message)]


def _faithful(snapshot: UpkeepSnapshot) -> list[Fact]:
    """Return the condition Faithful: as it was while nothing is known."""
    if snapshot.health is None:
        kept = snapshot.model.status.condition(ConditionType.FAITHFUL)
        if kept is None or kept.reason not in frozenset(Reason):  # of a newer release
            return []
        return [Fact(ConditionType.FAITHFUL, kept.status, Reason(kept.reason), kept.message)]
    verdict = snapshot.health.verdict
    status, sentence = FAITHFUL[verdict.faithful], verdict.sentence
    if status is ConditionStatus.FALSE and isinstance(snapshot.seen, DataSeen) and snapshot.seen.new_rows == 0:
        sentence += " It needs new data: there are no rows that this version was not trained on."
    return [Fact(ConditionType.FAITHFUL, status, Reason(verdict.kind), sentence)]


def _breaches(health: Health) -> list[Trigger]:
    """Return the triggers that fidelity gives: none while misses are within chance."""
    if health.verdict.faithful is not False:
        return []
    return [Trigger(breach) for breach in health.verdict.breaches]


def _triggers(snapshot: UpkeepSnapshot, health: Health, due: float | None) -> TriggerSnapshot:
    model, serving = snapshot.model, serving_model(snapshot.model)
    return TriggerSnapshot(
        uid=model.uid,
        name=model.name,
        policy=model.spec.retraining,
        suspended=model.spec.suspend,
        pinned=model.spec.version,
        version=serving.version,
        trained_spec=serving.spec_digest,
        trained_data=serving.data_digest,
        spec=spec_digest(model.spec),
        breaches=_breaches(health),
        fault=health.verdict.sentence,
        data=snapshot.seen,
        due=due,
        history=_history(snapshot),
    )


def _history(snapshot: UpkeepSnapshot) -> History:
    retraining = snapshot.retraining
    return History(
        failed_attempts=retraining.failed_attempts or 0,
        last_finished=retraining.last_finished_time,
        tried_spec=retraining.tried_spec_digest,
        tried_data=retraining.tried_data_digest,
        unfinished=any(not job.status.phase.finished for job in snapshot.jobs),
    )
