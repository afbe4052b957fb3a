"""What a training leaves behind: the bank of scores, contrasts, average effects of arms, and the mixture over tau.

The bank has one row per past unit, nothing aggregated, no learner. How it is stored is not decided here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from twin_operator.domain.errors import UnknownArm
from twin_operator.domain.table.arrays import FeatureValues, Floats, Hashes, Identifiers, Integers, Mask
from twin_operator.domain.table.columns import Columns
from twin_operator.domain.table.known_levels import quoted

# The grid, in control-arm SDs: 0 and geometric points between a negligible difference and two SDs, or three
# times the spread of the experiments' own effects where that is more.
_POINTS = 120
_SMALLEST_TAU = 0.001
_LARGEST_TAU = 2.0
_SPREADS = 3.0
# Variances under one part in 1e12 of the outcome's are rounding; without a floor tau = 0 would divide by zero.
_LEAST_VARIANCE = 1e-12
# Below two values there is no spread, and no information for a likelihood.
_TWO = 2


@dataclass(frozen=True)
class Bank:
    """Rows of past experiments with their doubly robust scores.

    `arms` has the control first, the others sorted. `levels` gives per categorical feature the labels behind the codes
    in `features` (int32, -1 where missing); numeric features are float64 with NaN where missing. `arm`, `experiment`:
    (n,) codes. `outcome`: (n,), in its own units. `propensity`, `nuisance` (m_a(x), out of fold) and `score` (psi):
    (n, arms). `possible`: (n, arms), whether the row's experiment assigned units to the arm. `cluster`: (n,)
    codes of the randomised units. `weight`: (n,). `time`: (n,) seconds since 1970, or None. `fold`: (n,), -1 where held
    out. `held_out`: (n,), rows that no model was fitted on. `unit_hash`: (n,) hashes of the randomised units, by which
    the same folds can be dealt again; `content`: (n,) hashes of all that a row held, equal for equal rows.
    """

    columns: Columns
    arms: tuple[str, ...]
    experiments: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    features: Mapping[str, FeatureValues]
    arm: Integers
    outcome: Floats
    propensity: Floats
    nuisance: Floats
    score: Floats
    possible: Mask
    experiment: Integers
    cluster: Identifiers
    weight: Floats
    time: Floats | None
    fold: Integers
    held_out: Mask
    unit_hash: Hashes
    content: Hashes

    @property
    def rows(self) -> int:
        """How many past units there are."""
        return int(self.arm.size)

    @property
    def control(self) -> str:
        """The arm that stands for doing nothing new."""
        return self.arms[0]

    def arm_code(self, name: str) -> int:
        """The column of an arm; `UnknownArm` names those that exist."""
        if name.strip() not in self.arms:
            raise UnknownArm(f'The model has no arm "{name}"; it has {quoted(self.arms)}.')
        return self.arms.index(name.strip())

    def comparable(self, arm: int, against: int) -> Mask:
        """(n,) rows of experiments that assigned units to both arms."""
        return np.asarray(self.possible[:, arm] & self.possible[:, against])


@dataclass(frozen=True)
class ArmEffect:
    """The average effect of an arm against the control in a new experiment, in outcome units."""

    arm: str
    estimate: float
    standard_error: float
    low: float
    high: float
    confidence: float
    calibrated: bool


@dataclass(frozen=True)
class Contrast:
    """What each training experiment says of one arm against another, in outcome units.

    `y`, `v`: (J,) effect and its variance per experiment; `pi`: (J,) weight shares in a prediction for everybody;
    `sd0`: SD of the outcome under the model's control.
    """

    arm: str
    against: str
    experiments: tuple[str, ...]
    y: Floats
    v: Floats
    pi: Floats
    sd0: float

    def reversed(self) -> "Contrast":
        """The same experiments, read the other way round."""
        return Contrast(self.against, self.arm, self.experiments, -self.y, self.v, self.pi, self.sd0)

    def without(self, experiment: int) -> "Contrast":
        """The contrast as it would be had the experiment at this position never been run."""
        kept = np.arange(len(self.experiments)) != experiment
        names = tuple(name for name, keep in zip(self.experiments, kept, strict=True) if keep)
        pi = self.pi[kept] / self.pi[kept].sum()
        return Contrast(self.arm, self.against, names, self.y[kept], self.v[kept], pi, self.sd0)

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and texts."""
        return {
            "arm": self.arm,
            "against": self.against,
            "experiments": list(self.experiments),
            "y": self.y.tolist(),
            "v": self.v.tolist(),
            "pi": self.pi.tolist(),
            "sd0": self.sd0,
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Contrast":
        """The inverse of `as_dict`."""
        y, v, pi = (np.asarray(values[name], dtype=np.float64) for name in ("y", "v", "pi"))
        experiments = tuple(values["experiments"])
        return Contrast(values["arm"], values["against"], experiments, y, v, pi, float(values["sd0"]))


@dataclass(frozen=True)
class LedgerOutcome:
    """A prediction as issued and what was then observed, in outcome units.

    `observed_sd`: s_o; `sampling_sd`: sqrt(v_k) of the prediction; `share_squared`: its S_k.
    """

    experiment: str
    predicted: float
    observed: float
    observed_sd: float
    sampling_sd: float
    share_squared: float


@dataclass(frozen=True)
class TauWeights:
    """A discrete distribution of tau: (g,) values in outcome units, (g,) weights that sum to 1.

    `experiments`: J, how many training experiments they rest on; `outcomes`: K, how many later outcomes.
    """

    tau: Floats
    weight: Floats
    experiments: int
    outcomes: int

    @property
    def median(self) -> float:
        """The value of tau that is as likely exceeded as not, in outcome units."""
        cumulative = np.cumsum(self.weight)
        return float(self.tau[min(int(np.searchsorted(cumulative, 0.5)), self.tau.size - 1)])

    @property
    def digest(self) -> str:
        """Identifies the weights: equal digests give equal answers."""
        content = np.concatenate([self.tau, self.weight, [self.experiments, self.outcomes]])
        return blake2b(content.astype("<f8").tobytes(), digest_size=16).hexdigest()


def tau_weights(contrast: Contrast, scale: float, ledger: Sequence[LedgerOutcome] = ()) -> TauWeights:
    """Weigh a grid of tau by the experiments, the outcomes and a half-Cauchy prior of `scale` control-arm SDs.

    An outcome of an experiment that is in the training data is left out, and so is a second one of an experiment.
    Restricted likelihood: Harville (1977); prior: Gelman (2006).
    """
    y, v = contrast.y / contrast.sd0, contrast.v / contrast.sd0**2
    outcomes = _countable(contrast, ledger)
    tau = _grid(y)
    log_weight = _restricted_likelihood(tau, y, v) + _ledger_likelihood(tau, outcomes, contrast.sd0)
    log_weight += -np.log1p((tau / scale) ** 2) + np.log(_spacing(tau))
    weight = np.exp(log_weight - log_weight.max())
    return TauWeights(tau * contrast.sd0, weight / weight.sum(), len(contrast.experiments), len(outcomes))


def _countable(contrast: Contrast, ledger: Sequence[LedgerOutcome]) -> list[LedgerOutcome]:
    first: dict[str, LedgerOutcome] = {}
    for outcome in ledger:
        if outcome.experiment not in contrast.experiments:
            first.setdefault(outcome.experiment, outcome)
    return list(first.values())


def _grid(y: Floats) -> Floats:
    spread = float(y.std(ddof=1)) if y.size >= _TWO else 0.0
    return np.append(0.0, np.geomspace(_SMALLEST_TAU, max(_LARGEST_TAU, _SPREADS * spread), _POINTS))


def _spacing(tau: Floats) -> Floats:
    """(g,) width of the interval that each grid point stands for."""
    middles = (tau[1:] + tau[:-1]) / 2
    return np.diff(np.concatenate([tau[:1], middles, tau[-1:]]))


def _restricted_likelihood(tau: Floats, y: Floats, v: Floats) -> Floats:
    """(g,) REML log-likelihood of (J,) effects about their weighted mean, up to a constant."""
    if y.size < _TWO:
        return np.zeros(tau.size)
    variance = np.maximum(v[None, :] + tau[:, None] ** 2, _LEAST_VARIANCE)
    precision = 1 / variance
    total = precision.sum(axis=1)
    mean = (precision @ y) / total
    squares = (precision * (y[None, :] - mean[:, None]) ** 2).sum(axis=1)
    return np.asarray(-0.5 * (np.log(variance).sum(axis=1) + np.log(total) + squares))


def _ledger_likelihood(tau: Floats, outcomes: Sequence[LedgerOutcome], sd0: float) -> Floats:
    """(g,) log N(r; 0, diag(s_o^2 + tau^2) + b b'), b_k^2 = v_k + tau^2 S_k, up to a constant.

    All predictions share one error of estimation, hence b b'; determinant and quadratic form by Sherman and Morrison.
    """
    if not outcomes:
        return np.zeros(tau.size)
    fields = [(o.observed - o.predicted, o.observed_sd, o.sampling_sd, o.share_squared * sd0) for o in outcomes]
    r, observed, sampling, share = np.array(fields).T / sd0
    diagonal = np.maximum(observed**2 + tau[:, None] ** 2, _LEAST_VARIANCE)
    b = np.sqrt(sampling**2 + tau[:, None] ** 2 * share)
    shared = 1 + (b**2 / diagonal).sum(axis=1)
    squares = (r**2 / diagonal).sum(axis=1) - (b * r / diagonal).sum(axis=1) ** 2 / shared
    return np.asarray(-0.5 * (np.log(diagonal).sum(axis=1) + np.log(shared) + squares))
