"""How accurate the active version has been: its window of outcomes, their summary, and the verdict. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.domain.fidelity.faithfulness import Thresholds, Verdict, judge
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.fidelity.significance import significance, trend_p
from twin_operator.domain.fidelity.window import Summary, ledger_of, summarise, window_of
from twin_operator.domain.twin.tau_mixture import Contrast, TauWeights, tau_weights
from twin_operator.services.versions.active import active_version

Arms = tuple[str, str]


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
        outcomes: every outcome of its registered model.
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
    return window_of(predicted, active_version(model) or "", model.spec.fidelity.window)


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
