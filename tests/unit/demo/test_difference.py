"""The plain difference of means, against numbers worked out by hand."""

import numpy as np
import pytest

from demo.difference import Difference, plain_difference, read_rows
from demo.manifests import Clause, Model, Question, load

MODEL = Model(treatment="arm", control="none", outcome="visit")
ROWS = {
    "arm": np.array(["mail", "mail", "mail", "mail", "none", "none", "none", "none", "other"]),
    "visit": np.array([1, 1, 1, 0, 1, 0, 0, 0, 1]),
    "age": np.array([20, 30, 40, 50, 20, 30, 40, 50, 20]),
    "town": np.array(["a", "a", "b", "b", "a", "a", "b", "b", "a"]),
}


def question(*where: Clause) -> Question:
    return Question("q", "mail", where)


def test_a_difference_compares_the_arm_with_the_control_only() -> None:
    found = plain_difference(ROWS, MODEL, question())
    assert (found.estimate, found.treated, found.controls) == (0.5, 4, 4)
    # Each arm's variance is 0.25 with n - 1 = 3, so the standard error is sqrt(0.25/4 + 0.25/4).
    assert found.high - found.estimate == pytest.approx(1.959964 * 0.125**0.5)
    assert found.estimate - found.low == pytest.approx(found.high - found.estimate)


@pytest.mark.parametrize(
    ("clause", "treated"),
    [
        (Clause("age", "LessThan", ("40",)), 2),
        (Clause("age", "LessThanOrEqual", ("40",)), 3),
        (Clause("age", "GreaterThan", ("30",)), 2),
        (Clause("age", "GreaterThanOrEqual", ("30",)), 3),
        (Clause("town", "In", ("a", "c")), 2),
        (Clause("town", "NotIn", ("a",)), 2),
        (Clause("age", "In", ("20", "30")), 2),
    ],
)
def test_where_selects_rows_of_both_arms(clause: Clause, treated: int) -> None:
    found = plain_difference(ROWS, MODEL, question(clause))
    assert (found.treated, found.controls) == (treated, treated)


def test_an_interval_contains_its_own_ends_and_nothing_beyond() -> None:
    interval = Difference(estimate=0.5, standard_error=0.1 / 1.959964, treated=10, controls=10)
    assert interval.contains(interval.low)
    assert interval.contains(interval.high)
    assert (interval.low, interval.high) == pytest.approx((0.4, 0.6))
    assert not interval.contains(0.39)
    assert not interval.contains(-0.5)


@pytest.mark.parametrize(
    ("name", "estimate"), [("mens-email", 0.0766), ("womens-email", 0.0452), ("womens-email-to-buyers", 0.0731)]
)
def test_the_shipped_data_has_the_published_differences(name: str, estimate: float) -> None:
    model, questions = load()
    asked = next(each for each in questions if each.name == name)
    assert plain_difference(read_rows(), model, asked).estimate == pytest.approx(estimate, abs=5e-5)
