"""`spec.retraining` of a TwinModel with its durations and defaults in the units that decisions use."""

from dataclasses import dataclass

from twin_operator.api.v1alpha1.fields import parse_duration
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
