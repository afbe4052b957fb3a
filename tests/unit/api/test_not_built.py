"""The list of what is not built: it names fields of the models, and CRDs follow it."""

from typing import Any

import pytest

from tests.fakes.ready_twin import simulation
from twin_operator.api.v1alpha1 import Simulation
from twin_operator.api.v1alpha1.not_built import NOT_BUILT, not_built
from twin_operator.crdgen.definition import custom_resource_definition

PATHS = list(NOT_BUILT["Simulation"])


def test_the_list_names_fields_of_the_models() -> None:
    for path in NOT_BUILT["Simulation"]:
        model: Any = Simulation
        for part in path.split("."):
            fields = {field.alias or name: field for name, field in model.model_fields.items()}
            assert part in fields, path
            model = next(iter(getattr(fields[part].annotation, "__args__", ())), fields[part].annotation)


@pytest.mark.parametrize("path", [path for path in PATHS if path.startswith("status.")])
def test_a_field_of_status_that_is_not_built_is_not_in_the_crd(path: str) -> None:
    *parents, name = path.split(".")
    schema = custom_resource_definition(Simulation)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for parent in parents:
        schema = schema["properties"][parent]
    assert name not in schema["properties"]


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        ({}, []),
        ({"subgroups": []}, []),
        ({"trial": {"unitsPerArm": 9}}, ["spec.trial.unitsPerArm"]),
        ({"population": {"match": [{"feature": "age", "mean": 40}]}}, ["spec.population.match"]),
    ],
)
def test_what_a_spec_uses_of_the_list_is_named(spec: dict[str, Any], paths: list[str]) -> None:
    assert list(not_built(Simulation.model_validate(simulation(**spec)))) == paths


def test_the_operator_finds_each_field_of_spec_that_is_on_the_list() -> None:
    everything = simulation(
        subgroups=["age"],
        population={"match": [{"feature": "age", "mean": 40}]},
        trial={"unitsPerArm": 9, "replications": 2},
    )
    found = list(not_built(Simulation.model_validate(everything)))
    assert found == [path for path in PATHS if path.startswith("spec.")]
