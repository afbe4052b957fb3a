"""The cron schedule of `spec.retraining`: when it was due, and when it is due next. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.api.v1alpha1.twin_model import RetrainingPolicy
from twin_operator.services.reconciling.errors import Stalled


@dataclass(frozen=True)
class ScheduledTimes:
    """Times of a schedule, seconds since the epoch.

    Attributes:
        due: when it was due; None while it is not.
        upcoming: when it is due next; None without a schedule.
    """

    due: float | None = None
    upcoming: float | None = None


def scheduled_times(policy: RetrainingPolicy, planned: float | None, now: float) -> ScheduledTimes:
    """Return whether a schedule is due; however many times were missed, it is due once.

    Args:
        policy: `spec.retraining`.
        planned: when the present schedule was to be due next, seconds since the epoch; None where that is not known.
        now: seconds since the epoch.

    Raises:
        Stalled: `InvalidSchedule`.
    """
    if policy.schedule is None:
        return ScheduledTimes()
    upcoming = next_time(policy.schedule, policy.time_zone, now)
    if planned is None:
        return ScheduledTimes(upcoming=upcoming)
    return ScheduledTimes(upcoming=planned) if planned > now else ScheduledTimes(planned, upcoming)


def next_time(cron: str, zone: str, after: float) -> float:
    """Return the first time after `after` at which `cron` is due; both in seconds since the epoch.

    A time that the clocks skip in spring is due when they have jumped, one that they repeat in autumn is due once.

    Raises:
        Stalled: `InvalidSchedule`, where no such time or time zone exists.
    """
    try:
        start = datetime.fromtimestamp(after, UTC).astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder of zones is an OSError
        raise Stalled(
            Reason.INVALID_SCHEDULE, f"There is no time zone {zone}; write one such as Europe/Berlin or Etc/UTC."
        ) from error
    try:
        return next(CronSim(cron, start)).timestamp()
    except (CronSimError, StopIteration) as error:
        raise Stalled(Reason.INVALID_SCHEDULE, f"The schedule {cron!r} is never due: {error}.") from error
