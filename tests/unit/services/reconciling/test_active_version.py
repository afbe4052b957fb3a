"""Which names of registered models belong to another namespace."""

from __future__ import annotations

import pytest

from tests.fakes.ready_twin import twin_model
from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.services.reconciling.active_version import names_other_namespace


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
