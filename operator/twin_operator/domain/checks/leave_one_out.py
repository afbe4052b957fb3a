"""Had each experiment been predicted from the others: calibration on the first day, free from the contrasts."""

import numpy as np

from twin_operator.domain.checks.findings import Findings
from twin_operator.domain.effects.predictive import Predictive
from twin_operator.domain.table.columns import Uncertainty
from twin_operator.domain.twin.tau_mixture import Contrast, tau_weights

# One experiment cannot be predicted from the others where there are none.
_LEAST_EXPERIMENTS = 2


def check_backtest(contrasts: tuple[Contrast, ...], control: str, uncertainty: Uncertainty) -> Findings:
    """Share of left-out experiments inside their interval, and the mean absolute error in control-arm SDs."""
    left_out = [
        _leave_out(contrast, position, uncertainty)
        for contrast in contrasts
        if contrast.against == control and len(contrast.experiments) >= _LEAST_EXPERIMENTS
        for position in range(len(contrast.experiments))
    ]
    if not left_out:
        return Findings()
    covered, errors = zip(*left_out, strict=True)
    return Findings(
        {
            "backtest_experiments": float(len(left_out)),
            "backtest_coverage": float(np.mean(covered)),
            "backtest_mean_absolute_error_sd": float(np.mean(errors)),
        }
    )


def _leave_out(contrast: Contrast, position: int, uncertainty: Uncertainty) -> tuple[bool, float]:
    others = contrast.without(position)
    weights = tau_weights(others, uncertainty.between_experiment_scale)
    estimate = float(others.pi @ others.y)
    variance = float(others.pi**2 @ others.v) + contrast.v[position]
    spread = np.sqrt(variance + weights.tau**2 * (1 + float(others.pi @ others.pi)))
    predicted = Predictive(estimate, spread, np.full(spread.size, np.inf), weights.weight)
    error = abs(float(contrast.y[position]) - estimate)
    return error <= predicted.half_width(uncertainty.confidence), error / contrast.sd0
