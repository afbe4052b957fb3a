"""The structural schemas of the CustomResourceDefinitions: pruning, defaults and validation.

Rules in CEL (x-kubernetes-validations) are not evaluated; the real API server does that.
"""

import re
from collections.abc import Callable, Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.manifests import load_manifest
from twin_operator.services.runs.run import JSON

CRDS: Final = Path(__file__).parents[2] / "crds"
PRESERVED: Final = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING: Final = "x-kubernetes-int-or-string"
SYSTEM: Final = frozenset({"apiVersion", "kind", "metadata"})
"""Fields of an object that the API server validates by itself, whatever the schema says."""
TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}


@dataclass(frozen=True)
class Definition:
    """One kind as its CustomResourceDefinition declares it.

    Attributes:
        schema: the openAPIV3Schema.
        selectable: fields that a field selector may name, such as `status.phase`.
    """

    schema: JSON
    selectable: Collection[str]

    def admitted(self, body: JSON) -> JSON:
        """Return the object without unknown fields and nulls, and with defaults."""
        content: JSON = _defaulted(_pruned(_content(body), self.schema), self.schema)
        return {key: body[key] for key in SYSTEM & body.keys()} | content

    def problems(self, body: JSON) -> list[str]:
        """Return why the object is invalid; each names the field."""
        return list(_problems(_content(body), self.schema, ""))


@cache
def definitions() -> dict[str, Definition]:
    """Read the definitions of the operator's kinds, by kind."""
    return dict(_definition(load_manifest(path.read_text())) for path in sorted(CRDS.glob("*.yaml")))


def _definition(manifest: JSON) -> tuple[str, Definition]:
    (version,) = manifest["spec"]["versions"]
    selectable = {field["jsonPath"].removeprefix(".") for field in version.get("selectableFields", ())}
    return manifest["spec"]["names"]["kind"], Definition(version["schema"]["openAPIV3Schema"], selectable)


def _content(body: JSON) -> JSON:
    return {key: value for key, value in body.items() if key not in SYSTEM}


def _pruned(value: Any, schema: JSON) -> Any:
    """Return a value without unknown fields, and without nulls of known ones: no field here is nullable."""
    if isinstance(value, list):
        return [_pruned(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        within = _of_key(schema, key)
        if within is not None and item is not None:
            kept[key] = _pruned(item, within)
        elif within is None and schema.get(PRESERVED):
            kept[key] = item
    return kept


def _defaulted(value: Any, schema: JSON) -> Any:
    if isinstance(value, list):
        return [_defaulted(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for key, within in schema.get("properties", {}).items():
        if key not in filled and "default" in within:
            filled[key] = deepcopy(within["default"])
    return {key: _defaulted(item, _of_key(schema, key) or {}) for key, item in filled.items()}


def _of_key(schema: JSON, key: str) -> JSON | None:
    """Return the schema of a field or of a map's value; None for an unknown field."""
    found: JSON | bool | None = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
    return {PRESERVED: True} if found is True else found or None


def _problems(value: Any, schema: JSON, path: str) -> Iterator[str]:
    if schema.get(INT_OR_STRING):
        if not (TYPES["integer"](value) or TYPES["string"](value)):
            yield f"{path}: Invalid value: must be an integer or a string"
        return
    kind = schema.get("type")
    if kind and not TYPES[kind](value):
        yield f"{path}: Invalid value: {path} in body must be of type {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: Unsupported value: {value!r}: supported values: {schema['enum']}"
    match value:
        case dict():
            yield from _of_object(value, schema, path)
        case list():
            yield from _of_list(value, schema, path)
        case str():
            yield from _of_string(value, schema, path)
        case int() | float() if not isinstance(value, bool):
            yield from _of_number(value, schema, path)


def _of_object(value: JSON, schema: JSON, path: str) -> Iterator[str]:
    yield from _of_size(len(value), schema, "Properties", path)
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{_join(path, key)}: Required value"
    for key, item in value.items():
        within = _of_key(schema, key)
        if within is not None:
            yield from _problems(item, within, _join(path, key))


def _of_list(value: list[Any], schema: JSON, path: str) -> Iterator[str]:
    yield from _of_size(len(value), schema, "Items", path)
    for index, item in enumerate(value):
        yield from _problems(item, schema.get("items", {}), f"{path}[{index}]")
    yield from _duplicates(value, schema, path)


def _duplicates(value: list[Any], schema: JSON, path: str) -> Iterator[str]:
    kind = schema.get("x-kubernetes-list-type", "atomic")
    if kind == "atomic":
        return
    found: list[Any] = []
    for index, item in enumerate(value):
        mark = _mark(item, schema) if kind == "map" else item
        if mark in found:
            yield f"{path}[{index}]: Duplicate value: {mark!r}"
        found.append(mark)


def _mark(item: Any, schema: JSON) -> list[Any]:
    """Return what identifies an item of a list that is a map."""
    return [item.get(key) if isinstance(item, dict) else item for key in schema["x-kubernetes-list-map-keys"]]


def _of_string(value: str, schema: JSON, path: str) -> Iterator[str]:
    yield from _of_size(len(value), schema, "Length", path)
    if "pattern" in schema and not _matches(schema["pattern"], value):
        yield f"{path}: Invalid value: {path} in body should match '{schema['pattern']}'"
    if schema.get("format") == "date-time" and not _is_time(value):
        yield f"{path}: Invalid value: {path} in body must be of type date-time"


def _of_number(value: float, schema: JSON, path: str) -> Iterator[str]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and (value < least or (schema.get("exclusiveMinimum") and value == least)):
        yield f"{path}: Invalid value: {path} in body should be greater than {least}"
    if most is not None and (value > most or (schema.get("exclusiveMaximum") and value == most)):
        yield f"{path}: Invalid value: {path} in body should be less than or equal to {most}"


def _of_size(size: int, schema: JSON, what: str, path: str) -> Iterator[str]:
    """Compare a size with the bounds of `what`: Length, Items or Properties."""
    if size < schema.get(f"min{what}", 0):
        verb = "be" if what == "Length" else "have"
        yield f"{path}: Invalid value: {path} in body should {verb} at least {schema[f'min{what}']}"
    if size > schema.get(f"max{what}", size):
        sentence = "Too long: may not be more than" if what == "Length" else "Too many: must have at most"
        yield f"{path}: {sentence} {schema[f'max{what}']}"


def _matches(pattern: str, value: str) -> bool:
    """Return whether a pattern matches as in Go, where `$` is the end of the text, never before a newline."""
    return re.search(re.sub(r"\$$", r"\\Z", pattern), value) is not None


def _is_time(value: str) -> bool:
    """Return whether this is a time of RFC 3339, as the API server reads them."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
