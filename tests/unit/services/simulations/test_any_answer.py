"""Whatever numbers and texts an answer has, its Simulation gets a status that the API server accepts."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.schema import definitions
from tests.unit.services.simulations.recorded import RECORDED
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.effects.answers import Answer, Gate, GateType
from twin_operator.domain.effects.simulate import simulate
from twin_operator.services.reconciling.ports import Refused
from twin_operator.services.reconciling.twin_checks import TwinChecks
from twin_operator.services.runs.run import JSON, Outcome, Run
from twin_operator.services.runs.simulation_messages import SimulationPayload
from twin_operator.services.simulations.status import failed_by, finished
from twin_operator.services.work.simulate import question_of, result_of

NOW = 1_800_000_000.0
ASKED = next(iter(RECORDED.values()))
NUMBERS = st.floats() | st.sampled_from([1e-300, 1e15, 1.1e15, -1e300, 1e300, math.inf])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).map(lambda text: text * 100)
PAYLOAD = SimulationPayload.model_validate(ASKED.payload)
ANSWER = simulate(ASKED.bank("", "", None), question_of(PAYLOAD.spec), PAYLOAD.uncertainty, PAYLOAD.weights.weights())


def disturbed(draw: st.DrawFn, value: Any) -> Any:
    """The same dataclass with other numbers."""
    changes: dict[str, Any] = {}
    for each in fields(value):
        part = getattr(value, each.name)
        if is_dataclass(part):
            changes[each.name] = disturbed(draw, part)
        elif isinstance(part, float) and draw(st.booleans()):
            changes[each.name] = draw(NUMBERS)
    return replace(value, **changes)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    changed: Answer = disturbed(draw, ANSWER)
    units = draw(st.none() | st.integers(0, 10**30))
    return replace(changed, evidence=ANSWER.evidence, trial=replace(changed.trial, per_arm=units, total=units))


def problems(status: JSON) -> list[str]:
    definition = definitions()["Simulation"]
    found = definition.problems(definition.admitted({"status": status}))
    return [each for each in found if each.startswith("status")]


@given(answers(), TEXTS)
@settings(max_examples=60, deadline=None)
def test_the_status_of_any_answer_is_one_that_the_api_server_accepts(answer: Answer, text: str) -> None:
    checks = TwinChecks((Gate(GateType.ASSIGNMENT_NOT_RANDOM, text),) * 20, text, text)
    outcome = Outcome.from_json({**ASKED.result, "value": result_of(answer, PAYLOAD).wire()})
    run = Run(worker=text, attempts=1)
    simulation = ASKED.simulation
    for made in (outcome, replace(outcome, reason=Reason.INTERNAL_ERROR, message=text * 20)):
        assert problems(finished(simulation, run, made, checks, NOW).manifest()) == []
    assert problems(failed_by(simulation, Refused(text * 100), NOW).status.manifest()) == []


def test_a_tipping_point_beyond_the_schema_is_left_out() -> None:
    evidence = replace(ANSWER.evidence, tipping_point_sd=1e200)
    result = result_of(replace(ANSWER, evidence=evidence), PAYLOAD)
    outcome = Outcome.from_json({**ASKED.result, "value": result.wire()})
    status = finished(ASKED.simulation, Run(), outcome, TwinChecks((), None, None), NOW)
    assert status.recommendation is not None
    assert status.recommendation.tipping_point_sd is None
    assert problems(status.manifest()) == []
