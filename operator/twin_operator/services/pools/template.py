"""Merge a partial Pod template into the default one, as a person who writes it would expect.

Mappings merge by key; containers, env and volumes merge by name, volumeMounts by mountPath; other lists replace.
"""

from typing import Any

from twin_operator.services.runs.run import JSON

MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
}


def merge_template(default: JSON, partial: JSON) -> JSON:
    """Return `default` with `partial` merged in; neither is changed."""
    merged = dict(default)
    for key, value in partial.items():
        merged[key] = _merge(key, default.get(key), value)
    return merged


def _merge(key: str, old: Any, new: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(old, dict) and isinstance(new, dict):
        return merge_template(old, new)
    if isinstance(old, list) and isinstance(new, list) and key in MERGE_KEYS:
        return _merge_lists(MERGE_KEYS[key], old, new)
    return new


def _merge_lists(name: str, old: list[JSON], new: list[JSON]) -> list[JSON]:
    merged = {item.get(name): item for item in old}
    for item in new:
        before = merged.get(item.get(name))
        # An env var's value and its source exclude each other: the newer one replaces the whole entry.
        whole = before is None or "valueFrom" in item or "valueFrom" in before
        merged[item.get(name)] = item if whole or before is None else merge_template(before, item)
    return list(merged.values())
