"""Whether a model is to be trained again, and why not: one pure function of policy, health, data, history and clock.

What a RetrainingJob then waits for (cool-down, approval, its turn) is decided in `plan`.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.twin_model import RetrainingPolicy
from twin_operator.services.runs.times import timestamp

NAME_DIGEST: Final = 10  # hex digits: 40 bits distinguish the jobs of one model
NAME_PREFIX: Final = 200  # characters of the model's name: with trigger and digest still a valid object name
DAY: Final = timedelta(days=1)
FIDELITY: Final = (Trigger.FIDELITY_DEGRADED, Trigger.COVERAGE_DROP, Trigger.PREDICTION_ERROR)
"""Triggers that the fidelity of the serving version gives, the most important first."""


@dataclass(frozen=True)
class DataSeen:
    """What the last check of the data found, by the present spec.

    Attributes:
        digest: of the bytes.
        rows: usable ones.
        new_rows: those that the serving version was not trained on.
        newest: time of the newest row, seconds since the epoch; None without a time column.
    """

    digest: str
    rows: int
    new_rows: int
    newest: float | None = None


@dataclass(frozen=True)
class Obstacle:
    """Why no job is made: a stable reason and a sentence."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class History:
    """The results of earlier retrainings.

    Attributes:
        failed_attempts: in a row that failed, were rejected or not promoted.
        last_finished: when the last one ended; part of the names of later jobs.
        tried_spec, tried_data: digests that the last finished retraining was begun with.
        unfinished: whether a job of this model has not ended.
    """

    failed_attempts: int = 0
    last_finished: datetime | None = None
    tried_spec: str | None = None
    tried_data: str | None = None
    unfinished: bool = False


@dataclass(frozen=True)
class TriggerSnapshot:
    """A model that serves, with all that decides whether it is retrained.

    Attributes:
        uid, name: of the TwinModel.
        policy: `spec.retraining`.
        suspended: `spec.suspend`.
        pinned: `spec.version`, where one is pinned.
        version, trained_spec, trained_data: the serving version and the digests of what it was trained from.
        spec: digest of the present spec.
        breaches: triggers that the fidelity of the serving version gives.
        fault: the message of the condition Faithful, for the job's message.
        data: what the last check of the data found, or why it found nothing.
        due: when the schedule was due, seconds since the epoch; None while it is not.
        history: earlier retrainings.
    """

    uid: str
    name: str
    policy: RetrainingPolicy
    suspended: bool
    pinned: str | None
    version: str
    trained_spec: str | None
    trained_data: str | None
    spec: str
    breaches: Collection[Trigger]
    fault: str
    data: DataSeen | Obstacle
    due: float | None
    history: History


@dataclass(frozen=True)
class Wanted:
    """A RetrainingJob to be created; the same cause gives the same name."""

    trigger: Trigger
    message: str
    name: str


@dataclass(frozen=True)
class Idle:
    """Nothing asks for a retraining, or there is a job already."""


def decide(snapshot: TriggerSnapshot, now: float) -> Wanted | Obstacle | Idle:
    """Decide whether an automatic job is to be created.

    Args:
        snapshot: the model.
        now: seconds since the epoch.
    """
    standing = _standing(snapshot)
    if standing is not None:
        return standing
    if snapshot.history.unfinished:
        return Idle()
    first: Obstacle | None = None
    for trigger in _triggers(snapshot):
        obstacle = _exhausted(snapshot, trigger) or _lacking(snapshot, trigger, now)
        if obstacle is None:
            return Wanted(trigger, _message(snapshot, trigger), _name(snapshot, trigger))
        first = first or obstacle
    return first or Idle()


def _standing(snapshot: TriggerSnapshot) -> Obstacle | None:
    """Return what prevents a retraining whether or not anything asks for one."""
    if snapshot.suspended:
        return Obstacle(Reason.SUSPENDED, "spec.suspend prevents retraining; the version still answers.")
    if snapshot.policy.suspend:
        return Obstacle(Reason.SUSPENDED, "spec.retraining.suspend prevents retraining; the version still answers.")
    if snapshot.pinned is not None:
        message = f"spec.version pins version {snapshot.pinned}; remove it to have the twin retrained by itself."
        return Obstacle(Reason.VERSION_PINNED, message)
    seen = snapshot.data
    return seen if isinstance(seen, Obstacle) and seen.reason is not Reason.DATA_NOT_CHECKED else None


def _triggers(snapshot: TriggerSnapshot) -> Iterator[Trigger]:
    """Yield what asks for a retraining, the most important first.

    With a schedule new rows wait for it: if they asked by themselves, no schedule would ever find any.
    """
    for trigger in FIDELITY:
        if trigger in snapshot.breaches:
            yield trigger
    if snapshot.spec not in {snapshot.trained_spec, snapshot.history.tried_spec}:
        yield Trigger.SPEC_CHANGED
    seen = snapshot.data
    changed = isinstance(seen, DataSeen) and seen.new_rows > 0 and seen.digest != snapshot.trained_data
    if changed and not _tried(snapshot) and snapshot.policy.schedule is None:
        yield Trigger.NEW_DATA
    if snapshot.due is not None:
        yield Trigger.SCHEDULED


def _tried(snapshot: TriggerSnapshot) -> bool:
    """Whether the last retraining began with this spec and these bytes: another would give the same candidate."""
    history = snapshot.history
    return isinstance(snapshot.data, DataSeen) and (history.tried_spec, history.tried_data) == (
        snapshot.spec,
        snapshot.data.digest,
    )


def _exhausted(snapshot: TriggerSnapshot, trigger: Trigger) -> Obstacle | None:
    most, failed = snapshot.policy.max_attempts, snapshot.history.failed_attempts
    if trigger is Trigger.SPEC_CHANGED or failed < most:
        return None
    return Obstacle(
        Reason.RETRAINING_EXHAUSTED,
        f"{failed} retrainings in a row failed, were rejected or not promoted (maxAttempts is {most}); "
        f"{trigger} asks for another: change spec, or create a RetrainingJob by hand.",
    )


def _lacking(snapshot: TriggerSnapshot, trigger: Trigger, now: float) -> Obstacle | None:
    """Return what the data lacks."""
    seen, policy = snapshot.data, snapshot.policy
    if isinstance(seen, Obstacle):
        return seen
    if trigger is not Trigger.SPEC_CHANGED and (seen.new_rows == 0 or _tried(snapshot)):
        return Obstacle(Reason.NO_NEW_DATA, _no_new_rows(snapshot, trigger, seen))
    if seen.rows < policy.min_samples:
        message = f"{trigger} asks for a retraining, but the data has {seen.rows:,} usable rows and"
        return Obstacle(Reason.TOO_FEW_SAMPLES, f"{message} spec.retraining.minSamples wants {policy.min_samples:,}.")
    age = None if seen.newest is None else timedelta(seconds=now - seen.newest)
    if age is not None and age > policy.max_data_age:
        message = f"{trigger} asks for a retraining, but the newest row is {age / DAY:,.0f} days old and"
        return Obstacle(
            Reason.DATA_TOO_OLD,
            f"{message} spec.retraining.maxDataAge allows {policy.max_data_age / DAY:,.0f}; add rows.",
        )
    return None


def _no_new_rows(snapshot: TriggerSnapshot, trigger: Trigger, seen: DataSeen) -> str:
    if seen.new_rows and _tried(snapshot):
        return (
            f"{trigger} asks for a retraining, but the last one began with the same spec and data and its candidate "
            "does not serve; add rows or change spec, or create a RetrainingJob by hand."
        )
    return (
        f"{trigger} asks for a retraining, but there are no rows that version {snapshot.version} was not trained on; "
        "it needs new data: fitting the same rows again would not move the effect."
    )


def _message(snapshot: TriggerSnapshot, trigger: Trigger) -> str:
    if trigger in FIDELITY:
        return snapshot.fault
    if trigger is Trigger.SPEC_CHANGED:
        return f"spec.data or spec.learner changed since version {snapshot.version} was trained."
    new_rows = snapshot.data.new_rows if isinstance(snapshot.data, DataSeen) else 0
    if trigger is Trigger.NEW_DATA:
        return f"{new_rows:,} rows that version {snapshot.version} was not trained on."
    return f"The schedule {snapshot.policy.schedule} ({snapshot.policy.time_zone}) is due; {new_rows:,} new rows."


def _name(snapshot: TriggerSnapshot, trigger: Trigger) -> str:
    """Return a name that the same cause always gives, so that after a crash no second job is created."""
    seen, history = snapshot.data, snapshot.history
    cause = [
        snapshot.uid,
        trigger,
        snapshot.version,
        snapshot.spec,
        seen.digest if isinstance(seen, DataSeen) else "",
        str(history.failed_attempts),
        _rfc3339(history.last_finished),
        str(snapshot.due) if trigger is Trigger.SCHEDULED else "",
    ]
    content = sha256("\n".join(cause).encode()).hexdigest()[:NAME_DIGEST]
    return f"{snapshot.name[:NAME_PREFIX].rstrip('-.')}-{trigger.lower()}-{content}"


def _rfc3339(time: datetime | None) -> str:
    return "" if time is None else timestamp(time.timestamp()) or ""
