"""The plain difference of means, against numbers worked out by hand."""

from typing import Any

import numpy as np
import pytest
import yaml

from demo.campaigns import ORIGINAL
from demo.difference import Difference, plain_difference, read_rows

ROWS = {
    "segment": np.array(["mail", "mail", "mail", "mail", *["No E-Mail"] * 4, "other"]),
    "visit": np.array([1, 1, 1, 0, 1, 0, 0, 0, 1]),
    "age": np.array([20, 30, 40, 50, 20, 30, 40, 50, 20]),
    "town": np.array(["a", "a", "b", "b", "a", "a", "b", "b", "a"]),
}


def clause(feature: str, operator: str, *values: str) -> dict[str, Any]:
    return {"feature": feature, "operator": operator, "values": list(values)}


def test_a_difference_compares_the_arm_with_the_control_only() -> None:
    found = plain_difference(ROWS, "mail")
    assert (found.estimate, found.treated, found.controls) == (0.5, 4, 4)
    # Each arm's variance is 0.25 with n - 1 = 3, so the standard error is sqrt(0.25/4 + 0.25/4).
    assert found.high - found.estimate == pytest.approx(1.959964 * 0.125**0.5)
    assert found.estimate - found.low == pytest.approx(found.high - found.estimate)


@pytest.mark.parametrize(
    ("where", "treated"),
    [
        ([clause("age", "LessThanOrEqual", "40")], 3),
        ([clause("age", "GreaterThanOrEqual", "30")], 3),
        ([clause("town", "In", "a", "c")], 2),
        ([clause("age", "GreaterThanOrEqual", "30"), clause("age", "LessThanOrEqual", "40")], 2),
    ],
)
def test_where_selects_rows_of_both_arms(where: list[dict[str, Any]], treated: int) -> None:
    found = plain_difference(ROWS, "mail", where)
    assert (found.treated, found.controls) == (treated, treated)


def test_an_operator_that_is_not_known_is_refused() -> None:
    with pytest.raises(KeyError, match="NotIn"):
        plain_difference(ROWS, "mail", [clause("town", "NotIn", "a")])


def test_an_interval_contains_its_own_ends_and_nothing_beyond() -> None:
    interval = Difference(estimate=0.5, standard_error=0.1 / 1.959964, treated=10, controls=10)
    assert interval.contains(interval.low)
    assert interval.contains(interval.high)
    assert (interval.low, interval.high) == pytest.approx((0.4, 0.6))
    assert not interval.contains(0.39)
    assert not interval.contains(0.61)


@pytest.mark.parametrize(
    ("name", "estimate"), [("mens-email", 0.0766), ("womens-email", 0.0452), ("womens-email-to-buyers", 0.0731)]
)
def test_the_shipped_data_has_the_published_differences(name: str, estimate: float) -> None:
    manifests = yaml.safe_load_all((ORIGINAL.parent / "simulations.yaml").read_text())
    spec = next(each["spec"] for each in manifests if each["metadata"]["name"] == name)
    found = plain_difference(read_rows(ORIGINAL), spec["intervention"]["arm"], spec["population"].get("where", []))
    assert found.estimate == pytest.approx(estimate, abs=5e-5)
