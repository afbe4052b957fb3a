"""From a worker's numbers to what the status says of them: the recommendation, and whether the answer can be trusted.

One pure function of the question, the numbers, and what is known against the twin at that moment. It is called where
the final status is made, and nowhere else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from twin_operator.api.v1alpha1 import Simulation
from twin_operator.api.v1alpha1 import simulation_status as api
from twin_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason
from twin_operator.domain.effects.answers import Evidence, Gate, Recommendation, TrialPlan, Why
from twin_operator.domain.effects.decision import calibrated, first_gate, recommend, restrain
from twin_operator.domain.effects.wording import Case
from twin_operator.services.reconciling.status import Fact
from twin_operator.services.reconciling.twin_checks import TwinChecks
from twin_operator.services.runs.simulation_messages import FIRST_RESULT, SimulationResult

TRUSTED = "The checks of the training found nothing against the twin, and no recorded outcomes contradict it."
VERSION_GONE = "The registry does not have the version any more: what its training found is not known."


T = TypeVar("T")


class Unwritable(Exception):  # noqa: N818 - a fact about an answer
    """A field of a worker's answer is missing, or has a value that a status cannot have; the message names it."""

    def __init__(self, field: str) -> None:
        super().__init__(f"The worker's answer cannot be written: status.{field} cannot have its value.")


@dataclass(frozen=True)
class Conclusion:
    """What the operator makes of the numbers of an answer."""

    calibrated: bool
    recommendation: api.Recommendation
    warnings: tuple[api.AnswerWarning, ...]
    trustworthy: Fact


@dataclass(frozen=True)
class _Finding:
    """One thing that is known against an answer; without a gate it changes no action."""

    gate: Why | None
    reason: Reason
    message: str

    @property
    def warning(self) -> api.AnswerWarning:
        return api.AnswerWarning(type=self.reason, message=self.message)


def conclude(simulation: Simulation, result: SimulationResult, checks: TwinChecks) -> Conclusion | None:
    """Return what to do and whether to trust it; None for a result without an effect.

    Raises:
        Unwritable: a number is missing.
    """
    if result.effect is None:
        return None
    findings = list(_findings(simulation, result, checks))
    gates = [each.gate for each in findings if each.gate is not None]
    if result.message_version == FIRST_RESULT:
        advice, enough = _of_worker(result, gates), bool(result.effect.calibrated)
    else:
        evidence = _required(result.evidence, "evidence")
        advice, enough = recommend(_case(simulation, result, evidence), gates), calibrated(evidence)
    if advice is None:
        return None
    return Conclusion(
        calibrated=enough and not gates,
        recommendation=_recommendation(advice),
        warnings=tuple(each.warning for each in findings[: api.WARNINGS_LIMIT]),
        trustworthy=_trustworthy(findings, checks),
    )


def _findings(simulation: Simulation, result: SimulationResult, checks: TwinChecks) -> Iterator[_Finding]:
    """Yield what is known against this comparison, the first gate first."""
    for gate in checks.gates or ():
        if _concerns(gate, simulation, result):
            yield _Finding(Why(gate.type), Reason(gate.type), gate.message)
    if checks.not_faithful is not None:
        yield _Finding(Why.TWIN_NOT_FAITHFUL, Reason.TWIN_NOT_FAITHFUL, checks.not_faithful)
    if checks.data_warning is not None:
        yield _Finding(None, Reason.DATA_WARNING, checks.data_warning)


def _concerns(gate: Gate, simulation: Simulation, result: SimulationResult) -> bool:
    return gate.concerns(simulation.spec.intervention.arm.strip(), _against(simulation, result))


def _against(simulation: Simulation, result: SimulationResult) -> str:
    """Return the arm compared with: the answer names the control where the question does not."""
    named = None if result.basis is None else result.basis.against
    return named or (simulation.spec.intervention.against or "").strip()


def _of_worker(result: SimulationResult, gates: Sequence[Why]) -> Recommendation | None:
    """Return what a worker of release 0.1.0 recommends, with the gates applied that it did not know."""
    made = result.recommendation
    if made is None:
        return None
    figures = made.probability_of_benefit or 0.0, made.tipping_point_sd
    units = None if result.trial is None else result.trial.per_arm
    next_step = f"next, try it on {units:,} units per arm" if units else "next, run a trial"
    return restrain(Recommendation(made.action, made.reason, made.message, *figures), gates, next_step)


def _case(simulation: Simulation, result: SimulationResult, evidence: Evidence) -> Case:
    effect = _required(result.effect, "effect")
    plan = _required(result.trial, "trial")
    return Case(
        arm=simulation.spec.intervention.arm.strip(),
        against=_against(simulation, result),
        minimum_effect=simulation.spec.decision.minimum_effect,
        confidence=simulation.spec.decision.confidence,
        estimate=_required(effect.estimate, "effect.estimate"),
        low=_required(effect.low, "effect.low"),
        high=_required(effect.high, "effect.high"),
        interval_confidence=_required(effect.confidence, "effect.confidence"),
        plan=TrialPlan(plan.per_arm, plan.total, plan.minimum_detectable_effect),
        evidence=evidence,
    )


def _required(value: T | None, name: str) -> T:
    if value is None:
        raise Unwritable(name)
    return value


def _recommendation(made: Recommendation) -> api.Recommendation:
    return api.Recommendation(
        action=made.action,
        reason=made.reason,
        message=made.message,
        probability_of_benefit=made.probability_of_benefit,
        tipping_point_sd=made.tipping_point_sd,
    )


def _trustworthy(findings: Sequence[_Finding], checks: TwinChecks) -> Fact:
    """Return the condition: False by a gate, Unknown by a warning or where checks are not known, else True."""
    gate = first_gate([each.gate for each in findings if each.gate is not None])
    for found in findings:
        if found.gate is gate:
            status = ConditionStatus.FALSE if gate else ConditionStatus.UNKNOWN
            return Fact(ConditionType.TRUSTWORTHY, status, found.reason, found.message)
    if checks.gates is None:
        return Fact(ConditionType.TRUSTWORTHY, ConditionStatus.UNKNOWN, Reason.MODEL_NOT_FOUND, VERSION_GONE)
    return Fact(ConditionType.TRUSTWORTHY, ConditionStatus.TRUE, Reason.CHECKS_PASSED, TRUSTED)
