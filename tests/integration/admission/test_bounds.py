"""Every bound of every spec, tried on the real API server from just outside."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
import yaml

from tests.integration.admission.asking import Admission, FullManifest
from twin_operator.crdgen import generate

Schema = Mapping[str, Any]
SPECS: Final = {
    crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for crd in map(yaml.safe_load, generate().values())
}

SHARE: Final = "Web"
"""The key, in the full manifest, of the only map with typed values."""


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
}


def _item(schema: Schema) -> object:
    return {} if schema["type"] == "object" else "1"


def broken(schema: Schema, path: str) -> Iterator[tuple[str, object, str]]:
    """Give (path, value or None for a missing one, complaint) for every bound below a schema."""
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
        yield from broken(schema["additionalProperties"], f"{path}.{SHARE}")


CASES: Final = [(kind, *case) for kind, spec in SPECS.items() for case in broken(spec, "spec")]


def wire_path(path: str) -> str:
    """Write a path as the API server does: population.where[0].values."""
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split(".")).removeprefix(".")


@pytest.mark.parametrize(("kind", "path", "value", "complaint"), CASES, ids=lambda value: str(value)[:40])
def test_a_value_outside_its_bounds_is_refused(
    kind: str, path: str, value: object, complaint: str, admission: Admission, full_manifest: FullManifest
) -> None:
    refusal = admission.refusal(full_manifest(kind, {path: value}))
    assert wire_path(path) in refusal
    assert complaint in refusal


def test_every_keyword_of_the_specs_has_a_breaking_value() -> None:
    structure = {"type", "description", "default", "properties", "items", "additionalProperties", "required"}
    used = set().union(*(_keywords(spec) for spec in SPECS.values()))
    kubernetes = {keyword for keyword in used if keyword.startswith("x-kubernetes-")}
    assert used - structure - kubernetes - set(BREAKING) == {"exclusiveMinimum"}


def _keywords(schema: Schema) -> set[str]:
    nested = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return set(schema).union(*map(_keywords, nested))
