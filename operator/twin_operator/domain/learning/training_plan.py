"""How a twin is to be trained, and why that differs from its learner. A choice; carrying it out is `training`'s."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from twin_operator.domain.table.columns import Algorithm, Learner

# Triggers for missed outcomes; the others are for data, time or a user's request.
_FIDELITY_DEGRADED = "FidelityDegraded"
_PREDICTION_ERROR = "PredictionError"
_COVERAGE_DROP = "CoverageDrop"
_MISSES = frozenset({_FIDELITY_DEGRADED, _PREDICTION_ERROR, _COVERAGE_DROP})
# A choice among algorithms is made on their losses: ten folds fit on 90 % of the rows instead of 80 %.
_FOLDS_OF_A_CHOICE = 10
_SEED_FACTOR_OF_A_COVERAGE_DROP = 2
# The usual level: here it only decides whether old experiments are left out, which the gate then judges.
_SIGNIFICANT_TREND = 0.05
# Of fidelity. Below it the learner itself is in doubt, however the retraining is approved.
_SEVERE_SCORE = 0.5


@dataclass(frozen=True)
class TrainingPlan:
    """What is fitted, how, and on which experiments.

    `seeds`: how many choices of folds are averaged, from `seed` on; None is what the number of rows asks for, times
    `seed_factor`. `newest_only`: seconds since 1970; experiments whose newest row is older are left out. `candidates`:
    algorithms among which the lowest out-of-fold loss chooses; none leaves `algorithm`. `reason`: a sentence about how
    the plan differs from the model's learner and why, empty where it does not.
    """

    algorithm: Algorithm
    folds: int
    seed: int
    seeds: int | None = None
    newest_only: float | None = None
    candidates: tuple[Algorithm, ...] = ()
    reason: str = ""
    seed_factor: int = 1

    @staticmethod
    def of(learner: Learner) -> "TrainingPlan":
        """The plan of a first training."""
        return TrainingPlan(learner.algorithm, learner.folds, learner.seed)

    @property
    def learner(self) -> Learner:
        """What is fitted, without the choice."""
        return Learner(self.algorithm, self.folds, self.seed)

    def seed_count(self, usual: int) -> int:
        """How many choices of folds are averaged where the number of rows asks for `usual`."""
        return self.seeds or self.seed_factor * usual


@dataclass(frozen=True)
class LearnerOverrides:
    """Parts of the learner that a job asks for; None leaves the model's."""

    algorithm: Algorithm | None = None
    folds: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class PlanHealth:
    """How right the serving version has been: its score, and the p-value of a linear trend of its effects over time."""

    score: float | None
    trend_p: float | None

    @property
    def severe(self) -> bool:
        """Whether the score is so low that the learner itself is in doubt."""
        return self.score is not None and self.score < _SEVERE_SCORE


def plan_for(
    trigger: str,
    learner: Learner,
    overrides: LearnerOverrides | None,
    health: PlanHealth,
    now: float,
    max_data_age: float,
    *,
    dated: bool,
) -> TrainingPlan:
    """The plan of a retraining: the model's learner, unless its misses say otherwise; the job's overrides come first.

    `now` in seconds since 1970 and `max_data_age` in seconds say which experiments are old; `dated`: whether the table
    has both times and experiments, without which none can be left out.
    """
    wishes, usual = overrides or LearnerOverrides(), TrainingPlan.of(learner)
    plan = _more_seeds(trigger, _with_choice(trigger, health, usual))
    plan = replace(
        plan,
        algorithm=wishes.algorithm or plan.algorithm,
        folds=wishes.folds or plan.folds,
        seed=plan.seed if wishes.seed is None else wishes.seed,
        candidates=() if wishes.algorithm else plan.candidates,
        # Whole seconds, as the moment is written into status.
        newest_only=float(int(now - max_data_age)) if dated and _drifting(trigger, health) else None,
    )
    return replace(plan, reason=_sentence(_differences(plan, usual, wishes, health)))


def _with_choice(trigger: str, health: PlanHealth, plan: TrainingPlan) -> TrainingPlan:
    """The model's own algorithm first: it stays where others are only as good."""
    if trigger not in _MISSES or not health.severe:
        return plan
    others = (algorithm for algorithm in Algorithm if algorithm is not plan.algorithm)
    return replace(plan, folds=_FOLDS_OF_A_CHOICE, candidates=(plan.algorithm, *others))


def _more_seeds(trigger: str, plan: TrainingPlan) -> TrainingPlan:
    return replace(plan, seed_factor=_SEED_FACTOR_OF_A_COVERAGE_DROP) if trigger == _COVERAGE_DROP else plan


def _drifting(trigger: str, health: PlanHealth) -> bool:
    return trigger == _PREDICTION_ERROR and health.trend_p is not None and health.trend_p < _SIGNIFICANT_TREND


def _differences(
    plan: TrainingPlan, usual: TrainingPlan, wishes: LearnerOverrides, health: PlanHealth
) -> Iterator[str]:
    if plan.candidates:
        yield f"the algorithm is chosen by out-of-fold loss, as {_low(health)}"
    if plan.folds != usual.folds and wishes.folds is None:
        yield f"{plan.folds} folds are used, as {_low(health)}"
    if plan.seed_factor > 1:
        yield "twice as many fold seeds are averaged, as too few outcomes fell inside their intervals"
    if plan.newest_only is not None:
        day = datetime.fromtimestamp(plan.newest_only, UTC).strftime("%Y-%m-%d")
        drift = f"the effect changes over time (p = {health.trend_p:.2g})"
        yield f"experiments that ended before {day} are left out, as {drift}"
    asked = list(_asked_for(plan, usual, wishes))
    if asked:
        yield f"the job asks for {' and '.join(asked)}"


def _low(health: PlanHealth) -> str:
    return f"the score of {health.score:.2f} is below {_SEVERE_SCORE:.2f}"


def _asked_for(plan: TrainingPlan, usual: TrainingPlan, wishes: LearnerOverrides) -> Iterator[str]:
    if wishes.algorithm is not None and plan.algorithm is not usual.algorithm:
        yield plan.algorithm.value
    if wishes.folds is not None and plan.folds != usual.folds:
        yield f"{plan.folds} folds"
    if wishes.seed is not None and plan.seed != usual.seed:
        yield f"seed {plan.seed}"


def _sentence(parts: Iterator[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""
