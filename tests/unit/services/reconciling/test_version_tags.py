"""The summary of a version in its tags."""

from __future__ import annotations

import zlib
from base64 import b64encode
from typing import Any

import pytest

from tests.contracts.registry import SUMMARY, many_contrasts
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.reconciling.version_tags import MOST_BYTES, read_summary, summary_in, summary_tags

LARGE = many_contrasts(arms=8, experiments=12)


@pytest.mark.parametrize("summary", [SUMMARY, LARGE])
def test_a_summary_comes_back_from_tags_that_every_mlflow_takes(summary: dict[str, Any]) -> None:
    tags = summary_tags(summary)
    assert summary_in({"twinops.run": "r", **tags}) == summary
    assert max(len(value) for value in tags.values()) <= 5000
    assert max(len(key) for key in tags) <= 250


def test_the_tag_that_counts_the_parts_is_written_last() -> None:
    assert list(summary_tags(LARGE))[-1] == "twinops.summary"


def test_a_version_without_these_tags_has_no_summary_in_them() -> None:
    assert summary_in({"twinops.run": "r", "twinops.summary.0": "of a write that was cut short"}) is None


@pytest.mark.parametrize("change", [{"twinops.summary.1": None}, {"twinops.summary": "x"}, {"twinops.summary.0": "?"}])
def test_a_part_that_is_missing_or_changed_is_reported(change: dict[str, str | None]) -> None:
    changed = {**summary_tags(LARGE), **change}
    with pytest.raises(LookupError, match="not as training wrote them"):
        summary_in({key: value for key, value in changed.items() if value is not None})


def tags_of(content: bytes) -> dict[str, str]:
    return {"twinops.summary": "1", "twinops.summary.0": b64encode(zlib.compress(content)).decode()}


@pytest.mark.parametrize("content", [b"[" * 100_000, b" " * (MOST_BYTES + 1) + b"{}"], ids=["nested", "large"])
def test_tags_that_would_fill_the_memory_are_not_read(content: bytes) -> None:
    with pytest.raises(LookupError, match="not as training wrote them"):
        summary_in(tags_of(content))


def test_a_summary_that_could_not_be_read_again_is_not_written() -> None:
    with pytest.raises(Stalled, match="too many for the tags"):
        summary_tags({**SUMMARY, "arms": ["A"], "experiments": ["x"], "note": " " * MOST_BYTES})


def test_a_field_that_this_release_cannot_read_is_named() -> None:
    with pytest.raises(LookupError, match="cannot read samples"):
        read_summary({**SUMMARY, "samples": "many"}, "1")
