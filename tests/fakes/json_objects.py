"""JSON objects as the API server keeps them: copies, merge patches, values at a path."""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from twin_operator.services.runs.run import JSON

EXACT: Final = 2**53
"""Below this, a float without a fraction is written as an integer by the API server, and comes back as one."""


def sent(value: JSON) -> JSON:
    """Return what a client sends: a copy of `value` with numbers as the API server writes them."""
    copy: JSON = _numbers(orjson.loads(orjson.dumps(value)))
    return copy


def copied(value: JSON) -> JSON:
    """Return a copy of an object that was sent before."""
    copy: JSON = orjson.loads(orjson.dumps(value))
    return copy


def merged(target: Any, patch: Any) -> Any:
    """Return `target` with a merge patch applied (RFC 7396); neither is changed."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def at(value: Any, path: Sequence[str]) -> Any:
    """Return what is at `path`, or None."""
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    whole = isinstance(value, float) and value.is_integer() and abs(value) < EXACT
    return int(value) if whole else value
