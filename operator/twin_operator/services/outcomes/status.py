"""`status.fidelity`, of a TwinModel and of a Simulation: grades and figures in the words of the API."""

from collections.abc import Sequence

from twin_operator.api.v1alpha1.simulation_status import PredictionFidelity
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.fidelity.window import Summary
from twin_operator.services.reconciling.status import presentable
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import timestamp

MOST_RECENT = 50  # outcomes that a TwinModel lists


def fidelity_status(window: Sequence[RecordedOutcome], summary: Summary | None, spread: float | None) -> JSON | None:
    """Return a TwinModel's, None without an outcome; `spread`: SD between experiments in outcome units."""
    if summary is None:
        return None
    content: JSON = presentable(
        {
            "score": summary.score,
            "grade": summary.grade,
            "validations": summary.validations,
            "meanRelativeError": summary.mean_relative_error,
            "coverage": summary.coverage,
            "bias": summary.bias,
            "betweenExperimentSD": spread,
            "lastValidatedTime": timestamp(max(outcome.recorded for outcome in window)),
            "recent": [_recent(outcome) for outcome in window[:MOST_RECENT]],
        }
    )
    return content


def _recent(outcome: RecordedOutcome) -> JSON:
    return {
        "simulation": outcome.name,
        "modelVersion": outcome.model_version,
        "predicted": outcome.issued.estimate,
        "observed": outcome.observed,
        "standardizedError": outcome.graded.standardized_error,
        "covered": outcome.graded.covered,
        "time": timestamp(outcome.time),
    }


def prediction_fidelity(outcome: RecordedOutcome) -> PredictionFidelity:
    """Return a Simulation's."""
    graded = outcome.graded
    return PredictionFidelity(
        grade=graded.grade,
        absolute_error=graded.absolute_error,
        relative_error=graded.relative_error,
        standardized_error=graded.standardized_error,
        covered=graded.covered,
        hindsight=outcome.hindsight,
    )
