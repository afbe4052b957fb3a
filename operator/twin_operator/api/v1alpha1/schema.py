"""The base of all API models, and the declarations that only a CRD needs.

What every model shares belongs here: names on the wire, rules in CEL, the kind of a list. The
meaning of single fields does not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

_ACRONYMS = {"Id": "ID", "Sd": "SD", "Cv": "CV"}


def wire_name(field: str) -> str:
    """Translate a Python field name to the name in YAML: ``tipping_point_sd`` to ``tippingPointSD``."""
    camel = to_camel(field)
    ending = camel[-2:]
    return camel[:-2] + _ACRONYMS[ending] if ending in _ACRONYMS and len(camel) > len(ending) else camel


class ApiModel(BaseModel):
    """A part of a resource: immutable, read leniently, written under the names of the wire."""

    model_config = ConfigDict(
        alias_generator=wire_name,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
    )

    def manifest(self) -> dict[str, Any]:
        """Render for a create or an apply: JSON types, absent values left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401 - the values of any field
        """Return a validated copy with some fields changed, named as in Python."""
        current = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**(current | changes))


def present(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return JSON without what is absent or empty; None where nothing is left."""
    if isinstance(value, dict):
        items = {key: present(item) for key, item in value.items()}
        value = {key: item for key, item in items.items() if item is not None}
    elif isinstance(value, list):
        value = [present(item) for item in value]
    return None if value in ([], {}) else value


@dataclass(frozen=True)
class Rule:
    """A CEL rule that the API server enforces, with a message that says what to write instead."""

    expression: str
    message: str
    field_path: str | None = None
    reason: str = "FieldValueInvalid"

    def as_schema(self) -> JsonDict:
        """Render as an entry of ``x-kubernetes-validations``."""
        entry: JsonDict = {"rule": self.expression, "message": self.message, "reason": self.reason}
        return entry if self.field_path is None else entry | {"fieldPath": self.field_path}


def rules(*declared: Rule) -> JsonDict:
    """Give the schema keywords that carry CEL rules, for ``json_schema_extra``."""
    return {"x-kubernetes-validations": [rule.as_schema() for rule in declared]}


def unchanged(new: str, old: str) -> str:
    """Give the CEL expression that two optional fields are both absent or both there and equal.

    The equality of CEL's optional values would be shorter, but has no bounded cost estimate.
    """
    return f"has({new}) == has({old}) && (!has({new}) || {new} == {old})"


def immutable(fields: Iterable[str], instead: str) -> tuple[Rule, ...]:
    """Make a transition rule for each field (named as on the wire) that refuses adding, changing or removing it."""
    return tuple(
        Rule(
            unchanged(f"self.{field}", f"oldSelf.{field}"),
            f"{field} cannot be changed: {instead}",
            field_path=f".{field}",
            reason="FieldValueForbidden",
        )
        for field in fields
    )


def list_map(*keys: str) -> JsonDict:
    """Declare a list whose items are identified by keys, so that appliers merge and duplicates are refused."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


LIST_SET: JsonDict = {"x-kubernetes-list-type": "set"}
LIST_ATOMIC: JsonDict = {"x-kubernetes-list-type": "atomic"}
PRESERVE_UNKNOWN_FIELDS: JsonDict = {"x-kubernetes-preserve-unknown-fields": True}
