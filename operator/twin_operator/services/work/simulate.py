"""Answer one Simulation from a bank. Runs in a worker; a weighted reduction, no learner."""

from dataclasses import asdict
from typing import Protocol

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.effects.population import Clause
from twin_operator.domain.effects.simulate import Answer, Question, simulate
from twin_operator.domain.errors import DomainError
from twin_operator.domain.table.columns import Uncertainty
from twin_operator.domain.twin.bank import Bank
from twin_operator.services.reconciling.status import presentable, wire
from twin_operator.services.runs.payloads import weights_from_json
from twin_operator.services.runs.run import JSON, Outcome


class BankSource(Protocol):
    """Where a worker gets banks from."""

    def bank(self, name: str, version: str) -> Bank:
        """Return the bank of a registered version, memory-mapped from the worker's disk."""
        ...


def question_of(spec: JSON) -> Question:
    """Translate a Simulation's spec, as JSON with its defaults, into the domain's question."""
    population, decision, trial = (spec.get(key) or {} for key in ("population", "decision", "trial"))
    return Question(
        arm=spec["intervention"]["arm"],
        against=spec["intervention"].get("against"),
        where=tuple(Clause(c["feature"], c["operator"], tuple(c["values"])) for c in population.get("where") or ()),
        size=population.get("size"),
        minimum_effect=decision.get("minimumEffect", 0.0),
        confidence=decision.get("confidence", 0.95),
        power=trial.get("power", 0.8),
        intraclass_correlation=trial.get("intraclassCorrelation", 0.0),
        cluster_size=trial.get("clusterSize", 1),
        cluster_size_cv=trial.get("clusterSizeCV", 0.0),
        seed=spec.get("seed", 0),
    )


def answer_simulation(payload: JSON, banks: BankSource) -> Outcome:
    """Carry out a simulation task.

    Args:
        payload: `spec` (the Simulation's), `registeredModel`, `version`, `uncertainty` and `weights`.
        banks: where the bank comes from.

    Returns:
        the answer in the terms of `Simulation.status`, or a stable reason why there is none.
    """
    bank = banks.bank(payload["registeredModel"], payload["version"])
    try:
        answer = simulate(
            bank,
            question_of(payload["spec"]),
            Uncertainty(**payload["uncertainty"]),
            weights_from_json(payload["weights"]),
        )
    except DomainError as error:
        return Outcome(Reason(error.reason), str(error))
    bound = {"modelVersion": payload["version"], "registeredModel": payload["registeredModel"]}
    value = {**status_of(answer), **bound}
    return Outcome(Reason.SUCCEEDED, value["recommendation"]["message"], value)


def status_of(answer: Answer) -> JSON:
    """Return an answer in the terms of `Simulation.status`: camelCase, six significant digits, no NaN."""
    content: JSON = presentable(wire(asdict(answer)))
    return content
