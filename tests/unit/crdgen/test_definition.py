"""The generated CRDs: complete, bounded, small, and what stands in the repository."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.manifests import load_manifest
from twin_operator.crdgen import generate
from twin_operator.crdgen.__main__ import differing, generate_policies

REPOSITORY: Final = Path(__file__).parents[3]
GOLDEN: Final = Path(__file__).parent / "golden"
LARGEST_BYTES: Final = 262_144  # of an annotation: kubectl apply keeps the whole object in one
Schema = Mapping[str, Any]
CRDS: Final = {crd["spec"]["names"]["kind"]: crd for crd in map(load_manifest, generate().values())}
VERSIONS: Final = {kind: crd["spec"]["versions"][0] for kind, crd in CRDS.items()}
ROOTS: Final = {kind: version["schema"]["openAPIV3Schema"] for kind, version in VERSIONS.items()}


def fields(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Give every part of a schema with its path."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from fields(field, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from fields(schema[keyword], f"{path}[]")


OURS: Final = [
    (f"{kind}{path}", schema)
    for kind, root in ROOTS.items()
    for part in ("spec", "status")
    for path, schema in fields(root["properties"][part], f".{part}")
]


def bounded(schema: Schema) -> bool:
    """Whether what a field may hold is limited."""
    if "enum" in schema or "format" in schema:
        return True
    needed = {
        "string": {"maxLength"},
        "array": {"maxItems"},
        "integer": {"minimum", "maximum"},
        "number": {"minimum", "maximum"},
        "object": {"maxProperties"} if "additionalProperties" in schema else set(),
    }
    return needed.get(schema["type"], set()) <= set(schema)


def has_path(schema: Schema, path: str) -> bool:
    """Whether a JSON path such as .status.model.version names a field."""
    place: Any = schema
    for name in re.sub(r"\[[^]]*]", "", path).strip(".").split("."):
        place = place.get("items", place).get("properties", {})
        if name not in place:
            return False
        place = place[name]
    return True


def test_the_four_kinds_have_names_that_nobody_else_uses() -> None:
    names = {kind: crd["spec"]["names"]["shortNames"] for kind, crd in CRDS.items()}
    assert names == {
        "TwinModel": ["twm"],
        "Simulation": ["twinsim"],
        "RetrainingJob": ["rtj"],
        "WorkerPool": ["wpool"],
    }


@pytest.mark.parametrize("name", generate())
def test_a_crd_fits_into_an_annotation(name: str) -> None:
    assert len(generate()[name].encode()) < LARGEST_BYTES


def test_the_repository_holds_what_the_models_say() -> None:
    assert differing(REPOSITORY, generate(), generate_policies()) == []


def test_every_field_is_described() -> None:
    assert [path for path, schema in OURS if not path.endswith("[]") and not schema.get("description")] == []


def test_every_field_is_bounded() -> None:
    assert [path for path, schema in OURS if not bounded(schema)] == []


def test_every_list_says_how_it_merges_or_is_told_apart() -> None:
    lists = [(path, schema) for path, schema in OURS if schema["type"] == "array"]
    assert [path for path, schema in lists if "x-kubernetes-list-type" not in schema] == []


@pytest.mark.parametrize("kind", VERSIONS)
def test_columns_and_selectors_name_fields_that_exist(kind: str) -> None:
    paths = [column["jsonPath"] for column in VERSIONS[kind]["additionalPrinterColumns"]]
    paths += [field["jsonPath"] for field in VERSIONS[kind].get("selectableFields", ())]
    known = {**ROOTS[kind], "properties": {**ROOTS[kind]["properties"], "metadata": _METADATA}}
    assert [path for path in paths if not has_path(known, path)] == []


_METADATA: Final = {"properties": {"creationTimestamp": {"type": "string"}}}


@pytest.mark.parametrize(
    ("kind", "changeable"),
    [
        ("Simulation", {"observed", "suspend", "ttlSecondsAfterFinished"}),
        ("RetrainingJob", {"approval", "cancel", "ttlSecondsAfterFinished"}),
    ],
)
def test_every_other_field_of_spec_is_immutable(kind: str, changeable: set[str]) -> None:
    spec = ROOTS[kind]["properties"]["spec"]
    frozen = {
        rule["fieldPath"].removeprefix(".")
        for rule in spec["x-kubernetes-validations"]
        if "cannot be changed" in rule["message"]
    }
    assert frozen == set(spec["properties"]) - changeable


def test_only_a_pool_scales_by_paths_that_always_have_a_value() -> None:
    scales = {kind: version["subresources"].get("scale") for kind, version in VERSIONS.items()}
    assert scales == {
        "TwinModel": None,
        "Simulation": None,
        "RetrainingJob": None,
        "WorkerPool": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }


def test_a_population_is_generated_as_it_was_agreed() -> None:
    population = ROOTS["Simulation"]["properties"]["spec"]["properties"]["population"]
    assert population == yaml.safe_load((GOLDEN / "population.yaml").read_text())
