"""The effect of one arm against another in a weighted set of past units: one pass over the bank.

Only what the units themselves say belongs here; differences between experiments are the mixture's.
"""

from dataclasses import dataclass

import numpy as np

from twin_operator.domain.errors import OutsideSupport
from twin_operator.domain.table.arrays import Floats, Identifiers
from twin_operator.domain.table.table_rules import LEAST_CLUSTERS
from twin_operator.domain.twin import Bank

# With fewer events (or non-events) the spread of the scores understates what a rare event can do.
_FEW_EVENTS = 20.0


@dataclass(frozen=True)
class ArmSummary:
    """One arm's own units in the population, weighted by weight over propensity.

    `sd`: of the outcome; `residual_variance`: of the outcome around the model's out-of-fold prediction, never above
    the outcome's variance; `effective_rows`: Kish's effective sample size; `events`, `others`: units with outcome 1 and
    with outcome 0, of a Binary outcome; `event_variance`: the floor of the variance of the arm's mean.
    """

    sd: float
    residual_variance: float
    effective_rows: float
    events: int
    others: int
    event_variance: float


@dataclass(frozen=True)
class WeightedEffect:
    """The effect in outcome units and what its uncertainty is made of.

    `variance`: v_IF of the estimate; `clusters`: G randomised units; `share_squared`: S, the sum of the squared weight
    shares of the experiments; `largest_share`: of one row in the weight; `weight_share`: of the bank's weight.
    """

    estimate: float
    variance: float
    clusters: int
    baseline: float
    treated: float
    share_squared: float
    matched: int
    effective_rows: float
    largest_share: float
    weight_share: float
    treated_arm: ArmSummary
    control_arm: ArmSummary

    @property
    def degrees(self) -> float:
        """Degrees of freedom of v_IF: G - 2."""
        return float(self.clusters - 2)


def weighted_effect(bank: Bank, rows: Identifiers, arm: int, against: int) -> WeightedEffect:
    """The effect in the given rows (indices of units comparable on both arms, of positive total weight).

    Raises `OutsideSupport` where an arm has no unit of its own among them, or fewer than six randomised units are.
    """
    weight = bank.weight[rows]
    omega = weight / weight.sum()
    treated, baseline = bank.score[rows, arm], bank.score[rows, against]
    gamma = treated - baseline
    estimate = float(omega @ gamma)
    influence = omega * (gamma - estimate)
    sums = cluster_sums(bank, rows, influence)
    _require_clusters(sums.size)
    summaries = [_summary(bank, rows, weight, code) for code in (arm, against)]
    return WeightedEffect(
        estimate=estimate,
        variance=max(float(sums @ sums) * sums.size / (sums.size - 2), sum(each.event_variance for each in summaries)),
        clusters=int(sums.size),
        baseline=float(omega @ baseline),
        treated=float(omega @ treated),
        share_squared=float(np.sum(np.bincount(bank.experiment[rows], weights=omega) ** 2)),
        matched=int(rows.size),
        effective_rows=1.0 / float(omega @ omega),
        largest_share=float(omega.max()),
        weight_share=float(weight.sum() / bank.weight.sum()),
        treated_arm=summaries[0],
        control_arm=summaries[1],
    )


def cluster_sums(bank: Bank, rows: Identifiers, values: Floats) -> Floats:
    """(G,) sums of (rows,) values over the randomised units."""
    if bank.columns.cluster is None:
        return values
    cluster = bank.cluster[rows]
    present = np.bincount(cluster) > 0
    return np.asarray(np.bincount(cluster, weights=values)[present])


def _require_clusters(clusters: int) -> None:
    if clusters < LEAST_CLUSTERS:
        raise OutsideSupport(
            f"The population has only {clusters} randomised units among the past ones: "
            f"an interval needs at least {LEAST_CLUSTERS}; widen `where`."
        )


def _summary(bank: Bank, rows: Identifiers, weight: Floats, code: int) -> ArmSummary:
    own = (bank.arm[rows] == code) & (weight > 0)
    if not own.any():
        raise OutsideSupport(
            f'No past unit of this population got arm "{bank.arms[code]}": nothing is known of it there; widen `where`.'
        )
    chosen = rows[own]
    outcome = bank.outcome[chosen]
    inverse = weight[own] / bank.propensity[chosen, code]
    share = inverse / inverse.sum()
    mean = float(share @ outcome)
    variance = float(share @ (outcome - mean) ** 2)
    residual = float(share @ (outcome - bank.nuisance[chosen, code]) ** 2)
    size = 1.0 / float(share @ share)
    events = int(np.count_nonzero(outcome)) if bank.columns.binary else 0
    return ArmSummary(
        sd=variance**0.5,
        residual_variance=min(residual, variance),
        effective_rows=size,
        events=events,
        others=chosen.size - events,
        event_variance=event_floor(mean, size) if bank.columns.binary else 0.0,
    )


def event_floor(share: float, size: float) -> float:
    """q(1 - q)/(n + 2) with q = (events + 1)/(n + 2), or 0 with twenty effective events and non-events or more."""
    if min(share, 1 - share) * size >= _FEW_EVENTS:
        return 0.0
    smoothed = (share * size + 1) / (size + 2)
    return smoothed * (1 - smoothed) / (size + 2)
