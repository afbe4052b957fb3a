"""The translation of pydantic's schemas, and what it refuses."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field

from twin_operator.api.v1alpha1.fields import GoDuration
from twin_operator.crdgen import UntranslatableSchemaError, structural_schema


class Wheel(BaseModel):
    """A round thing.

    It   turns
    about an axle.
    """

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": [{"rule": "self.spokes > 1"}]})

    spokes: int = Field(default=8, description="How many.")


class Cart(BaseModel):
    """A cart."""

    wheel: Wheel = Field(
        description="The only one.", json_schema_extra={"x-kubernetes-validations": [{"rule": "true"}]}
    )
    spare: Wheel | None = Field(default=None, description="Perhaps.")
    default: Wheel = Wheel()
    load: Annotated[float, Field(gt=0, lt=2.5)] | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    stops: tuple[str, ...] = ()
    pause: GoDuration = Field(default=timedelta(hours=24), description="Rest.")
    fast: bool = Field(default=False, description="Runs.")


@pytest.fixture(scope="module")
def properties() -> dict[str, Any]:
    """The translated fields of a cart."""
    translated: dict[str, Any] = structural_schema(Cart)["properties"]
    return translated


def test_a_reference_is_put_in_place_under_the_fields_own_description(properties: dict[str, Any]) -> None:
    assert properties["spare"] == {
        "type": "object",
        "description": "Perhaps.",
        "properties": {"spokes": {"type": "integer", "default": 8, "description": "How many. Default: 8."}},
        "x-kubernetes-validations": [{"rule": "self.spokes > 1"}],
    }


def test_rules_of_a_model_and_of_its_field_both_hold(properties: dict[str, Any]) -> None:
    assert properties["wheel"]["x-kubernetes-validations"] == [{"rule": "self.spokes > 1"}, {"rule": "true"}]


def test_an_optional_field_is_its_type_and_not_required() -> None:
    assert structural_schema(Cart)["required"] == ["wheel"]


def test_an_exclusive_bound_becomes_a_bound_and_a_flag(properties: dict[str, Any]) -> None:
    assert properties["load"] == {
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 2.5,
        "exclusiveMaximum": True,
    }


def test_a_map_keeps_the_type_of_its_values(properties: dict[str, Any]) -> None:
    assert properties["labels"] == {"type": "object", "additionalProperties": {"type": "string"}}


def test_an_empty_default_is_left_out_as_it_says_nothing(properties: dict[str, Any]) -> None:
    assert "default" not in properties["stops"]


def test_a_nested_default_is_written_out(properties: dict[str, Any]) -> None:
    assert properties["default"]["default"] == {"spokes": 8}


@pytest.mark.parametrize(
    ("field", "default", "description"),
    [("pause", "24h", "Rest. Default: 24h."), ("fast", False, "Runs. Default: false.")],
)
def test_a_default_is_written_as_users_write_it_and_told(
    field: str, default: object, description: str, properties: dict[str, Any]
) -> None:
    assert (properties[field]["default"], properties[field]["description"]) == (default, description)


def test_a_docstring_becomes_paragraphs_without_its_line_breaks() -> None:
    assert structural_schema(Wheel)["description"] == "A round thing.\nIt turns about an axle."


class Multiple(BaseModel):
    """Has a keyword without a rule."""

    dozen: int = Field(multiple_of=12)


class Either(BaseModel):
    """Has two types."""

    either: int | str


class Identified(BaseModel):
    """Has a format that no rule knows."""

    identity: UUID


class Anything(BaseModel):
    """Has a map of anything."""

    things: dict[str, Any]


class Untyped(BaseModel):
    """Has a field of any type."""

    thing: Any


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (Multiple, "Multiple.dozen: unknown keyword multipleOf"),
        (Either, "Either.either: anyOf of several types"),
        (Identified, "Identified.identity: format uuid"),
        (Anything, "Anything.things: additionalProperties: true"),
        (Untyped, "Untyped.thing: no type"),
    ],
)
def test_what_a_crd_cannot_say_is_refused_by_its_place(model: type[BaseModel], complaint: str) -> None:
    with pytest.raises(UntranslatableSchemaError, match=complaint):
        structural_schema(model)
