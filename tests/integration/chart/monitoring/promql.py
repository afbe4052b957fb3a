"""Just enough of PromQL's grammar to find which metrics and labels an expression names; promtool checks the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]")
_SELECTOR = re.compile(r"\b([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(?!\s*\(|[\w:])")
_MATCHER = re.compile(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)")
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})


@dataclass(frozen=True)
class Named:
    """What an expression names."""

    metrics: dict[str, frozenset[str]]  # with the labels that their selectors match by
    grouped: frozenset[str]  # labels in by(...) and on(...)


def named(expression: str) -> Named:
    """Return the metrics and labels of an expression."""
    bare = _STRING.sub('""', expression)
    grouped = {label.strip() for group in _GROUPING.findall(bare) for label in group.split(",") if label.strip()}
    rest = _RANGE.sub("", _GROUPING.sub(" ", bare))
    metrics: dict[str, frozenset[str]] = {}
    for name, selector in _SELECTOR.findall(rest):
        if name.lower() not in _WORDS:
            metrics[name] = metrics.get(name, frozenset()) | frozenset(_MATCHER.findall(selector))
    return Named(metrics, frozenset(grouped))


def unknown(expression: str, known: dict[str, frozenset[str]]) -> list[str]:
    """Return what an expression names that there is not."""
    found = named(expression)
    missing = [name for name in found.metrics if name not in known]
    missing += [
        f"{name}{{{label}}}"
        for name, labels in found.metrics.items()
        for label in (labels | found.grouped) - known.get(name, labels | found.grouped)
    ]
    return missing
