"""Whether a merge patch would change anything."""

from __future__ import annotations

from typing import Any

import pytest

from twin_operator.services.reconciling.status import changes


@pytest.mark.parametrize(
    ("before", "patch", "expected"),
    [
        ({"a": 1}, {"a": 1}, False),
        ({"a": 1}, {"a": 2}, True),
        ({"a": 1}, {"b": None}, False),
        ({"a": 1}, {"a": None}, True),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, False),
        ({"a": {"b": 1}}, {"a": {"b": None}}, True),
        ({"a": {"b": 1}}, {"a": {"c": None}}, False),
        ({}, {"a": {"b": 1}}, True),
        ({}, {"a": {"b": None}}, False),
        ({"a": [1]}, {"a": [1]}, False),
        ({"a": [1, 2]}, {"a": [1]}, True),
        ({"a": {"b": 1}}, {"a": None}, True),
    ],
)
def test_a_patch_changes_something_or_not(before: dict[str, Any], patch: dict[str, Any], *, expected: bool) -> None:
    assert changes(before, patch) is expected
