"""How accurate the active version has been: its window of outcomes, their summary, the verdict, and `status.fidelity`.

Pure; outcomes are graded in `grading`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.fields import abbreviate
from twin_operator.api.v1alpha1.simulation_status import PredictionFidelity
from twin_operator.api.v1alpha1.twin_model_status import RECENT_LIMIT, TwinFidelity, ValidatedPrediction
from twin_operator.domain.fidelity.faithfulness import Thresholds, Verdict, judge
from twin_operator.domain.fidelity.ledger import NotCounted, RecordedOutcome, VersionIdentity
from twin_operator.domain.fidelity.significance import significance, trend_p
from twin_operator.domain.fidelity.window import Summary, ledger_of, summarise, why_not_counted, window_of
from twin_operator.domain.twin import Contrast, TauWeights, tau_weights
from twin_operator.services.runs.times import moment

Arms = tuple[str, str]
_NOT_COUNTED: Final = {
    NotCounted.HINDSIGHT: "The outcome was known before the prediction was made.",
    NotCounted.OTHER_VERSION: "Version {version} made the prediction and is not the active version.",
    NotCounted.IN_TRAINING_DATA: "Version {version} was trained on rows of experiment {experiment}.",
    NotCounted.NOT_WIDEST: "Simulation {other} predicted experiment {experiment} for a wider population and counts in "
    "its place.",
    NotCounted.SAME_EXPERIMENT: "The outcome of experiment {experiment} is already counted for Simulation {other}.",
}


@dataclass(frozen=True)
class Health:
    """How accurate the active version has been.

    Attributes:
        window: the outcomes that count, newest first.
        summary: score, error and coverage; None without outcomes.
        verdict: whether the model is faithful.
        trend_p: p-value of a linear trend of the error over time.
        spread: median SD between experiments, in outcome units.
    """

    window: tuple[RecordedOutcome, ...]
    summary: Summary | None
    verdict: Verdict
    trend_p: float
    spread: float | None


def health_of(model: TwinModel, outcomes: Sequence[RecordedOutcome], contrasts: Sequence[Contrast]) -> Health:
    """Judge the active version.

    Args:
        model: a TwinModel that has one.
        outcomes: every outcome of it.
        contrasts: of the version, from the registry.
    """
    window, scale = _window(model, outcomes, contrasts), model.spec.uncertainty.between_experiment_scale
    summary = summarise(window)
    frozen = weights_by_arms(contrasts, scale, _known_at_training(model, outcomes), window)
    experiments = max((len(c.experiments) for c in contrasts), default=0)
    verdict = judge(summary, significance(window, frozen), _thresholds(model), experiments)
    return Health(window, summary, verdict, trend_p(window, frozen), _spread(contrasts, scale, outcomes))


def _window(
    model: TwinModel, outcomes: Sequence[RecordedOutcome], contrasts: Sequence[Contrast]
) -> tuple[RecordedOutcome, ...]:
    """Return the outcomes that count: none of an experiment that the version was trained on, as it is no prediction."""
    known = {name for contrast in contrasts for name in contrast.experiments}
    predicted = (outcome for outcome in outcomes if outcome.experiment not in known)
    return window_of(predicted, _active(model), model.spec.fidelity.window)


def _active(model: TwinModel) -> VersionIdentity:
    serving = model.status.model
    if serving is None:
        return VersionIdentity("", None, None)
    trained = serving.trained_time
    return VersionIdentity(serving.version, serving.run_id, None if trained is None else trained.timestamp())


def _thresholds(model: TwinModel) -> Thresholds:
    policy = model.spec.fidelity
    return Thresholds(
        policy.threshold, policy.min_validations, policy.max_mean_relative_error, policy.min_interval_coverage
    )


def _known_at_training(model: TwinModel, outcomes: Sequence[RecordedOutcome]) -> list[RecordedOutcome]:
    """Return the outcomes that were recorded before the active version was trained."""
    time = None if model.status.model is None else model.status.model.trained_time
    return [] if time is None else [outcome for outcome in outcomes if outcome.recorded < time.timestamp()]


def weights_by_arms(
    contrasts: Sequence[Contrast], scale: float, outcomes: Sequence[RecordedOutcome], window: Sequence[RecordedOutcome]
) -> Mapping[Arms, TauWeights]:
    """Return the tau weights of the contrasts in a window, from earlier outcomes only.

    Weights from the outcomes of the window could never reject: any error would be a difference between experiments.
    """
    asked = {(o.arm, o.against) for o in window}
    return {
        (c.arm, c.against): tau_weights(c, scale, ledger_of(outcomes, c))
        for c in contrasts
        if (c.arm, c.against) in asked
    }


def _spread(contrasts: Sequence[Contrast], scale: float, outcomes: Sequence[RecordedOutcome]) -> float | None:
    """Return the median of tau of the contrast with the most experiments and outcomes."""
    known = [(len(c.experiments) + len(ledger_of(outcomes, c)), c) for c in contrasts]
    best = max(known, key=lambda pair: pair[0], default=None)
    return None if best is None else tau_weights(best[1], scale, ledger_of(outcomes, best[1])).median


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


def prediction_fidelity(
    outcome: RecordedOutcome, model: TwinModel | None, outcomes: Iterable[RecordedOutcome]
) -> PredictionFidelity:
    """Return a Simulation's.

    Args:
        outcome: its outcome.
        model: the TwinModel as it is now; None where it is gone.
        outcomes: those of the TwinModel, as far as they are known.
    """
    graded = outcome.graded
    reason, message = _not_counted(outcome, model, outcomes)
    return PredictionFidelity(
        grade=graded.grade,
        absolute_error=graded.absolute_error,
        relative_error=graded.relative_error,
        standardized_error=graded.standardized_error,
        covered=graded.covered,
        hindsight=outcome.hindsight,
        not_counted_reason=reason,
        not_counted_message=message,
        recorded_time=moment(outcome.recorded),
    )


def _not_counted(
    outcome: RecordedOutcome, model: TwinModel | None, outcomes: Iterable[RecordedOutcome]
) -> tuple[NotCounted | None, str | None]:
    """Return why an outcome does not count, and the sentence; the status lists long names of experiments cut."""
    if model is None and not outcome.hindsight:
        return None, None
    serving = None if model is None else model.status.model
    listed = () if serving is None else serving.experiments
    trained_on = {outcome.experiment} if abbreviate(outcome.experiment) in listed else set()
    version = VersionIdentity("", None, None) if model is None else _active(model)
    found = why_not_counted(outcome, outcomes, version, trained_on)
    if found is None:
        return None, None
    reason, other = found
    sentence = _NOT_COUNTED[reason].format(
        version=outcome.model_version, experiment=outcome.experiment, other=other.name
    )
    return reason, sentence
