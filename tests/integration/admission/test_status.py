"""What the operator writes arrives whole, and what people see of it."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.integration.admission.asking import Admission, FullManifest
from twin_operator.crdgen import generate

CRDS = {crd["spec"]["names"]["kind"]: crd for crd in map(yaml.safe_load, generate().values())}
STATUSES = {
    kind: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"] for kind, crd in CRDS.items()
}


def specimen(schema: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - any JSON value; a case for each type
    """Make a value of a schema with every field in it."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema["type"]:
        case "object" if "additionalProperties" in schema:
            return {"one": specimen(schema["additionalProperties"])}
        case "object":
            return {name: specimen(field) for name, field in schema.get("properties", {}).items()}
        case "array":
            return [specimen(schema["items"])]
        case "string" if schema.get("format") == "date-time":
            return "2026-05-01T12:00:00Z"
        case "string":
            return next(
                text
                for text in ("1", "Word", "0af7651916cd43dd8448eb211c80319c")
                if re.search(schema.get("pattern", ""), text)
            )
        case "boolean":
            return True
        case _:
            return 1


@pytest.mark.parametrize("kind", STATUSES)
def test_a_status_with_every_field_is_stored_whole(
    kind: str, admission: Admission, full_manifest: FullManifest
) -> None:
    admission.create(full_manifest(kind, {"metadata.name": "whole"}))
    status = specimen(STATUSES[kind])
    assert admission.write_status(kind, "whole", status)["status"] == status


@pytest.mark.parametrize("kind", STATUSES)
def test_a_fresh_object_is_pending_and_unobserved(kind: str, admission: Admission, full_manifest: FullManifest) -> None:
    status = admission.create(full_manifest(kind), keep=False)["status"]
    assert {name: status[name] for name in ("observedGeneration", "phase")} == {
        "observedGeneration": -1,
        "phase": "Pending",
    }
