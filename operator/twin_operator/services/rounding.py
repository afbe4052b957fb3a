"""How values are written into status: camelCase names, six significant digits, no NaN or infinity."""

import math
from collections.abc import Mapping
from typing import Any

DIGITS = 6  # significant digits of numbers in status (api.md)


def camel(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Turn snake_case keys of nested mappings into camelCase; keys that are labels have no underscore rule here."""
    if isinstance(value, Mapping):
        return {_camel(key): camel(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [camel(item) for item in value]
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


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
