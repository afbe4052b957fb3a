"""What a check reports: figures for status.metrics and sentences for users. No computation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

R_SQUARED: Final = "r_squared"
ROBUSTNESS_VALUE: Final = "robustness_value"
TREND_P: Final = "trend_p"
_OF_AN_ARM = (R_SQUARED, ROBUSTNESS_VALUE, TREND_P)
# What MLflow takes in the name of a metric; anything else becomes an underscore.
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_. -]")
_NAME_LIMIT = 250  # characters, as MLflow has it
_DIGEST = 8  # hexadecimal digits: of ten thousand labels, two share a digest with a probability of 1 in 100


@dataclass(frozen=True)
class Findings:
    """`metrics` by name; `warnings`: sentences about problems that were corrected or tolerated."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __add__(self, other: "Findings") -> "Findings":
        return Findings({**self.metrics, **other.metrics}, (*self.warnings, *other.warnings))


def arm_metric(name: str, arm: str) -> str:
    """The name of a figure of one arm, at most 250 characters; `name` is one of those above.

    A label that MLflow does not take as it is has a digest behind what can be read of it, so that figures of two arms
    keep apart.
    """
    whole, readable = f"{name}_{arm}", f"{name}_{_NOT_IN_A_NAME.sub('_', arm)}"
    if readable == whole and len(whole) <= _NAME_LIMIT:
        return whole
    digest = sha256(arm.encode(errors="surrogatepass")).hexdigest()[:_DIGEST]
    return f"{readable[: _NAME_LIMIT - 1 - _DIGEST]}_{digest}"


def is_of_an_arm(metric: str) -> bool:
    """Whether a figure is of one arm, by its name."""
    return metric.startswith(tuple(f"{name}_" for name in _OF_AN_ARM))
