"""What the status of a TwinModel lists of a version, cut to the limits of the API. Pure.

A version may have more arms, experiments and metrics than a status takes. What comes first stays: the control and the
arms in the order of the version, experiments likewise, metrics of the whole twin before those of single arms.
"""

from collections.abc import Sequence

from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason
from twin_operator.api.v1alpha1.fields import FIGURES_LIMIT, cut, round_figures
from twin_operator.api.v1alpha1.twin_model_status import (
    EFFECTS_LIMIT,
    EXPERIMENTS_LIMIT,
    ArmEffect,
    ModelGate,
    ServingModel,
)
from twin_operator.domain import twin
from twin_operator.domain.checks.findings import is_of_an_arm
from twin_operator.services.reconciling.status import Fact
from twin_operator.services.reconciling.twin_checks import gates_of
from twin_operator.services.runs.times import moment
from twin_operator.services.runs.training_messages import TrainedVersion

WARNINGS_LENGTH = 1000  # characters of all warnings together


def serving_model(trained: TrainedVersion, now: float) -> ServingModel:
    """Return `status.model` of a version; `now` in seconds since the epoch."""
    return ServingModel(
        version=trained.version,
        run_id=trained.run_id,
        data_digest=trained.data_digest,
        spec_digest=trained.spec_digest,
        trained_time=trained.trained_time or moment(now),
        samples=trained.samples,
        arms=_listed_arms(trained),
        experiments=_experiments(trained)[:EXPERIMENTS_LIMIT],
        algorithm=trained.algorithm,
        gates=tuple(
            ModelGate(type=each.type, arm=each.arm, against=each.against, message=each.message)
            for each in gates_of(trained)
        ),
        metrics=dict(_metrics(trained)[:FIGURES_LIMIT]),
        omitted=_omitted(trained),
    )


def listed_effects(trained: TrainedVersion) -> tuple[ArmEffect, ...]:
    """Return `status.effects` of a version: those of the arms that its status lists."""
    listed = frozenset(_listed_arms(trained))
    return tuple(_arm_effect(effect) for effect in trained.effects if effect.arm in listed)[:EFFECTS_LIMIT]


def found_in_training(trained: TrainedVersion) -> list[Fact]:
    """Return a condition for each kind of problem that training found in the data."""
    texts = {
        (ConditionType.ASSIGNMENT_NOT_RANDOM, Reason.ASSIGNMENT_NOT_RANDOM): trained.assignment_not_random,
        (ConditionType.DATA_WARNING, Reason.DATA_WARNING): cut(" ".join(trained.warnings), WARNINGS_LENGTH),
    }
    return [Fact(kind, ConditionStatus.TRUE, reason, text) for (kind, reason), text in texts.items() if text]


def _listed_arms(trained: TrainedVersion) -> tuple[str, ...]:
    """Return the control and as many other arms as there may be effects."""
    return trained.arms[: EFFECTS_LIMIT + 1]


def _experiments(trained: TrainedVersion) -> tuple[str, ...]:
    """Return the experiments with a name: a table without a column of experiments has one without."""
    return tuple(name for name in trained.experiments if name)


def _metrics(trained: TrainedVersion) -> list[tuple[str, float]]:
    """Return the metrics that a status can have, those of the whole twin first."""
    return sorted(round_figures(trained.metrics).items(), key=lambda metric: is_of_an_arm(metric[0]))


def _omitted(trained: TrainedVersion) -> str | None:
    """Return a sentence that counts what the status does not list; None where it lists all."""
    counts: list[tuple[str, Sequence[object], int]] = [
        ("arms", trained.arms, EFFECTS_LIMIT + 1),
        ("experiments", _experiments(trained), EXPERIMENTS_LIMIT),
        ("metrics", _metrics(trained), FIGURES_LIMIT),
    ]
    cuts = [f"{limit} of {len(every)} {name}" for name, every, limit in counts if len(every) > limit]
    if not cuts:
        return None
    return f"This status lists {', '.join(cuts)}; the version in the registry has all, and Simulations can use them."


def _arm_effect(effect: twin.ArmEffect) -> ArmEffect:
    return ArmEffect(
        arm=effect.arm,
        estimate=effect.estimate,
        standard_error=effect.standard_error,
        low=effect.low,
        high=effect.high,
        confidence=effect.confidence,
        calibrated=effect.calibrated,
    )
