"""Is a window's miss more than chance? Tests of its errors against the doubt that the twin had when it was promoted.

A twin never promised exact predictions: effects differ between experiments by tau, and it knew tau only by weights.
These are frozen at the promotion, as weights that have learned from the window could never reject it. What a
significant miss leads to is in `faithfulness`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, ndtr

from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.fidelity.window import oriented
from twin_operator.domain.table.arrays import Floats
from twin_operator.domain.twin import TauWeights

SIGNIFICANT = 0.005
"""Below it a miss is more than chance. Two tests: a perfect twin is called degraded in about 1 % of windows at most."""
# Variances under one part in 1e12 of the largest squared quantity are rounding; without a floor tau = 0 would divide
# by zero.
_LEAST_VARIANCE = 1e-12
# A line through two errors fits always.
_LEAST_FOR_A_TREND = 3
# Less of the times' variation than this left by an intercept is rounding.
_LEAST_SHARE = 1e-9

FrozenWeights = Mapping[tuple[str, str], TauWeights]
"""The tau weights of each (arm, against) at the version's promotion; a contrast may be there in one direction only."""


@dataclass(frozen=True)
class Significance:
    """How often chance alone gives misses as large as a window's.

    `chi_square_p`: misses of any pattern; `common_shift_p`: misses all in one direction; `significant`: either is under
    0.005.
    """

    chi_square_p: float
    common_shift_p: float
    significant: bool

    @property
    def p(self) -> float:
        """The smaller of both."""
        return min(self.chi_square_p, self.common_shift_p)


def significance(window: Sequence[RecordedOutcome], frozen: FrozenWeights) -> Significance:
    """r'C^-1 r against chi-square and 1'C^-1 r/sqrt(1'C^-1 1) against the normal, each averaged over the weights.

    r = o - p, one contrast an experiment (that of the smallest s_o), mirrored contrasts read the same way round.
    Outcomes of contrasts without frozen weights are left out; where none is left, both p-values are 1.
    """
    errors = _Errors.of(window, frozen)
    if errors is None:
        return Significance(1.0, 1.0, significant=False)
    gram = errors.gram(errors.r, np.ones(errors.r.size))
    chi_square = errors.average(chdtrc(errors.r.size, np.maximum(gram[:, 0, 0], 0.0)))
    common_shift = errors.average(_two_sided_p(gram[:, 0, 1], gram[:, 1, 1]))
    return Significance(chi_square, common_shift, min(chi_square, common_shift) < SIGNIFICANT)


def trend_p(window: Sequence[RecordedOutcome], frozen: FrozenWeights) -> float:
    """P-value of a linear change of o - p over the time of the outcomes, averaged over the frozen weights.

    Generalised least squares of r on (1, time) with the covariance C of `significance`, so that one shift of all
    predictions is no trend (Aitken 1936). 1 where fewer than three experiments, or one moment, show no trend.
    """
    errors = _Errors.of(window, frozen)
    if errors is None or errors.r.size < _LEAST_FOR_A_TREND or np.ptp(errors.time) == 0:
        return 1.0
    time = (errors.time - errors.time.mean()) / np.ptp(errors.time)
    gram = errors.gram(errors.r, np.ones(time.size), time)
    # What an intercept leaves of time with itself and with r (Frisch and Waugh 1933).
    slope = gram[:, 1, 2] / gram[:, 1, 1]
    left = np.maximum(gram[:, 2, 2] - slope * gram[:, 1, 2], _LEAST_SHARE * gram[:, 2, 2])
    return errors.average(_two_sided_p(gram[:, 0, 2] - slope * gram[:, 0, 1], left))


def _two_sided_p(score: Floats, information: Floats) -> Floats:
    """(g,) p-values of scores against a normal distribution of that variance."""
    return np.asarray(2 * ndtr(-np.abs(score) / np.sqrt(information)))


@dataclass(frozen=True)
class _Errors:
    """The errors of K experiments and what they should be like, in units of the largest quantity among them.

    `r`, `time`, `noise`: (K,); `tau`: (g, K) at the same quantile of each contrast's weights; `weight`: (g,);
    `b`: (g, K) SD of the error of estimation, which all predictions share.
    """

    r: Floats
    time: Floats
    noise: Floats
    tau: Floats
    weight: Floats
    b: Floats

    @staticmethod
    def of(window: Sequence[RecordedOutcome], frozen: FrozenWeights) -> "_Errors | None":
        judged = _judged(window, frozen)
        if not judged:
            return None
        tau, weight = coupled([weights for outcome in judged for weights in _weights_of(outcome, frozen)])
        r, noise, sampling, share, time = np.array([_numbers(outcome) for outcome in judged]).T
        unit = max(float(np.max(np.abs(values))) for values in (r, noise, sampling, tau)) or 1.0
        r, noise, sampling, tau = r / unit, noise / unit, sampling / unit, tau / unit
        return _Errors(r, time, noise, tau, weight, np.sqrt(sampling**2 + tau**2 * share))

    def average(self, p: Floats) -> float:
        """The mean of (g,) p-values over the weights."""
        return float(self.weight @ p)

    def gram(self, *columns: Floats) -> Floats:
        """(g, c, c) inner products z'C^-1 z of (K,) columns, C = diag(s_o^2 + tau^2) + b b'.

        By Sherman and Morrison (1950). Every b is positive, as contrasts are read against the same arm where they can
        be, and share the error of its estimate.
        """
        deviation = np.sqrt(np.maximum(self.noise**2 + self.tau**2, _LEAST_VARIANCE))
        z = np.stack(columns, axis=1)[None, :, :] / deviation[:, :, None]
        b = self.b / deviation
        shared = np.einsum("gk,gkc->gc", b, z)
        explained = shared[:, :, None] * shared[:, None, :] / (1 + (b**2).sum(axis=1))[:, None, None]
        return np.asarray(z.transpose(0, 2, 1) @ z - explained)


def coupled(weights: Sequence[TauWeights]) -> tuple[Floats, Floats]:
    """(g, K) tau at the same quantile of each of K distributions, and the (g,) weights of those quantiles.

    Comonotone: where effects of one contrast differ much between experiments, so do those of the others. Equal
    distributions keep their own points and weights.
    """
    quantiles = [np.append(np.minimum(np.cumsum(each.weight)[:-1], 1.0), 1.0) for each in weights]
    merged = np.unique(np.concatenate(quantiles))
    tau = [each.tau[np.searchsorted(own, merged)] for each, own in zip(weights, quantiles, strict=True)]
    return np.stack(tau, axis=1), np.diff(merged, prepend=0.0)


def _judged(window: Sequence[RecordedOutcome], frozen: FrozenWeights) -> list[RecordedOutcome]:
    """One outcome an experiment, by the experiment's name, so that the order of the window does not matter."""
    found: dict[str, RecordedOutcome] = {}
    known = [outcome for outcome in oriented(window) if _weights_of(outcome, frozen)]
    for outcome in sorted(known, key=lambda o: (o.graded.observed_sd, o.recorded, o.name, o.simulation)):
        found.setdefault(outcome.experiment, outcome)
    return [found[experiment] for experiment in sorted(found)]


def _weights_of(outcome: RecordedOutcome, frozen: FrozenWeights) -> list[TauWeights]:
    """The weights of its contrast, which are those of the mirror too; none where they were not kept."""
    directions = (outcome.arm, outcome.against), (outcome.against, outcome.arm)
    return [frozen[direction] for direction in directions if direction in frozen][:1]


def _numbers(outcome: RecordedOutcome) -> tuple[float, ...]:
    issued = outcome.issued
    return outcome.error, outcome.graded.observed_sd, issued.sampling_sd, issued.share_squared, outcome.time
