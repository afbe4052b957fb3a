"""Who should get which e-mail? One Simulation for each segment and comparison: `python -m demo.segments`.

A segment is everybody, a level of one feature, or levels of two features together. Here is which there are, and their
manifests, made from the one in examples/burst.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import yaml

from demo.manifests import EXAMPLES, Clause
from demo.telling import show

FOLDER = EXAMPLES / "burst"


@dataclass(frozen=True)
class Segment:
    """Customers that are asked about together; no clauses: everybody."""

    name: str
    clauses: tuple[Clause, ...] = ()

    def __and__(self, other: Segment) -> Segment:
        """Those who are in both."""
        return Segment(f"{self.name}, {other.name}", (*self.clauses, *other.clauses))


@dataclass(frozen=True)
class Comparison:
    """An e-mail, and what it is compared with."""

    arm: str
    against: str

    def __str__(self) -> str:
        return f"{self.arm} instead of {self.against}"


EVERYBODY = Segment("everybody")
COMPARISONS = (
    Comparison("Mens E-Mail", "No E-Mail"),
    Comparison("Womens E-Mail", "No E-Mail"),
    Comparison("Mens E-Mail", "Womens E-Mail"),
)


def _bought(mens: int, womens: int) -> tuple[Clause, ...]:
    return _between("mens", mens, mens) + _between("womens", womens, womens)


def _between(feature: str, low: int, high: int) -> tuple[Clause, ...]:
    return (Clause(feature, "GreaterThanOrEqual", (str(low),)), Clause(feature, "LessThanOrEqual", (str(high),)))


def _one_of(feature: str, *levels: str) -> tuple[Segment, ...]:
    return tuple(Segment(level, (Clause(feature, "In", (level,)),)) for level in levels)


# Levels by feature. Nobody has bought neither kind of goods, so the two columns about that count as one feature.
_FEATURES = (
    (
        Segment("bought within 2 months", _between("recency", 1, 2)),
        Segment("within 3 to 5", _between("recency", 3, 5)),
        Segment("within 6 to 9", _between("recency", 6, 9)),
        Segment("10 months ago or more", _between("recency", 10, 12)),
    ),
    (
        Segment("men's goods only", _bought(1, 0)),
        Segment("women's goods only", _bought(0, 1)),
        Segment("goods of both kinds", _bought(1, 1)),
    ),
    (Segment("new", _between("newbie", 1, 1)), Segment("not new", _between("newbie", 0, 0))),
    _one_of("zip_code", "Urban", "Surburban", "Rural"),
    _one_of("channel", "Web", "Phone", "Multichannel"),
    tuple(
        Segment(level[3:], (Clause("history_segment", "In", (level,)),))
        for level in (
            "1) $0 - $100",
            "2) $100 - $200",
            "3) $200 - $350",
            "4) $350 - $500",
            "5) $500 - $750",
            "6) $750 - $1,000",
            "7) $1,000 +",
        )
    ),
)

# Pairs without customers: a question about nobody fails (EmptyPopulation).
_NOBODY = frozenset(
    {
        "Multichannel, $0 - $100",
        "Multichannel, $100 - $200",
        "goods of both kinds, $0 - $100",
        "goods of both kinds, $100 - $200",
        "not new, $500 - $750",
        "not new, $750 - $1,000",
        "not new, $1,000 +",
    }
)


def segments() -> list[Segment]:
    """Give all segments: everybody, levels, and pairs of levels of different features; each has customers."""
    levels = [level for feature in _FEATURES for level in feature]
    pairs = [one & other for feature, another in combinations(_FEATURES, 2) for one, other in product(feature, another)]
    return [EVERYBODY, *levels, *(pair for pair in pairs if pair.name not in _NOBODY)]


def questions() -> list[dict[str, Any]]:
    """Give the manifests: every comparison in every segment."""
    template = yaml.safe_load((FOLDER / "simulation.yaml").read_text())
    return [_question(template, segment, each) for segment in segments() for each in COMPARISONS]


def _question(template: Mapping[str, Any], segment: Segment, comparison: Comparison) -> dict[str, Any]:
    manifest: dict[str, Any] = copy.deepcopy(dict(template))
    manifest["spec"]["intervention"] = {"arm": comparison.arm, "against": comparison.against}
    manifest["spec"]["population"] = {"where": [_clause(each) for each in segment.clauses]} if segment.clauses else {}
    manifest["metadata"]["annotations"] = {"segment": segment.name}
    return manifest


def _clause(clause: Clause) -> dict[str, Any]:
    return {"feature": clause.feature, "operator": clause.operator, "values": list(clause.values)}


def manifests() -> str:
    """Render all of them as one list, for `kubectl create -f -`."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": questions()})


if __name__ == "__main__":
    show(manifests())
