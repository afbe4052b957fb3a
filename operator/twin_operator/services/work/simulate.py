"""Answers a Simulation in the worker: the question of its spec to a bank, and the numbers of its status.

What to do is decided by the operator, when it writes the status.
"""

import math
from typing import Final, Protocol

from pydantic import ValidationError

from twin_operator.api.v1alpha1 import simulation_status as api
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.api.v1alpha1.simulation import SimulationSpec
from twin_operator.domain.effects import answers
from twin_operator.domain.effects.population import Clause
from twin_operator.domain.effects.simulate import Question, simulate
from twin_operator.domain.errors import DomainError
from twin_operator.domain.twin import Bank
from twin_operator.services.reconciling.errors import VersionGone
from twin_operator.services.runs.run import JSON, Outcome
from twin_operator.services.runs.simulation_messages import RESULT, SimulationPayload, SimulationResult

OUT_OF_BOUNDS: Final = "The answer has a number that a status cannot have; give the outcome in a larger unit"
INTERVAL: Final = ("low", "high")
EFFECT_NUMBERS: Final = ("estimate", "standard_error", *INTERVAL, "confidence")
BASIS_NUMBERS: Final = ("sampling_sd", "experiment_share_squared", "control_sd", "treated_sd")
ANSWERED: Final = "The worker has answered."


class BankSource(Protocol):
    """Where a worker gets banks from."""

    def bank(self, name: str, version: str, run_id: str | None) -> Bank:
        """Return the bank of a version, memory-mapped from the worker's disk.

        `run_id`: the MLflow run that made the version; None for whichever has the number now.

        Raises:
            VersionGone: the registry has no such version, or its number belongs to a version of another run now.
            TryAgain: its file is not the registered one.
        """
        ...


def question_of(spec: SimulationSpec) -> Question:
    """Translate a Simulation's spec into the domain's question."""
    population, decision, trial = spec.population, spec.decision, spec.trial
    return Question(
        arm=spec.intervention.arm,
        against=spec.intervention.against,
        where=tuple(Clause(each.feature, each.operator.value, each.values) for each in population.where),
        size=population.size,
        minimum_effect=decision.minimum_effect,
        confidence=decision.confidence,
        power=trial.power,
        intraclass_correlation=trial.intraclass_correlation,
        cluster_size=trial.cluster_size,
        cluster_size_cv=trial.cluster_size_cv,
        seed=spec.seed,
    )


def answer_simulation(payload: JSON, banks: BankSource) -> Outcome:
    """Run a simulation task.

    Args:
        payload: of a `SimulationPayload`.
        banks: where the bank comes from.

    Returns:
        the numbers of the answer in the terms of `Simulation.status`, or a stable reason why there is none.
    """
    asked = SimulationPayload.model_validate(payload)
    try:
        bank = banks.bank(asked.registered_model, asked.version, asked.run_id)
    except VersionGone as gone:
        return Outcome(Reason.MODEL_NOT_FOUND, str(gone))
    try:
        answer = simulate(bank, question_of(asked.spec), asked.uncertainty, asked.weights.weights())
    except DomainError as error:
        return Outcome(Reason(error.reason), str(error))
    try:
        result = result_of(answer, asked)
    except ValidationError as error:
        return Outcome(Reason.INTERNAL_ERROR, f"{OUT_OF_BOUNDS} ({error.title}).")
    if _lost(answer, result):
        return Outcome(Reason.INTERNAL_ERROR, f"{OUT_OF_BOUNDS}.")
    return Outcome(Reason.SUCCEEDED, ANSWERED, result.wire())


def _lost(answer: answers.Answer, result: SimulationResult) -> bool:
    """Whether a number that an answer cannot do without is not in the result: it was out of bounds."""
    parts: list[tuple[object, object, tuple[str, ...]]] = [
        (answer.effect, result.effect, EFFECT_NUMBERS),
        (answer.basis, result.basis, BASIS_NUMBERS),
    ]
    if answer.outcome is not None and result.outcome is not None:
        parts.append((answer.outcome.trial, result.outcome.trial, INTERVAL))
        parts.append((answer.outcome.incremental, result.outcome.incremental, ("expected", *INTERVAL)))
    return any(_is_lost(getattr(given, name), getattr(kept, name)) for given, kept, names in parts for name in names)


def _is_lost(given: float | None, kept: float | None) -> bool:
    return given is not None and math.isfinite(given) and kept is None


def result_of(answer: answers.Answer, asked: SimulationPayload) -> SimulationResult:
    """Return an answer in the terms of `Simulation.status`: six significant digits, nothing that is not finite."""
    return SimulationResult(
        message_version=RESULT,
        registered_model=asked.registered_model,
        model_version=asked.version,
        effect=_effect(answer.effect),
        basis=_basis(answer.basis),
        outcome=None if answer.outcome is None else _outcome(answer.outcome),
        population=_population(answer.population),
        trial=_trial(answer.trial),
        evidence=answer.evidence,
    )


def _effect(effect: answers.Effect) -> api.PredictedEffect:
    within = effect.within_experiment
    return api.PredictedEffect(
        estimate=effect.estimate,
        standard_error=effect.standard_error,
        low=effect.low,
        high=effect.high,
        confidence=effect.confidence,
        within_experiment=api.WithinExperiment(standard_error=within.standard_error, low=within.low, high=within.high),
        baseline=effect.baseline,
        treated=effect.treated,
        relative=effect.relative,
    )


def _basis(basis: answers.Basis) -> api.PredictionBasis:
    return api.PredictionBasis(
        against=basis.against,
        sampling_sd=basis.sampling_sd,
        experiment_share_squared=basis.experiment_share_squared,
        degrees_of_freedom=basis.degrees_of_freedom,
        control_sd=basis.control_sd,
        treated_sd=basis.treated_sd,
        weights_digest=basis.weights_digest,
    )


def _outcome(outcome: answers.PlannedOutcome) -> api.PredictedOutcome:
    trial, total = outcome.trial, outcome.incremental
    return api.PredictedOutcome(
        trial=api.TrialOutcome(low=trial.low, high=trial.high),
        incremental=api.IncrementalOutcome(expected=total.expected, low=total.low, high=total.high),
    )


def _population(population: answers.PopulationSummary) -> api.MatchedPopulation:
    return api.MatchedPopulation(
        matched=population.matched,
        effective_sample_size=population.effective_sample_size,
        share=population.share,
    )


def _trial(plan: answers.TrialPlan) -> api.NextTrial:
    return api.NextTrial(
        per_arm=plan.per_arm,
        total=plan.total,
        minimum_detectable_effect=plan.minimum_detectable_effect,
    )
