"""What a check reports: figures for status.metrics and sentences for users. No computation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# What MLflow takes in the name of a metric; anything else becomes an underscore.
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_. -]")


@dataclass(frozen=True)
class Findings:
    """`metrics` by name; `warnings`: sentences about problems that were corrected or tolerated."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __add__(self, other: "Findings") -> "Findings":
        return Findings({**self.metrics, **other.metrics}, (*self.warnings, *other.warnings))


def arm_metric(name: str, arm: str) -> str:
    """The name of a figure of one arm."""
    return f"{name}_{_NOT_IN_A_NAME.sub('_', arm)}"
