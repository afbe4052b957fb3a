"""Whether a merge patch would change anything, and what a task waits for."""

from __future__ import annotations

from typing import Any

import pytest

from twin_operator.services.reconciling.status import changes, queued_message


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


def test_a_task_waits_for_its_turn_or_for_a_pool_with_workers() -> None:
    assert queued_message("trials", served=True) == "Waits in queue trials for a worker."
    assert queued_message("trials", served=False) == "No WorkerPool has workers for queue trials; it waits for one."
