"""What a TwinModel's spec.retraining says, and when its schedule is due next. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.api.v1alpha1.fields import parse_duration
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.run import JSON


@dataclass(frozen=True)
class RetrainingPolicy:
    """When a model is trained again and who has to agree. Durations are seconds."""

    suspend: bool
    cooldown: float
    automatic: bool
    auto_approve_below: float
    max_attempts: int
    min_samples: int
    max_data_age: float
    schedule: str | None
    zone: str

    @classmethod
    def of(cls, spec: JSON) -> "RetrainingPolicy":
        """Read a TwinModel's spec, as JSON."""
        value = spec.get("retraining") or {}
        return cls(
            suspend=bool(value.get("suspend")),
            cooldown=parse_duration(value.get("cooldown", "24h")).total_seconds(),
            automatic=value.get("approval", "Manual") == "Automatic",
            auto_approve_below=float(value.get("autoApproveBelow", 0.5)),
            max_attempts=int(value.get("maxAttempts", 3)),
            min_samples=int(value.get("minSamples", 1000)),
            max_data_age=parse_duration(value.get("maxDataAge", "2160h")).total_seconds(),
            schedule=value.get("schedule"),
            zone=value.get("timeZone", "Etc/UTC"),
        )


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
            Reason.INVALID_SCHEDULE, f"There is no time zone {zone}; write one such as Europe/Berlin or Etc/UTC."
        ) from error
    try:
        return next(CronSim(cron, start)).timestamp()
    except (CronSimError, StopIteration) as error:
        raise Stalled(Reason.INVALID_SCHEDULE, f"The schedule {cron!r} is never due: {error}.") from error
