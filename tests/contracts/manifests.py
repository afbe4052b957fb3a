"""Manifests with every field, values laid over them, and values just outside the bounds of a schema."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.manifests import load_manifest
from twin_operator.crdgen import generate

Manifest = dict[str, Any]
Schema = Mapping[str, Any]
Case = tuple[str, object, str]
"""A dotted path, a value (None: a missing one), and what the API server says of it."""
FULL: Final = Path(__file__).parents[1] / "integration" / "admission" / "manifests"
SCHEMAS: Final = {
    crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    for crd in map(load_manifest, generate().values())
}
KEY: Final = "Web"
"""The key, in full manifests and statuses, of maps with typed values."""


def full_manifest(kind: str) -> Manifest:
    """Return a manifest with every field of the spec."""
    return copy.deepcopy(_full_manifests()[kind])


@cache
def _full_manifests() -> dict[str, Manifest]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in FULL.glob("*.yaml")}


def full_status(kind: str) -> Manifest:
    """Return a status with every field."""
    status: Manifest = specimen(SCHEMAS[kind]["status"])
    return status


def laid_over(manifest: Manifest, change: Mapping[str, Any]) -> Manifest:
    """Set values at dotted paths of a copy; numbers index lists, None removes."""
    changed = copy.deepcopy(manifest)
    for path, value in change.items():
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        place: Any = changed
        for parent in parents:
            place = place[parent]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return changed


def wire_path(path: str) -> str:
    """Write a path as the API server does: population.where[0].values."""
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split(".")).removeprefix(".")


def specimen(schema: Schema) -> Any:  # noqa: PLR0911 - any JSON value; a case for each type
    """Make a value of a schema with every field in it."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema["type"]:
        case "object" if "additionalProperties" in schema:
            return {KEY: specimen(schema["additionalProperties"])}
        case "object":
            return {name: specimen(field) for name, field in schema.get("properties", {}).items()}
        case "array":
            return [specimen(schema["items"])]
        case "string" if schema.get("format") == "date-time":
            return "2026-05-01T12:00:00Z"
        case "string":
            texts = ("1", "Word", "0af7651916cd43dd8448eb211c80319c")
            return next(text for text in texts if re.search(schema.get("pattern", ""), text))
        case "boolean":
            return True
        case _:
            return 1


def _below(schema: Schema) -> object:
    return schema["minimum"] if schema.get("exclusiveMinimum") else schema["minimum"] - 1


# For each keyword: a value that breaks it, and what the API server says of such a value.
BREAKING: Final[Mapping[str, tuple[Callable[[Schema], Any], str]]] = {
    "minimum": (_below, "should be greater than"),
    "maximum": (lambda schema: schema["maximum"] + 1, "should be less than or equal to"),
    "minLength": (lambda schema: "1" * (schema["minLength"] - 1), "should be at least"),
    "maxLength": (lambda schema: "1" * (schema["maxLength"] + 1), "Too long"),
    "pattern": (lambda schema: "!" * schema.get("minLength", 1), "should match"),
    "enum": (lambda _: "Nonsense", "Unsupported value"),
    "format": (lambda _: "yesterday", "must be of type date-time"),
    "minItems": (lambda _: [], "should have at least"),
    "maxItems": (lambda schema: [_item(schema["items"])] * (schema["maxItems"] + 1), "must have at most"),
    "minProperties": (lambda _: {}, "should have at least"),
    "maxProperties": (lambda schema: {f"level{i}": 0 for i in range(schema["maxProperties"] + 1)}, "must have at most"),
    "type": (lambda schema: {"a": "b"} if schema["type"] == "string" else "text", "must be of type"),
}


def _item(schema: Schema) -> object:
    return {} if schema["type"] == "object" else "1"


def broken(schema: Schema, path: str) -> Iterator[Case]:
    """Yield a case for every bound below a schema."""
    for keyword, (value, complaint) in BREAKING.items():
        if keyword in schema:
            yield path, value(schema), complaint
    for name in schema.get("required", ()):
        yield f"{path}.{name}", None, "Required value"
    for name, field in schema.get("properties", {}).items():
        yield from broken(field, f"{path}.{name}")
    if "items" in schema:
        yield from broken(schema["items"], f"{path}.0")
    if "additionalProperties" in schema:
        yield from broken(schema["additionalProperties"], f"{path}.{KEY}")
