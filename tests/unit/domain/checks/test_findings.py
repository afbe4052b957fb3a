"""Names of figures: what MLflow takes, and others for other arms."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_operator.domain.checks.findings import R_SQUARED, arm_metric, is_of_an_arm


@pytest.mark.parametrize("arm", ["letter", "Mens E-Mail", "v1.2_b", "a" * 240])
def test_an_arm_that_mlflow_takes_is_named_as_it_is(arm: str) -> None:
    assert arm_metric(R_SQUARED, arm) == f"r_squared_{arm}"


def test_two_arms_in_letters_that_mlflow_does_not_take_keep_their_own_figures() -> None:
    assert len({arm_metric(R_SQUARED, arm) for arm in ("письмо", "звонок")}) == 2


def test_what_can_be_read_of_an_arm_stands_before_the_digest() -> None:
    assert re.fullmatch("r_squared_5 _ off__[0-9a-f]{8}", arm_metric(R_SQUARED, "5 % off!"))


def test_long_arms_that_end_differently_keep_apart() -> None:
    names = {arm_metric(R_SQUARED, "m" * 256 + end) for end in "ab"}
    assert {len(name) for name in names} == {250}
    assert len(names) == 2


@given(st.sets(st.text(min_size=1, max_size=300), min_size=1, max_size=5))
def test_names_are_what_mlflow_takes_and_as_many_as_arms(arms: set[str]) -> None:
    names = {arm_metric(R_SQUARED, arm) for arm in arms}
    assert len(names) == len(arms)
    assert all(re.fullmatch("[A-Za-z0-9_. -]{1,250}", name) for name in names)


def test_figures_of_arms_are_known_by_their_names() -> None:
    assert is_of_an_arm(arm_metric(R_SQUARED, "letter"))
    assert not is_of_an_arm("loss_of_means")
