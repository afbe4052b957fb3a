"""The name of a registered model, and whether one of its versions may answer."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.fakes.ready_twin import twin_model
from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.conditions import Condition, ConditionStatus, ConditionType, Reason
from twin_operator.api.v1alpha1.twin_model_status import ServingModel
from twin_operator.services.reconciling.active_version import is_active, names_other_namespace, obstacle_of
from twin_operator.services.runs.run import BoundVersion


@pytest.mark.parametrize(
    ("in_spec", "in_status", "other"),
    [
        (None, None, False),
        ("churn", None, False),
        ("default.churn", None, False),
        ("default.churn.weekly", None, False),
        ("payments.churn", None, True),
        ("default-2.churn", None, True),
        (None, "churn", False),
        (None, "default.churn", False),
        (None, "payments.churn", True),  # which an older release accepted
    ],
)
def test_the_part_before_the_first_dot_is_the_namespace(
    in_spec: str | None, in_status: str | None, *, other: bool
) -> None:
    model = TwinModel.model_validate(twin_model(registeredModel=in_spec))
    assert names_other_namespace(model.replace(status=model.status.replace(registered_model=in_status))) is other


NAME: Final = "default.customers"
NOT_FOUND: Final = Condition(
    type=ConditionType.READY, status=ConditionStatus.FALSE, reason=Reason.MODEL_NOT_FOUND, message="It was deleted."
)


def serving(run_id: str | None = "r", version: str = "1", **spec: Any) -> TwinModel:
    """Return a TwinModel with an active version."""
    model = TwinModel.model_validate(twin_model(**spec))
    active = ServingModel(version=version, run_id=run_id)
    return model.replace(status=model.status.replace(registered_model=NAME, model=active))


def test_nothing_is_in_the_way_of_the_active_version() -> None:
    assert obstacle_of(serving(), None, asked=None) is None


@pytest.mark.parametrize("asked", [None, "2"])
def test_no_version_of_a_registered_model_that_may_not_be_used_answers(asked: str | None) -> None:
    assert obstacle_of(serving(), "It is another's.", asked=asked) == (Reason.MODEL_NOT_READY, "It is another's.")


@pytest.mark.parametrize("asked", [None, "2"])
def test_no_version_of_the_registered_model_before_answers(asked: str | None) -> None:
    obstacle = obstacle_of(serving(registeredModel="default.renamed"), None, asked=asked)
    assert obstacle is not None
    assert (obstacle[0], "was changed" in obstacle[1]) == (Reason.MODEL_NOT_READY, True)


@pytest.mark.parametrize(("asked", "reason"), [(None, Reason.MODEL_NOT_FOUND), ("2", None)])
def test_a_version_that_was_deleted_is_in_the_way_of_no_other(asked: str | None, reason: Reason | None) -> None:
    model = serving()
    deleted = model.replace(status=model.status.replace(conditions=(NOT_FOUND,)))
    assert (obstacle_of(deleted, None, asked=asked) or (None,))[0] == reason


@pytest.mark.parametrize(("pinned", "asked", "waits"), [("1", None, False), ("2", None, True), ("2", "1", False)])
def test_a_pinned_version_answers_once_it_is_active(pinned: str, asked: str | None, *, waits: bool) -> None:
    model = serving()
    pin = model.replace(spec=model.spec.replace(version=pinned))
    assert (obstacle_of(pin, None, asked=asked) is not None) is waits


@pytest.mark.parametrize(
    ("bound", "active"),
    [
        (BoundVersion(NAME, "1", "r"), True),
        (BoundVersion(NAME, "1", None), True),
        (BoundVersion(NAME, "1", "another"), False),
        (BoundVersion(NAME, "2", "r"), False),
        (BoundVersion("customers", "1", "r"), False),
    ],
)
def test_the_active_version_is_known_by_its_run(bound: BoundVersion, *, active: bool) -> None:
    assert is_active(serving(), bound) is active


def test_a_version_whose_run_is_not_known_is_known_by_its_number() -> None:
    assert is_active(serving(run_id=None), BoundVersion(NAME, "1", "r"))
