"""From pydantic's JSON schema to the structural schema that a CRD may hold.

Structural schemas know no references and no unions, and the API server drops or refuses keywords
that it does not know. So each keyword is translated by a rule of its own here, and one without a
rule is an error: nothing that a model says is lost on the way.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from twin_operator.api.v1alpha1.fields import format_duration

Schema = dict[str, Any]

_KNOWN_FORMATS: Final = frozenset({"date-time"})
_REFERENCE_PREFIX: Final = "#/$defs/"
RULES: Final = "x-kubernetes-validations"


class UntranslatableSchemaError(Exception):
    """A model says something that a CRD cannot; the sentence names the place and the keyword."""


class _ModelSchema(GenerateJsonSchema):
    """Pydantic's own generator, but for defaults that travel as text."""

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401 - a default may have any type
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def structural_schema(model: type[BaseModel]) -> Schema:
    """Give the structural schema of a model.

    Raises:
        UntranslatableSchemaError: the model uses a keyword, a union or a format that has no translation.

    """
    schema = model.model_json_schema(schema_generator=_ModelSchema)
    return _Translation(schema.get("$defs", {})).translate(schema, model.__name__)


class _Translation:
    """One pass over a schema and its definitions."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self._nested: dict[str, Callable[[Any, str], Any]] = {
            "properties": self._properties,
            "items": lambda items, path: self.translate(items, f"{path}[]"),
            "additionalProperties": lambda values, path: self.translate(_as_schema(values, path), f"{path}{{}}"),
        }

    def translate(self, schema: Schema, path: str) -> Schema:
        flat = self._flatten(schema, path)
        translated: Schema = {}
        for keyword, value in flat.items():
            if keyword in self._nested:
                translated[keyword] = self._nested[keyword](value, path)
            else:
                translated |= _keyword(keyword, value, path)
        if "type" not in translated:
            raise UntranslatableSchemaError(f"{path}: no type; a CRD needs one everywhere")
        return _with_default(translated)

    def _properties(self, properties: Mapping[str, Schema], path: str) -> Schema:
        return {name: self.translate(schema, f"{path}.{name}") for name, schema in properties.items()}

    def _flatten(self, schema: Schema, path: str) -> Schema:
        """Put what is referred to, and the one alternative to null, in place."""
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(_REFERENCE_PREFIX)
            return self._flatten(_merge(self._definitions[name], _without(schema, "$ref")), path)
        if "anyOf" in schema:
            alternatives = [option for option in schema["anyOf"] if option != {"type": "null"}]
            if len(alternatives) != 1:
                raise UntranslatableSchemaError(f"{path}: anyOf of several types; a CRD field has one")
            return self._flatten(_merge(alternatives[0], _without(schema, "anyOf")), path)
        return schema


def _as_schema(values: Schema | bool, path: str) -> Schema:  # noqa: FBT001 - JSON schema's own form
    if isinstance(values, bool):
        raise UntranslatableSchemaError(
            f"{path}: additionalProperties: {str(values).lower()}; declare the values' type or keep unknown fields"
        )
    return values


def _merge(inner: Schema, outer: Schema) -> Schema:
    merged = inner | outer
    if RULES in inner and RULES in outer:
        merged[RULES] = [*inner[RULES], *outer[RULES]]
    return merged


def _without(schema: Schema, keyword: str) -> Schema:
    return {name: value for name, value in schema.items() if name != keyword}


def _copy(keyword: str, value: Any, _path: str) -> Schema:  # noqa: ANN401 - any JSON value
    return {keyword: value}


def _drop(_keyword: str, _value: Any, _path: str) -> Schema:  # noqa: ANN401 - any JSON value
    return {}


def _bound(keyword: str, value: float, _path: str) -> Schema:
    return {keyword: int(value) if float(value).is_integer() else value}


def _exclusive_bound(keyword: str, value: float, path: str) -> Schema:
    inclusive = keyword.removeprefix("exclusive").lower()
    return _bound(inclusive, value, path) | {keyword: True}


def _format(keyword: str, value: str, path: str) -> Schema:
    if value not in _KNOWN_FORMATS:
        raise UntranslatableSchemaError(f"{path}: format {value}; write a pattern, or teach the generator this format")
    return {keyword: value}


def _description(keyword: str, value: str, _path: str) -> Schema:
    paragraphs = re.split(r"\n\s*\n", value.strip())
    return {keyword: "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)}


def _default(keyword: str, value: Any, _path: str) -> Schema:  # noqa: ANN401 - any JSON value
    present = _present(value)
    return {} if present in (None, [], {}) and not isinstance(present, bool) else {keyword: present}


def _present(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Leave out what is absent by default: an empty list and no list are the same to every reader."""
    if isinstance(value, dict):
        return {name: _present(entry) for name, entry in value.items() if entry not in (None, [])}
    return value


def _with_default(schema: Schema) -> Schema:
    """End the description with the default, which ``kubectl explain`` does not show by itself."""
    default = schema.get("default")
    if default is None or isinstance(default, dict) or "description" not in schema:
        return schema
    shown = str(default).lower() if isinstance(default, bool) else default
    return schema | {"description": f"{schema['description']} Default: {shown}."}


_KEYWORDS: Final[Mapping[str, Callable[[str, Any, str], Schema]]] = {
    **dict.fromkeys(
        (
            "type",
            "enum",
            "pattern",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
            "required",
            RULES,
            "x-kubernetes-list-type",
            "x-kubernetes-list-map-keys",
            "x-kubernetes-preserve-unknown-fields",
        ),
        _copy,
    ),
    **dict.fromkeys(("title", "$defs"), _drop),
    **dict.fromkeys(("minimum", "maximum"), _bound),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), _exclusive_bound),
    "format": _format,
    "description": _description,
    "default": _default,
}


def _keyword(keyword: str, value: Any, path: str) -> Schema:  # noqa: ANN401 - any JSON value
    if keyword not in _KEYWORDS:
        raise UntranslatableSchemaError(
            f"{path}: unknown keyword {keyword}; teach the generator what a CRD makes of it"
        )
    return _KEYWORDS[keyword](keyword, value, path)
