"""When a cron schedule is due next, in its own time zone: a time and a schedule in, a time out."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from twin_operator.services.reconciling.errors import Stalled


def next_time(cron: str, zone: str, after: float) -> float:
    """Return the first moment after `after` at which `cron` is due; both in seconds since the epoch.

    A time that the clocks skip in spring is due when they have jumped, one that they repeat in autumn is due once.

    Raises:
        Stalled: `InvalidSchedule`, where no such time or time zone exists.
    """
    try:
        start = datetime.fromtimestamp(after, UTC).astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder of zones is an OSError
        raise Stalled(
            "InvalidSchedule", f"There is no time zone {zone}; write one such as Europe/Berlin or Etc/UTC."
        ) from error
    try:
        return next(CronSim(cron, start)).timestamp()
    except (CronSimError, StopIteration) as error:
        raise Stalled("InvalidSchedule", f"The schedule {cron!r} is never due: {error}.") from error
