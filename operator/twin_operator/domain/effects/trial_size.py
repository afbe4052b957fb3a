"""How large the next trial must be to distinguish an effect from the minimum. No recommendation."""

import math
from dataclasses import dataclass

from twin_operator.domain.effects.answers import TrialPlan
from twin_operator.domain.effects.predictive import one_sided
from twin_operator.domain.effects.weighted_effect import WeightedEffect

# No population has a billion units an arm: an effect that near to the minimum cannot be distinguished from it.
_MOST_UNITS = 1_000_000_000


@dataclass(frozen=True)
class TrialDesign:
    """One-sided `confidence`, `power`, and randomisation by clusters of `cluster_size` units with its variation."""

    confidence: float
    power: float
    intraclass_correlation: float = 0.0
    cluster_size: float = 1.0
    cluster_size_cv: float = 0.0

    @property
    def inflation(self) -> float:
        """How many times more units clusters need: 1 + (b(1 + CV^2) - 1) rho (Eldridge, Ashby and Kerry 2006)."""
        spread = self.cluster_size * (1 + self.cluster_size_cv**2)
        return 1 + (spread - 1) * self.intraclass_correlation

    @property
    def quantiles(self) -> float:
        """The z of the confidence plus the z of the power."""
        return one_sided(self.confidence) + one_sided(self.power)

    def whole_clusters(self, units: float) -> int:
        """The least number of units in whole clusters that is at least `units`."""
        return math.ceil(math.ceil(units / self.cluster_size - 1e-9) * self.cluster_size - 1e-9)


def trial_plan(effect: WeightedEffect, distance: float, design: TrialDesign, size: int | None) -> TrialPlan:
    """The trial for an effect at a `distance` from the minimum, analysed with the twin's prediction as covariate.

    n per arm = (z + z)^2 (s_T^2 + s_C^2)(1 - R^2)/distance^2, where s^2 (1 - R^2) is the residual variance out of fold.
    """
    per_arm = _per_arm(effect, distance, design)
    if per_arm is not None and size is not None and 2 * per_arm > size:
        per_arm = None
    total = None if per_arm is None else 2 * per_arm
    return TrialPlan(per_arm, total, None if size is None else _detectable(effect, design, size))


def _per_arm(effect: WeightedEffect, distance: float, design: TrialDesign) -> int | None:
    if distance == 0:
        return None
    units = _residual_variance(effect) * design.inflation * (design.quantiles / distance) ** 2
    # Two units an arm: with one there is no spread to judge by.
    return design.whole_clusters(max(units, 2.0)) if units <= _MOST_UNITS else None


def _detectable(effect: WeightedEffect, design: TrialDesign, size: int) -> float | None:
    """The distance that half of `size` units an arm, in whole clusters, can detect; None where no cluster fits."""
    clusters = math.floor(size / 2 / design.cluster_size)
    if clusters < 1:
        return None
    variance = _residual_variance(effect) * design.inflation / (clusters * design.cluster_size)
    return max(0.0, design.quantiles) * math.sqrt(variance)


def _residual_variance(effect: WeightedEffect) -> float:
    return effect.treated_arm.residual_variance + effect.control_arm.residual_variance
