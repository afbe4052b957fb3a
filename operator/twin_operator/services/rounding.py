"""How values are written into status: the names of the API, six significant digits, no NaN or infinity."""

import math
from collections.abc import Mapping
from typing import Any

from twin_operator.api.v1alpha1.schema import wire_name

DIGITS = 6  # significant digits of numbers in status (api.md)


def wire(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Give the keys of nested mappings, which are fields of the domain, the names that they have in YAML."""
    if isinstance(value, Mapping):
        return {wire_name(key): wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [wire(item) for item in value]
    return value


def presentable(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Round floats and drop what is absent or not finite, in nested mappings and lists."""
    if isinstance(value, Mapping):
        cleaned = {key: presentable(item) for key, item in value.items()}
        return {key: item for key, item in cleaned.items() if item is not None}
    if isinstance(value, list | tuple):
        return [presentable(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, float):
        return value.value if hasattr(value, "value") else value
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
