"""Everything that a demanding reader wants to know of a training, gathered for status.metrics and its warnings."""

from dataclasses import dataclass

import numpy as np

from twin_operator.domain.checks.assignment_check import check_assignment
from twin_operator.domain.checks.balance import check_balance, check_gaps, check_sample_ratio
from twin_operator.domain.checks.findings import R_SQUARED, Findings, arm_metric
from twin_operator.domain.checks.questionable_data import check_questionable_data
from twin_operator.domain.checks.refutation import check_confounding, check_placebo, check_trend
from twin_operator.domain.effects.predictive import Predictive
from twin_operator.domain.effects.weighted_effect import WeightedEffect
from twin_operator.domain.learning.cross_fitting import OutcomeModels
from twin_operator.domain.learning.features_in_use import sentences, without_features
from twin_operator.domain.learning.propensity import Propensity, effective_rows
from twin_operator.domain.table.columns import Learner, Uncertainty
from twin_operator.domain.table.experiment_data import ExperimentData
from twin_operator.domain.table.row_times import FIRST_YEAR, LAST_YEAR
from twin_operator.domain.twin import Bank, Contrast, tau_weights


@dataclass(frozen=True)
class Trained:
    """What is checked."""

    data: ExperimentData
    propensity: Propensity
    models: OutcomeModels
    bank: Bank
    contrasts: tuple[Contrast, ...]
    measured: dict[str, WeightedEffect]


def run_checks(trained: Trained, learner: Learner, uncertainty: Uncertainty) -> tuple[Findings, str | None]:
    """All findings, and a sentence where assignment is not random."""
    data, bank = trained.data, trained.bank
    assignment = check_assignment(without_features(data, trained.models.left_out), learner.seed)
    findings = [
        _values_taken_as_they_came(data),
        Findings({}, tuple(sentences(trained.models.left_out))),
        check_questionable_data(data),
        check_gaps(data, trained.models.left_out),
        check_sample_ratio(data),
        check_balance(data),
        _overlap(data, trained.propensity),
        _fit(trained),
        assignment.findings,
        check_placebo(data, bank, learner.seed),
        check_backtest(trained.contrasts, bank.control, uncertainty),
        check_trend(bank),
        check_confounding(bank, trained.measured),
        _not_compared(trained),
    ]
    return sum(findings, Findings()), assignment.sentence


def _values_taken_as_they_came(data: ExperimentData) -> Findings:
    warnings = []
    if data.trimmed:
        warnings.append(f"Blanks around {data.trimmed} labels were trimmed.")
    if data.unassigned:
        warnings.append(f'{data.unassigned} rows without an arm in "{data.columns.treatment}" were dropped.')
    if data.times_out_of_range:
        warnings.append(
            f'{data.times_out_of_range} times in "{data.columns.time}" are outside the years {FIRST_YEAR} to '
            f"{LAST_YEAR} and count as missing."
        )
    return Findings({}, tuple(warnings))


def _overlap(data: ExperimentData, propensity: Propensity) -> Findings:
    own = propensity.probability[np.arange(data.rows), data.arm]
    metrics = {
        "smallest_propensity": float(propensity.probability[propensity.possible].min()),
        "smallest_effective_rows": float(effective_rows(data, propensity.probability).min()),
        "clipped_share": propensity.clipped_share,
    }
    # An arm that only a handful of units of an experiment had was not tried there.
    unused = int(np.count_nonzero(own == 0))
    return Findings(metrics, (f"{unused} rows are of arms with too few units in their experiment.",) if unused else ())


def _fit(trained: Trained) -> Findings:
    """Loss and R^2 out of fold, within each arm: what a trial can gain from the twin's predictions."""
    arms = trained.bank.arms
    r_squared = [_r_squared(trained.bank, code) for code in range(len(arms))]
    share = np.bincount(trained.bank.arm) / trained.bank.rows
    metrics = {arm_metric(R_SQUARED, arm): value for arm, value in zip(arms, r_squared, strict=True)}
    losses = {"loss": float(share @ trained.models.loss), "loss_of_means": float(share @ trained.models.mean_loss)}
    plain = [arm for arm, learned in zip(arms, trained.models.learned, strict=True) if not learned]
    quoted = ", ".join(f'"{arm}"' for arm in plain)
    warning = f"The features do not predict {trained.bank.columns.outcome} under {quoted}; the mean is used instead."
    return Findings({**losses, **metrics}, (warning,) if plain else ())


def _r_squared(bank: Bank, code: int) -> float:
    own = bank.arm == code
    outcome = bank.outcome[own]
    total = float(np.sum((outcome - outcome.mean()) ** 2))
    return 1 - float(np.sum((outcome - bank.nuisance[own, code]) ** 2)) / total if total > 0 else 0.0


def _not_compared(trained: Trained) -> Findings:
    compared = {contrast.arm for contrast in trained.contrasts if contrast.against == trained.bank.control}
    missing = [arm for arm in trained.bank.arms[1:] if arm not in compared]
    quoted = ", ".join(f'"{arm}"' for arm in missing)
    control = trained.bank.control
    warning = f'No experiment compared {quoted} with the control "{control}": there is no average effect to show.'
    return Findings({}, (warning,) if missing else ())


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
