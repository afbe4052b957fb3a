"""The downward API: what a Pod may ask about itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from devcluster.layout import LOOPBACK

Json = dict[str, Any]
_ENTRY = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class UnknownFieldError(Exception):
    """A field path that the downward API does not have."""


def field_value(pod: Json, address: str, path: str) -> str:
    """Give the value of a `fieldRef`.

    Raises:
        UnknownFieldError: there is no such field.
    """
    metadata = pod["metadata"]
    entry = _ENTRY.fullmatch(path)
    if entry:
        return str((metadata.get(entry[1]) or {}).get(entry[2], ""))
    if path in {"metadata.labels", "metadata.annotations"}:
        return _lines(metadata.get(path.removeprefix("metadata.")) or {})
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.podIP": address,
        "status.podIPs": address,
        "status.hostIP": LOOPBACK,
        "status.hostIPs": LOOPBACK,
    }
    if path not in values:
        raise UnknownFieldError(f"the downward API has no field {path}")
    return str(values[path])


def _lines(entries: Mapping[str, str]) -> str:
    return "\n".join(f'{key}="{_escaped(value)}"' for key, value in sorted(entries.items()))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# The suffixes of resource quantities and their factors.
_SUFFIXES = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
}


def quantity(text: str) -> float:
    """Read a resource quantity such as `500m` or `1Gi`."""
    number, suffix = re.fullmatch(r"([0-9.eE+-]+?)([a-zA-Z]*)", text).groups()  # type: ignore[union-attr]
    return float(number) * _SUFFIXES[suffix]


def resource_value(container: Json, reference: Json, allocatable: Mapping[str, str]) -> str:
    """Give the value of a `resourceFieldRef`: a limit that is not set is what the node has."""
    kind, _, resource = reference["resource"].partition(".")
    given = (container.get("resources") or {}).get(kind, {}).get(resource)
    amount = quantity(str(given or allocatable.get(resource, "0")))
    divisor = quantity(str(reference.get("divisor") or "1")) or 1.0
    return str(-int(-amount // divisor))  # rounded up, as a kubelet does
