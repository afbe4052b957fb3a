"""The cases of the contract cover the schemas."""

from tests.contracts.manifests import BREAKING, SCHEMAS, Schema

STRUCTURE = {"description", "default", "properties", "items", "additionalProperties", "required"}
PARTS = ("spec", "status")


def test_every_keyword_of_the_schemas_has_a_breaking_value() -> None:
    used = set().union(*(_keywords(schema[part]) for schema in SCHEMAS.values() for part in PARTS))
    kubernetes = {keyword for keyword in used if keyword.startswith("x-kubernetes-")}
    assert used - STRUCTURE - kubernetes - set(BREAKING) == {"exclusiveMinimum"}


def _keywords(schema: Schema) -> set[str]:
    nested = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return set(schema).union(*map(_keywords, nested))
