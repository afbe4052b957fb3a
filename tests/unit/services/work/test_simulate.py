"""Each field of a Simulation's spec arrives in the question under its own name: a misspelt key would fail here."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from tests.fakes.ready_twin import simulation, small_bank
from tests.fakes.schema import definitions
from twin_operator.api.v1alpha1 import SimulationSpec
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.effects.population import Clause
from twin_operator.domain.effects.simulate import Question
from twin_operator.domain.twin import Bank
from twin_operator.services.runs.run import JSON
from twin_operator.services.work.simulate import answer_simulation, question_of

SPECS: list[tuple[JSON, str, Any]] = [
    ({"intervention": {"arm": "call"}}, "arm", "call"),
    ({"intervention": {"arm": "letter", "against": "call"}}, "against", "call"),
    ({"population": {"size": 12_345}}, "size", 12_345),
    ({"decision": {"minimumEffect": 0.25}}, "minimum_effect", 0.25),
    ({"decision": {"confidence": 0.8}}, "confidence", 0.8),
    ({"trial": {"power": 0.9}}, "power", 0.9),
    ({"trial": {"intraclassCorrelation": 0.05}}, "intraclass_correlation", 0.05),
    ({"trial": {"clusterSize": 24}}, "cluster_size", 24),
    ({"trial": {"clusterSizeCV": 0.6}}, "cluster_size_cv", 0.6),
    ({"seed": 17}, "seed", 17),
    (
        {"population": {"where": [{"feature": "region", "operator": "NotIn", "values": ["north", "west"]}]}},
        "where",
        (Clause("region", "NotIn", ("north", "west")),),
    ),
]


def admitted(**spec: Any) -> SimulationSpec:
    """Return the spec as the API server keeps it; a field that it does not know fails the test."""
    body = simulation(**spec)
    kept: JSON = definitions()["Simulation"].admitted(body)["spec"]
    assert all(_holds(kept[field], value) for field, value in spec.items())
    return SimulationSpec.model_validate(kept)


def _holds(kept: Any, value: Any) -> bool:
    """Whether nothing of a value was pruned."""
    if isinstance(value, dict):
        return all(key in kept and _holds(kept[key], item) for key, item in value.items())
    return bool(kept == value)


@pytest.mark.parametrize(("spec", "field", "value"), SPECS)
def test_a_field_of_the_spec_is_the_field_of_the_question(spec: JSON, field: str, value: Any) -> None:
    assert getattr(question_of(admitted(**spec)), field) == value


@pytest.mark.parametrize(("spec", "field", "value"), SPECS)
def test_a_field_of_the_spec_changes_no_other_field_of_the_question(spec: JSON, field: str, value: Any) -> None:
    question, default = question_of(admitted(**spec)), question_of(admitted())
    changed = {each.name for each in fields(Question) if getattr(question, each.name) != getattr(default, each.name)}
    assert changed == {field}
    assert getattr(default, field) != value


def test_the_table_names_each_field_of_the_question() -> None:
    assert {field for _spec, field, _value in SPECS} == {each.name for each in fields(Question)}


def test_the_defaults_of_the_schema_are_those_of_the_domain() -> None:
    assert question_of(admitted()) == Question("letter")


class OneBank:
    """A source of one bank."""

    def bank(self, name: str, version: str, run_id: str | None) -> Bank:  # noqa: ARG002 - the port's
        """Return it."""
        return small_bank()[0]


def test_a_number_that_no_status_can_have_ends_a_simulation_with_a_sentence() -> None:
    weights = {"tau": [0.1], "weight": [1.0], "experiments": 6, "outcomes": 0}
    payload = {
        "spec": admitted(population={"size": 10_000_000_000}).manifest(),
        "registeredModel": "default.customers",
        "version": "1",
        "uncertainty": {"confidence": 0.95, "between_experiment_scale": 0.25, "accept_prior": False},
        "weights": {**weights, "tau": [1e6]},
    }
    outcome = answer_simulation(payload, OneBank())
    assert outcome.reason is Reason.INTERNAL_ERROR
    assert "give the outcome in a larger unit" in outcome.message
