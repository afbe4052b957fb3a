"""Outcomes by hand, and worlds in which a twin predicts experiments that then happen."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twin_operator.domain.effects.predictive import predictive_of, two_sided
from twin_operator.domain.fidelity.grading import grade
from twin_operator.domain.fidelity.ledger import Issued, Observed, RecordedOutcome
from twin_operator.domain.twin import Contrast, TauWeights, tau_weights

SCALE = 0.25
POINT = TauWeights(np.zeros(1), np.ones(1), 6, 0)
"""Effects never differ."""
DOUBT = TauWeights(np.array([0.0, 0.1, 0.4]), np.array([0.5, 0.3, 0.2]), 6, 0)
ISSUED = Issued(
    estimate=1.0,
    standard_error=0.3,
    sampling_sd=0.2,
    share_squared=0.25,
    degrees=1e6,
    control_sd=3.0,
    treated_sd=4.0,
)


def outcome(
    number: int, predicted: float = 1.0, observed: float = 1.1, observed_sd: float = 0.1, **changes: Any
) -> RecordedOutcome:
    """An outcome of experiment `number`, which became known and was recorded at that moment."""
    issued = replace(ISSUED, estimate=predicted)
    seen = Observed(f"experiment {number}", observed, standard_error=observed_sd)
    plain = RecordedOutcome(
        simulation=f"uid {number}",
        name=f"simulation-{number}",
        registered_model="shop.letters",
        model_version="2",
        experiment=seen.experiment,
        arm="letter",
        against="none",
        where=(),
        population_share=1.0,
        issued=issued,
        observed=observed,
        graded=grade(issued, DOUBT, seen),
        hindsight=False,
        predicted_at=0.0,
        time=float(number),
        recorded=float(number),
    )
    return replace(plain, **changes)


@dataclass(frozen=True)
class World:
    """A truth, what a twin knows of it, and how precisely its predictions are checked; units of the control's SD.

    `tau`: draws how much effects differ; `errors`, `noise`: ranges of the standard errors of training experiments and
    of outcomes; `wrong`: what is added to effects after training; `drift`: what more each experiment adds.
    """

    experiments: int
    tau: Callable[[np.random.Generator], float]
    effect: float = 0.3
    errors: tuple[float, float] = (0.03, 0.12)
    noise: tuple[float, float] = (0.03, 0.10)
    wrong: float = 0.0
    drift: float = 0.0

    def play(self, rng: np.random.Generator, outcomes: int) -> tuple[list[RecordedOutcome], TauWeights]:
        """Train a twin and let its predictions come true."""
        tau = self.tau(rng)
        contrast = self._trained(rng, tau)
        weights = tau_weights(contrast, SCALE)
        issued = issue(contrast, weights)
        seen = []
        for number in range(outcomes):
            noise = float(rng.uniform(*self.noise))
            truth = self.effect + self.wrong + self.drift * number + tau * rng.normal()
            effect = float(truth + noise * rng.normal())
            graded = grade(issued, weights, Observed(f"experiment {number}", effect, standard_error=noise))
            seen.append(outcome(number, issued=issued, observed=effect, graded=graded))
        return seen, weights

    def _trained(self, rng: np.random.Generator, tau: float) -> Contrast:
        size = self.experiments
        error = rng.uniform(*self.errors, size)
        y = self.effect + tau * rng.normal(size=size) + error * rng.normal(size=size)
        names = tuple(f"training {number}" for number in range(size))
        return Contrast("letter", "none", names, y, error**2, np.full(size, 1 / size), 1.0)


def issue(contrast: Contrast, weights: TauWeights) -> Issued:
    """The prediction for everybody that a contrast makes."""
    pi = contrast.pi
    sampling = float(np.sqrt(pi**2 @ contrast.v))
    bare = replace(ISSUED, estimate=float(pi @ contrast.y), sampling_sd=sampling, share_squared=float(pi @ pi))
    return replace(bare, standard_error=predictive_of(bare, weights).half_width(0.95) / two_sided(0.95))
