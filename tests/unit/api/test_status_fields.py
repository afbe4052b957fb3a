"""What fields of statuses take that follow from data: all that comes, within the bounds of the API server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.fakes.schema import definitions
from twin_operator.api.v1alpha1 import KINDS
from twin_operator.api.v1alpha1.fields import (
    Figure,
    Figures,
    Probability,
    Sentence,
    ShownIdentifier,
    ShownLabel,
    Spread,
    Tally,
    abbreviate,
    cut,
    visible,
)
from twin_operator.services.runs.run import JSON

BEYOND = [1.1e15, 1e300, -1.1e15, float("inf"), float("-inf"), float("nan")]


def read(field: Any, value: Any) -> Any:
    return TypeAdapter(field).validate_python(value)


@pytest.mark.parametrize("field", [Figure, Spread, Probability, Tally])
@pytest.mark.parametrize("value", BEYOND)
def test_a_number_out_of_bounds_is_absent(field: Any, value: float) -> None:
    assert read(field, value) is None


@pytest.mark.parametrize(
    ("field", "value"), [(Spread, -1e-9), (Probability, 1.1), (Probability, -0.1), (Tally, -1), (Tally, 10**400)]
)
def test_a_number_below_zero_or_above_one_is_absent_where_it_cannot_be(field: Any, value: float) -> None:
    assert read(field, value) is None


@pytest.mark.parametrize(("field", "value"), [(Figure, -1e15), (Spread, 1e15), (Probability, 1.0), (Tally, 10**15)])
def test_the_bounds_themselves_stay(field: Any, value: float) -> None:
    assert read(field, value) == value


def test_a_map_of_numbers_loses_those_out_of_bounds() -> None:
    assert read(Figures, {"loss": 0.5, **{str(value): value for value in BEYOND}}) == {"loss": 0.5}


def test_texts_are_cut_with_an_ellipsis() -> None:
    assert (cut("abc", 3), cut("abcd", 3)) == ("abc", "ab…")
    assert len(read(Sentence, "a" * 5_000)) == 1024


@pytest.mark.parametrize("field", [ShownLabel, ShownIdentifier])
def test_what_identifies_something_keeps_apart_when_it_is_cut(field: Any) -> None:
    first, second = (read(field, "я" * 300 + end) for end in "ab")
    assert first != second
    assert (len(first), first[247]) == (256, "…")
    assert abbreviate(first) == first
    assert read(field, "я" * 256) == "я" * 256


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("extreme", BEYOND)
def test_every_number_of_every_status_may_come_out_of_bounds(kind: Any, extreme: float) -> None:
    definition = definitions()[kind.__name__]
    schema = definition.schema["properties"]["status"]
    numbers = filled(schema, extreme)
    status = type(kind.model_fields["status"].default).model_validate(numbers)
    admitted = definition.admitted({"status": status.manifest()})
    assert [each for each in definition.problems(admitted) if each.startswith("status")] == []


def filled(schema: JSON, extreme: float) -> Any:
    """A value for a schema, with `extreme` in each number that may be absent."""
    kind = schema["type"]
    if kind == "object" and "properties" not in schema:
        return {"loss": extreme}
    if kind == "object":
        needed = schema.get("required", ())
        return {
            name: filled(each, extreme)
            for name, each in schema["properties"].items()
            if (name in needed or each["type"] in {"object", "array", "number", "integer"})
            and name not in {"conditions", "observedGeneration"}
            and "default" not in each
        }
    if kind == "array":
        return [filled(schema["items"], extreme)] if schema["items"]["type"] == "object" else []
    if kind in {"number", "integer"}:
        return extreme
    if "enum" in schema:
        return schema["enum"][0]
    return "a" if re.search(schema.get("pattern", ""), "a") else "1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Müller — 北京 naïve\u00a0text", "Müller — 北京 naïve\u00a0text"),
        ("क\u094d\u200dष", "क\u094d\u200dष"),
        ("a\tb\r\nc", "a b  c"),
        ("\x1b[31m\x07\x9b", "\\x1b[31m\\x07\\x9b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2028\u2029\ufeff", "\\u2028\\u2029\\ufeff"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_obeys_or_does_not_show_is_written_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


def test_what_is_to_be_kept_is_kept() -> None:
    assert visible("a\n\tb\x00", keep="\n\t") == "a\n\tb\\x00"


def test_a_sentence_of_a_status_is_visible_and_fits_after_that() -> None:
    shown = read(Sentence, "\x1b" * 1024)
    assert shown.startswith("\\x1b")
    assert len(shown) == 1024
