"""The distribution of an effect in an experiment not yet run: a mixture over tau. Intervals and probabilities."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtr

from twin_operator.domain.table.arrays import Floats
from twin_operator.domain.twin import TauWeights

# From this many degrees of freedom on Student's t and the normal quantile differ by under one part in a million.
_NORMAL_DEGREES = 1e7
# A component this much narrower than the widest is a point; dividing by zero would warn where nothing is wrong.
_LEAST_SCALE = 1e-100
# Half-widths are found to one part in 1e12 of the widest component's SD.
_TOLERANCE = 1e-12


class Estimated(Protocol):
    """An effect of past units, measured just now or as a prediction was issued, in outcome units."""

    @property
    def estimate(self) -> float:
        """The effect."""

    @property
    def variance(self) -> float:
        """v_IF: what the units' own spread makes of its error."""

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the variance."""

    @property
    def share_squared(self) -> float:
        """S: the sum of the squared weight shares of the experiments."""


@dataclass(frozen=True)
class Predictive:
    """Sum of (g,) weighted Student t distributions about one centre, so symmetric; scales in its units."""

    centre: float
    scale: Floats
    degrees: Floats
    weight: Floats

    def above(self, bound: float) -> float:
        """P(X > bound)."""
        return self._below(self.centre - bound)

    def half_width(self, confidence: float) -> float:
        """The h with P(|X - centre| <= h) = confidence."""
        widest = float(self.scale.max())
        if widest == 0:
            return 0.0
        target = (1 + confidence) / 2
        bound = 1.0
        while self._below(bound * widest) < target:
            bound *= 2
        return widest * float(brentq(lambda x: self._below(x * widest) - target, 0.0, bound, xtol=_TOLERANCE))

    def interval(self, confidence: float) -> tuple[float, float]:
        """The central interval."""
        half = self.half_width(confidence)
        return self.centre - half, self.centre + half

    def _below(self, distance: float) -> float:
        """P(X - centre <= distance)."""
        widest = float(self.scale.max())
        if widest == 0:
            return float(np.heaviside(distance, 0.5))
        standardised = distance / np.maximum(self.scale, _LEAST_SCALE * widest)
        normal = self.degrees >= _NORMAL_DEGREES
        below = np.where(normal, ndtr(standardised), stdtr(np.where(normal, 1.0, self.degrees), standardised))
        return float(self.weight @ below)


def predictive_of(effect: Estimated, weights: TauWeights, extra: float = 0.0, factor: float = 1.0) -> Predictive:
    """The effect in a new experiment, observed with `extra` variance, both times `factor`.

    Variance v + tau^2 (1 + S) + extra a component. v is estimated with G - 2 degrees of freedom, the rest is taken as
    known: Satterthwaite's (1946) degrees of freedom of the sum.
    """
    variance = effect.variance + weights.tau**2 * (1 + effect.share_squared) + extra
    ratio = np.divide(variance, effect.variance, out=np.full(variance.size, np.inf), where=effect.variance > 0)
    return Predictive(
        factor * effect.estimate,
        factor * np.sqrt(variance),
        effect.degrees * np.minimum(ratio, _NORMAL_DEGREES) ** 2,
        weights.weight,
    )


def within_experiment(effect: Estimated) -> Predictive:
    """The effect in the data's own experiments: the component tau = 0 alone, without new experiments."""
    scale, degrees = np.array([effect.variance**0.5]), np.array([effect.degrees])
    return Predictive(effect.estimate, scale, degrees, np.ones(1))


def two_sided(confidence: float) -> float:
    """The normal quantile z with P(|Z| <= z) = confidence."""
    return float(ndtri((1 + confidence) / 2))


def one_sided(confidence: float) -> float:
    """The normal quantile z with P(Z <= z) = confidence."""
    return float(ndtri(confidence))
