"""What a burst of questions found: how often each recommendation was given, and where effects are largest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from demo.segments import COMPARISONS, Comparison
from demo.tables import aligned, interval, points

Json = Mapping[str, Any]
_ACTIONS = ("Deploy", "Refine", "Skip")
_SHOWN = 3  # segments at either end
_WARNING = (
    "Each interval is right for its segment by itself; the largest and the smallest of so many effects are partly luck."
)


def render(simulations: Iterable[Json]) -> str:
    """Print what the answered Simulations of segments.py found."""
    answered = [each for each in simulations if each["status"]["phase"] == "Succeeded"]
    by_comparison = {each: [one for one in answered if _compares(one) == each] for each in COMPARISONS}
    counts = [("WHAT", *(action.upper() for action in _ACTIONS)), *map(_counts, by_comparison.items())]
    best = [row for each, asked in by_comparison.items() for row in _ends(str(each), asked)]
    extremes = [("WHAT", "TO WHOM", "EFFECT", "95 % INTERVAL", "ACTION"), *best]
    return f"{aligned(counts)}\n\n{aligned(extremes)}\n\n{_WARNING}"


def _compares(simulation: Json) -> Comparison:
    intervention = simulation["spec"]["intervention"]
    return Comparison(intervention["arm"], intervention["against"])


def _counts(pair: tuple[Comparison, Sequence[Json]]) -> tuple[str, ...]:
    comparison, asked = pair
    found = Counter(each["status"]["recommendation"]["action"] for each in asked)
    return (str(comparison), *(str(found[action]) for action in _ACTIONS))


def _ends(title: str, asked: Sequence[Json]) -> list[tuple[str, ...]]:
    """Give the segments with the largest and the smallest effects, of those with enough units."""
    told = [each for each in asked if each["status"]["recommendation"]["reason"] != "TooFewUnits"]
    ordered = sorted(told, key=lambda each: float(each["status"]["effect"]["estimate"]), reverse=True)
    shown = ordered[:_SHOWN] + ordered[max(_SHOWN, len(ordered) - _SHOWN) :]
    return [_row(title if place == 0 else "", each) for place, each in enumerate(shown)]


def _row(title: str, simulation: Json) -> tuple[str, ...]:
    effect = simulation["status"]["effect"]
    return (
        title,
        simulation["metadata"]["annotations"]["segment"],
        points(effect["estimate"]),
        interval(effect["low"], effect["high"]),
        simulation["status"]["recommendation"]["action"],
    )
