"""Compares what the unit tests saw in statuses with what the API has: each is written by some code path.

Run after the whole of `make unit`. What is missing here is dead vocabulary, or a path without a test.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.conftest import STATUSES
from tests.fakes.emitted import Emitted
from twin_operator.api.v1alpha1 import KINDS
from twin_operator.api.v1alpha1.conditions import ConditionType, Reason
from twin_operator.crdgen.definition import custom_resource_definition

OPEN: Final = frozenset({"fields", "phases"})
"""Maps have keys of the data's own, and the phase of a new object is the schema's default."""


def expected() -> Emitted:
    """Return what the CRDs and the enums have; CRDs lack what is on the list `NOT_BUILT`."""
    wanted = Emitted(conditions={str(each) for each in ConditionType}, reasons={str(each) for each in Reason})
    for kind in KINDS:
        name = kind.definition.kind
        schema = custom_resource_definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        status = schema["properties"]["status"]
        wanted.fields |= {f"{name} {path}" for path in _fields(status, "status")}
        phase = status["properties"]["phase"]
        wanted.phases |= {f"{name} {each}" for each in phase["enum"] if each != phase["default"]}  # of a new object
    return wanted


def _fields(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    yield path
    for name, inner in schema.get("properties", {}).items():
        yield from _fields(inner, f"{path}.{name}")
    if "items" in schema:
        yield from (each for each in _fields(schema["items"], path) if each != path)


def missing(seen: Emitted, wanted: Emitted) -> list[str]:
    """Return a line for each thing that no test saw written, and for each that was written and is not in the API."""
    lines = []
    for what in vars(wanted):
        never, unknown = getattr(wanted, what) - getattr(seen, what), getattr(seen, what) - getattr(wanted, what)
        lines += [f"{what}: no unit test sees the operator write {each}" for each in sorted(never)]
        lines += [f"{what}: {each} is written and is not in the API" for each in sorted(unknown) if what not in OPEN]
    return lines


def main() -> int:
    """Print what is missing; return the exit code."""
    lines = missing(Emitted.load(STATUSES), expected())
    verdict = "\n".join(lines) or "Every field, phase, condition and reason of the API is written by some code path."
    sys.stdout.write(f"{verdict}\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
