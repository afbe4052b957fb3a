"""Write files/defaults.yaml, what `null` in the values stands for, from values.yaml; `--check` only compares.

Helm takes a value that is `null` away, default and all, and templates then read from nothing. The template
`twin-operator.defaults` puts the defaults back, value by value.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "twin-operator"
DEFAULTS = CHART / "files" / "defaults.yaml"
KUBERNETES = {"#/$defs/resources"}  # types of Kubernetes, where `null` takes an entry away, as anywhere in Kubernetes
HEAD = "# Written by `make generate` from values.yaml: what a value that is null stands for.\n"

Json = dict[str, Any]


def leaves(values: Json, schema: Json, definitions: Json, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and default of each value; a map whose keys the schema does not fix is one value."""
    for name, value in values.items():
        part = schema["properties"][name]
        reference = part.get("$ref")
        resolved = definitions[reference.rpartition("/")[2]] if reference else part
        fixed = "properties" in resolved and resolved.get("additionalProperties") is False
        if isinstance(value, dict) and fixed and reference not in KUBERNETES:
            yield from leaves(value, resolved, definitions, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def render() -> str:
    """Return the file, one line a value."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    lines = (f"{path}: {json.dumps(value)}\n" for path, value in leaves(values, schema, schema["$defs"]))
    return HEAD + "".join(lines)


def main() -> int:
    """Write the file, or with `--check` say whether it is up to date."""
    new = render()
    if "--check" not in sys.argv:
        DEFAULTS.write_text(new)
    elif not DEFAULTS.exists() or DEFAULTS.read_text() != new:
        print(
            "charts/twin-operator/files/defaults.yaml is not that of values.yaml: run `make generate`.", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
