"""Was one prediction right? The grade of an outcome, fixed once it is known. Windows of outcomes are elsewhere."""

import math

from twin_operator.domain.effects.predictive import predictive_of, two_sided
from twin_operator.domain.fidelity.ledger import Grade, Graded, Issued, Observed
from twin_operator.domain.twin import TauWeights

_EXCELLENT, _GOOD, _FAIR = 0.10, 0.20, 0.35
_COVERED_CONFIDENCE = 0.95
# Predictions are read from a status, which keeps six significant digits: smaller differences are not visible in it.
_ROUNDING = 1e-6


def grade(issued: Issued, weights: TauWeights, observed: Observed) -> Graded:
    """Compare an outcome with its prediction as issued, under the tau weights that it was issued with.

    `covered`: the outcome is inside the 95 % interval of the predictive mixture convolved with the outcome's own noise.
    """
    noise = observed_sd(observed, issued)
    error = observed.effect - issued.estimate
    relative = relative_error(issued.estimate, observed.effect, noise)
    half_width = predictive_of(issued, weights, extra=noise**2).half_width(_COVERED_CONFIDENCE)
    least = _ROUNDING * max(abs(observed.effect), abs(issued.estimate))
    return Graded(
        observed_sd=noise,
        absolute_error=abs(error),
        relative_error=relative,
        standardized_error=_ratio(error, max(math.hypot(issued.standard_error, noise), least)),
        covered=abs(error) <= max(half_width, least),
        grade=grade_of(relative),
    )


def observed_sd(observed: Observed, issued: Issued) -> float:
    """s_o, the standard error of an outcome, from the most direct of the three forms that are given.

    An interval is taken as normal; a sample size as that of a trial in equal arms whose outcomes vary as predicted.
    Only the last can be 0, where no outcome of the past units varies. Raises `ValueError` where none is given.
    """
    if observed.standard_error is not None:
        return observed.standard_error
    if observed.low is not None and observed.high is not None and observed.confidence is not None:
        return (observed.high - observed.low) / (2 * two_sided(observed.confidence))
    if observed.sample_size is not None:
        return math.hypot(issued.treated_sd, issued.control_sd) * math.sqrt(2 / observed.sample_size)
    raise ValueError("An outcome needs standardError, or low with high and confidence, or sampleSize.")


def relative_error(predicted: float, observed: float, observed_sd: float) -> float:
    """What the outcome's noise leaves of the error, as a share: sqrt(max(0, (o-p)^2 - s_o^2))/max(|o|, |p|, s_o).

    0 while |o - p| is within s_o; at least 0.86 where the signs differ and |o| > 2 s_o, as then |o - p| >= |o|: so no
    prediction within the noise is graded below Excellent, and none of the wrong sign above Poor.
    """
    error = abs(observed - predicted)
    # Factorised, so that squares of tiny effects do not vanish.
    excess = math.sqrt(max(0.0, error - observed_sd)) * math.sqrt(error + observed_sd)
    return _ratio(excess, max(abs(observed), abs(predicted), observed_sd))


def grade_of(relative_error: float) -> Grade:
    """The word for a relative error, of one prediction or of a window."""
    if relative_error < _EXCELLENT:
        return Grade.EXCELLENT
    if relative_error < _GOOD:
        return Grade.GOOD
    return Grade.FAIR if relative_error < _FAIR else Grade.POOR


def _ratio(error: float, scale: float) -> float:
    """An error in units of a scale that is 0 only where the error is."""
    return error / scale if scale > 0 else 0.0
