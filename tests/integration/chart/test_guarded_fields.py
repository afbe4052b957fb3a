"""Guarded fields of a TwinModel, at creation and update, tried as editor and as approver on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.chart.people import DRY, Manifest, People, model
from twin_operator.crdgen.guarded_fields import GUARDED

NEEDS_APPROVE = "needs the RBAC verb approve on this TwinModel"
LOOSER: dict[str, list[Any]] = {
    "spec.retraining.approval": ["Automatic"],
    "spec.retraining.autoApproveBelow": [0.01, 1],
    "spec.retraining.cooldown": ["23h59m", "0s"],
    "spec.retraining.maxAttempts": [4],
    "spec.retraining.minSamples": [999, 0],
    "spec.retraining.maxDataAge": ["2161h"],
    "spec.fidelity.threshold": [0.69],
    "spec.fidelity.maxMeanRelativeError": [0.26, 1],
    "spec.fidelity.minIntervalCoverage": [0.79],
    "spec.fidelity.minValidations": [6],
    "spec.fidelity.window": [49],
    "spec.uncertainty.acceptPrior": [True],
    "spec.uncertainty.betweenExperimentScale": [1e-6, 0.4],
    "spec.uncertainty.confidence": [0.94],
    "spec.version": ["2"],
}
"""Values that are looser than the default; a whole number may be stored as an integer."""
TIGHTER: dict[str, Any] = {
    "spec.retraining.cooldown": "25h",
    "spec.retraining.maxAttempts": 2,
    "spec.retraining.minSamples": 1001,
    "spec.retraining.maxDataAge": "2159h",
    "spec.fidelity.threshold": 0.71,
    "spec.fidelity.maxMeanRelativeError": 0.24,
    "spec.fidelity.minIntervalCoverage": 0.81,
    "spec.fidelity.minValidations": 4,
    "spec.uncertainty.confidence": 0.96,
}
AS_THE_DEFAULT: dict[str, Any] = {
    "spec.retraining.approval": "Manual",
    "spec.retraining.autoApproveBelow": 0,
    "spec.retraining.cooldown": "1440m",
    "spec.fidelity.window": 50,
    "spec.uncertainty.acceptPrior": False,
    "spec.uncertainty.betweenExperimentScale": 0.25,
}
CASES = [(path, value) for path, values in LOOSER.items() for value in values]
CHANGES = {guarded.path for guarded in GUARDED if guarded.any_change}


@pytest.fixture(scope="module", autouse=True)
def model_of_an_editor(people: People) -> None:
    assert not people.create("ed", model("fresh"))


def spec_of(path: str, value: Any) -> Manifest:
    spec: Any = value
    for name in reversed(path.split(".")[1:]):
        spec = {name: spec}
    result: Manifest = spec
    return result


def guarded_at_update() -> Iterator[tuple[str, Any]]:
    yield from CASES
    yield from ((path, value) for path, value in TIGHTER.items() if path in CHANGES)


def test_the_table_is_complete() -> None:
    assert set(LOOSER) == {guarded.path for guarded in GUARDED}


@pytest.mark.parametrize(("path", "value"), CASES)
def test_a_looser_value_is_created_by_an_approver_alone(people: People, path: str, value: Any) -> None:
    manifest = model(**spec_of(path, value))
    refusal = people.create("ed", manifest, DRY)
    assert path in refusal
    assert NEEDS_APPROVE in refusal
    assert people.create("adam", manifest, DRY) == ""


@pytest.mark.parametrize(("path", "value"), list(guarded_at_update()))
def test_a_guarded_change_is_made_by_an_approver_alone(people: People, path: str, value: Any) -> None:
    patch = {"spec": spec_of(path, value)}
    refusal = people.change("ed", "TwinModel/fresh", patch, DRY)
    assert path in refusal
    assert NEEDS_APPROVE in refusal
    assert people.change("ann", "TwinModel/fresh", patch, DRY) == ""


@pytest.mark.parametrize(("path", "value"), [*TIGHTER.items(), *AS_THE_DEFAULT.items()])
def test_an_editor_creates_a_model_that_is_as_strict_as_the_defaults(people: People, path: str, value: Any) -> None:
    assert people.create("ed", model(**spec_of(path, value)), DRY) == ""


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, value in TIGHTER.items() if path not in CHANGES])
def test_an_editor_tightens_a_limit_of_retraining(people: People, path: str, value: Any) -> None:
    assert people.change("ed", "TwinModel/fresh", {"spec": spec_of(path, value)}, DRY) == ""
