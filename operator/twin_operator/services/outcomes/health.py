"""How right the serving version has been: its window of outcomes, their figures, and the verdict. Only decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twin_operator.domain.fidelity.faithfulness import Thresholds, Verdict, judge
from twin_operator.domain.fidelity.ledger import RecordedOutcome
from twin_operator.domain.fidelity.significance import significance, trend_p
from twin_operator.domain.fidelity.window import Summary, ledger_of, summarise, window_of
from twin_operator.domain.twin.tau_mixture import Contrast, TauWeights, tau_weights
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import seconds

Arms = tuple[str, str]


@dataclass(frozen=True)
class Health:
    """How right the serving version has been.

    Attributes:
        window: the outcomes that count, newest first.
        summary: their figures; None without any.
        verdict: what they say of the model.
        trend_p: chance of a trend of the error over time as strong as this, were there none.
        spread: median SD between experiments, in outcome units.
    """

    window: tuple[RecordedOutcome, ...]
    summary: Summary | None
    verdict: Verdict
    trend_p: float
    spread: float | None


def health_of(spec: JSON, model: JSON, outcomes: Sequence[RecordedOutcome], contrasts: Sequence[Contrast]) -> Health:
    """Judge the version that serves.

    Args:
        spec: the TwinModel's.
        model: its `status.model`.
        outcomes: every outcome of its registered model.
        contrasts: of the version, from the registry.
    """
    policy = spec.get("fidelity") or {}
    known = {name for contrast in contrasts for name in contrast.experiments}
    # What the version was trained on it does not predict; that it repeats it is no merit.
    window = window_of((o for o in outcomes if o.experiment not in known), model["version"], policy.get("window", 50))
    summary = summarise(window)
    thresholds = Thresholds(
        policy.get("threshold", 0.7),
        policy.get("minValidations", 5),
        policy.get("maxMeanRelativeError", 0.25),
        policy.get("minIntervalCoverage", 0.8),
    )
    scale = spec["uncertainty"]["betweenExperimentScale"]
    trained = seconds(model.get("trainedTime")) or 0.0
    frozen = weights_by_arms(contrasts, scale, [o for o in outcomes if o.recorded < trained], window)
    experiments = max((len(c.experiments) for c in contrasts), default=0)
    verdict = judge(summary, significance(window, frozen), thresholds, experiments)
    return Health(window, summary, verdict, trend_p(window, frozen), _spread(contrasts, scale, outcomes))


def weights_by_arms(
    contrasts: Sequence[Contrast], scale: float, outcomes: Sequence[RecordedOutcome], window: Sequence[RecordedOutcome]
) -> Mapping[Arms, TauWeights]:
    """Return the tau weights of the contrasts that a window asks about, frozen at the outcomes that are given.

    Weights that had learned from the window could never reject: any miss would be a difference between experiments.
    """
    asked = {(o.arm, o.against) for o in window}
    return {
        (c.arm, c.against): tau_weights(c, scale, ledger_of(outcomes, c))
        for c in contrasts
        if (c.arm, c.against) in asked
    }


def _spread(contrasts: Sequence[Contrast], scale: float, outcomes: Sequence[RecordedOutcome]) -> float | None:
    """Return the median of tau of the contrast that most is known of."""
    known = [(len(c.experiments) + len(ledger_of(outcomes, c)), c) for c in contrasts]
    best = max(known, key=lambda pair: pair[0], default=None)
    return None if best is None else tau_weights(best[1], scale, ledger_of(outcomes, best[1])).median
