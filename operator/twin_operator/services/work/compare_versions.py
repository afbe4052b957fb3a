"""Ask the gate whether a candidate may serve. Runs in a worker, as it refits the champion."""

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.errors import DomainError
from twin_operator.domain.fidelity.gate import GateVerdict, gate
from twin_operator.domain.table.columns import Uncertainty
from twin_operator.services.reconciling.status import presentable
from twin_operator.services.runs.payloads import outcome_from_json, plan_from_json
from twin_operator.services.runs.run import JSON, Outcome
from twin_operator.services.work.simulate import BankSource
from twin_operator.services.work.train import Progress


def validate_candidate(payload: JSON, banks: BankSource, progress: Progress) -> Outcome:
    """Carry out a gate task.

    Args:
        payload: `registeredModel`, the versions `candidate` and `champion`, `uncertainty` (in the domain's names),
            `gate` (`maxRegression`), `ledger` (see `ledger_json`) and `plans` (by version, as in their summaries; only
            the champion's is needed).
        banks: where the banks come from.
        progress: called with a share done (0 to 1) and a phrase.

    Returns:
        `candidate`, `champion` and `gate` in the terms of `RetrainingJob.status`. A candidate that does not pass is a
        success of the task.
    """
    name, versions = payload["registeredModel"], (payload["candidate"], payload["champion"])
    candidate, champion = (banks.bank(name, version) for version in versions)
    progress(0.1, "Banks read")
    try:
        verdict = gate(
            candidate,
            champion,
            plan_from_json(payload["plans"][payload["champion"]]),
            [outcome_from_json(each) for each in payload["ledger"]],
            Uncertainty(**payload["uncertainty"]).between_experiment_scale,
            payload["gate"]["maxRegression"],
        )
    except DomainError as error:
        return Outcome(Reason(error.reason), str(error))
    progress(1.0, "Done")
    return Outcome(Reason.SUCCEEDED, verdict.sentence, _status(verdict, *versions))


def _status(verdict: GateVerdict, candidate: str, champion: str) -> JSON:
    content: JSON = presentable(
        {
            "candidate": {
                "version": candidate,
                "loss": verdict.candidate_loss,
                "backtestScore": verdict.candidate_backtest,
            },
            "champion": {
                "version": champion,
                "loss": verdict.champion_loss,
                "backtestScore": verdict.champion_backtest,
            },
            "gate": {"passed": verdict.passed, "message": verdict.sentence},
        }
    )
    return content
