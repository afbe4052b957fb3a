"""Compare a candidate with the champion: may it become active? Runs in a worker, as it refits the champion."""

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.api.v1alpha1.retraining_job import Contender, GateResult
from twin_operator.domain.errors import DomainError
from twin_operator.domain.fidelity.gate import GateVerdict, gate
from twin_operator.services.reconciling.errors import VersionGone
from twin_operator.services.runs.run import Outcome
from twin_operator.services.runs.training_messages import Comparison, ComparisonPayload
from twin_operator.services.work.simulate import BankSource
from twin_operator.services.work.train import Progress


def validate_candidate(payload: ComparisonPayload, banks: BankSource, progress: Progress) -> Outcome:
    """Run a gate task.

    Args:
        payload: of the task.
        banks: where the banks are read from.
        progress: called with the share done (0 to 1) and the name of the step.

    Returns:
        a `Comparison`, or why there is none. A candidate that does not pass is a success of the task.
    """
    try:
        candidate, champion = (
            banks.bank(payload.registered_model, version, payload.mlflow_runs.get(version))
            for version in (payload.candidate, payload.champion)
        )
    except VersionGone as gone:
        return Outcome(Reason.MODEL_NOT_FOUND, str(gone))
    progress(0.1, "Banks read")
    try:
        verdict = gate(
            candidate,
            champion,
            payload.plans[payload.champion],
            payload.ledger,
            payload.uncertainty.between_experiment_scale,
            payload.gate.max_regression,
        )
    except DomainError as error:
        return Outcome(Reason(error.reason), str(error))
    progress(1.0, "Done")
    return Outcome(Reason.SUCCEEDED, verdict.sentence, _comparison(payload, verdict).wire())


def _comparison(payload: ComparisonPayload, verdict: GateVerdict) -> Comparison:
    return Comparison(
        candidate=_contender(payload.candidate, verdict.candidate_loss, verdict.candidate_backtest),
        champion=_contender(payload.champion, verdict.champion_loss, verdict.champion_backtest),
        gate=GateResult(passed=verdict.passed, message=verdict.sentence),
    )


def _contender(version: str, loss: float, backtest_score: float | None) -> Contender:
    """Return how a version did; losses are in squared units of the outcome, absent beyond what a status can have."""
    return Contender(version=version, loss=loss, backtest_score=backtest_score)
