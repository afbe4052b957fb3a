"""`status.fidelity` of a TwinModel and of a Simulation, from graded outcomes."""

from collections.abc import Sequence

from twin_operator.api.v1alpha1.simulation_status import PredictionFidelity
from twin_operator.api.v1alpha1.twin_model_status import RECENT_LIMIT, TwinFidelity, ValidatedPrediction
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.fidelity.window import Summary
from twin_operator.services.runs.times import moment


def fidelity_status(
    window: Sequence[RecordedOutcome], summary: Summary | None, spread: float | None
) -> TwinFidelity | None:
    """Return a TwinModel's, None without an outcome; `spread`: SD between experiments in outcome units."""
    if summary is None:
        return None
    return TwinFidelity(
        score=summary.score,
        grade=summary.grade,
        validations=summary.validations,
        mean_relative_error=summary.mean_relative_error,
        coverage=summary.coverage,
        bias=summary.bias,
        between_experiment_sd=spread,
        last_validated_time=moment(max(outcome.recorded for outcome in window)),
        recent=tuple(_validated(outcome) for outcome in window[:RECENT_LIMIT]),
    )


def _validated(outcome: RecordedOutcome) -> ValidatedPrediction:
    return ValidatedPrediction(
        simulation=outcome.name,
        model_version=outcome.model_version,
        predicted=outcome.issued.estimate,
        observed=outcome.observed,
        standardized_error=outcome.graded.standardized_error,
        covered=outcome.graded.covered,
        time=moment(outcome.time),
    )


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
