"""The CustomResourceDefinition of one kind: its schema, and what the model declares beside it."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

from twin_operator.api.v1alpha1 import CATEGORY, GROUP, VERSION, Resource
from twin_operator.api.v1alpha1.not_built import NOT_BUILT
from twin_operator.api.v1alpha1.resource import Column, Definition
from twin_operator.api.v1alpha1.schema import Rule
from twin_operator.crdgen.structural import RULES, Schema, structural_schema

_API_VERSION = f"Always {GROUP}/{VERSION}."


def custom_resource_definition(resource: type[Resource]) -> dict[str, Any]:
    """Give the manifest of a kind's CRD."""
    definition = resource.definition
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": definition.name},
        "spec": {
            "group": GROUP,
            "names": _names(definition),
            "scope": "Namespaced",
            "versions": [_version(resource)],
        },
    }


def _names(definition: Definition) -> dict[str, Any]:
    return {
        "kind": definition.kind,
        "listKind": f"{definition.kind}List",
        "plural": definition.plural,
        "singular": definition.kind.lower(),
        "shortNames": list(definition.short_names),
        "categories": [CATEGORY],
    }


def _version(resource: type[Resource]) -> dict[str, Any]:
    definition = resource.definition
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": _subresources(definition),
        "additionalPrinterColumns": [_column(column) for column in definition.columns],
    }
    if definition.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in definition.selectable]
    return version | {"schema": {"openAPIV3Schema": _root(resource)}}


def _subresources(definition: Definition) -> dict[str, Any]:
    if definition.scale is None:
        return {"status": {}}
    return {
        "status": {},
        "scale": {
            "specReplicasPath": definition.scale.replicas,
            "statusReplicasPath": definition.scale.status_replicas,
            "labelSelectorPath": definition.scale.selector,
        },
    }


def _column(column: Column) -> dict[str, Any]:
    rendered = {"name": column.name, "type": column.type, "jsonPath": column.json_path}
    described = rendered | {"description": column.description} if column.description else rendered
    return described | {"priority": 1} if column.wide else described


def _root(resource: type[Resource]) -> Schema:
    """Replace metadata, which the API server describes and checks itself, and add the rules on the whole object."""
    schema = structural_schema(resource)
    built = without_not_built(schema, NOT_BUILT.get(resource.definition.kind, {}))
    own = {name: built["properties"][name] for name in ("spec", "status")}
    root = schema | {
        "properties": {
            "apiVersion": {"type": "string", "description": _API_VERSION},
            "kind": {"type": "string", "description": f"Always {resource.definition.kind}."},
            "metadata": {"type": "object"},
            **own,
        }
    }
    declared = [rule.as_schema() for rule in resource.definition.rules]
    return root | {"x-kubernetes-validations": declared} if declared else root


def without_not_built(schema: Schema, paths: Iterable[str]) -> Schema:
    """Return a schema without these fields of status, and with a rule that refuses these fields of spec."""
    changed = deepcopy(schema)
    for path in paths:
        *parents, name = path.split(".")
        properties = _properties(changed, parents)
        if parents[0] == "status":
            del properties[name]
        else:
            properties[name] = _refused(name, properties[name])
    return changed


def _properties(schema: Schema, parents: Sequence[str]) -> Schema:
    for parent in parents:
        schema = schema["properties"][parent]
    properties: Schema = schema["properties"]
    return properties


def _refused(name: str, schema: Schema) -> Schema:
    """Refuse every value but an empty list. The rule is the field's own: while a stored value stays, others change."""
    rule = Rule("size(self) == 0" if schema["type"] == "array" else "false", f"{name} is not supported yet: remove it")
    return schema | {RULES: [*schema.get(RULES, ()), rule.as_schema()]}
