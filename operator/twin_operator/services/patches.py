"""JSON merge patches (RFC 7396): whether one would change anything. No request."""

from typing import Any

from twin_operator.services.tasks import JSON


def changes(before: JSON, patch: JSON) -> bool:
    """Whether merging `patch` into `before` gives anything else than `before`."""
    return any(_differs(before.get(key), value) for key, value in patch.items())


def _differs(before: Any, value: Any) -> bool:  # noqa: ANN401 - JSON
    if isinstance(value, dict) and isinstance(before, dict):
        return changes(before, value)
    if isinstance(value, dict):
        return before is not None or any(item is not None for item in value.values()) or not value
    return bool(before != value)
