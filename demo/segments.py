"""Which e-mail for which customers? One Simulation for each segment and comparison: `python -m demo.segments`.

A segment is everybody, a level of one feature, or levels of two features together. Here is which there are, and their
manifests, made from the one in examples/burst.
"""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import yaml

from demo.campaigns import ORIGINAL
from demo.difference import Clause, Rows, read_rows, select
from demo.output import PROJECT

COMPARISONS = (("Mens E-Mail", "No E-Mail"), ("Womens E-Mail", "No E-Mail"), ("Mens E-Mail", "Womens E-Mail"))
"""An e-mail, and the arm that it is compared with."""
_TEMPLATE = PROJECT / "examples" / "burst" / "simulation.yaml"


@dataclass(frozen=True)
class Segment:
    """Customers that a question is about; no clauses: everybody."""

    name: str
    where: tuple[Clause, ...] = ()

    def __and__(self, other: Segment) -> Segment:
        return Segment(f"{self.name}, {other.name}", (*self.where, *other.where))


def _between(name: str, **limits: tuple[int, int]) -> Segment:
    clauses: list[Clause] = []
    for feature, (low, high) in limits.items():
        clauses.append({"feature": feature, "operator": "GreaterThanOrEqual", "values": [str(low)]})
        clauses.append({"feature": feature, "operator": "LessThanOrEqual", "values": [str(high)]})
    return Segment(name, tuple(clauses))


def _levels(rows: Rows, feature: str) -> list[Segment]:
    levels = sorted(set(rows[feature]))
    return [Segment(level, ({"feature": feature, "operator": "In", "values": [level]},)) for level in levels]


# Levels of numeric features. Every customer has bought one kind of goods at least: the two columns are one feature.
_NUMERIC = (
    [
        _between("bought within 2 months", recency=(1, 2)),
        _between("within 3 to 5", recency=(3, 5)),
        _between("within 6 to 9", recency=(6, 9)),
        _between("10 months ago or more", recency=(10, 12)),
    ],
    [
        _between("men's goods only", mens=(1, 1), womens=(0, 0)),
        _between("women's goods only", mens=(0, 0), womens=(1, 1)),
        _between("goods of both kinds", mens=(1, 1), womens=(1, 1)),
    ],
    [_between("new", newbie=(1, 1)), _between("not new", newbie=(0, 0))],
)
_CATEGORICAL = ("zip_code", "channel", "history_segment")


def segments() -> list[Segment]:
    """Give all segments that have customers: a question about an empty population fails (EmptyPopulation)."""
    rows = read_rows(ORIGINAL)
    features = [*_NUMERIC, *(_levels(rows, feature) for feature in _CATEGORICAL)]
    levels = [level for feature in features for level in feature]
    chosen = {level.name: select(rows, level.where) for level in levels}
    pairs = [pair for both in combinations(features, 2) for pair in product(*both)]
    filled = [one & other for one, other in pairs if (chosen[one.name] & chosen[other.name]).any()]
    return [Segment("everybody"), *levels, *filled]


def questions() -> list[dict[str, Any]]:
    """Give the manifests: every comparison in every segment."""
    template = yaml.safe_load(_TEMPLATE.read_text())
    return [_question(template, segment, *each) for segment in segments() for each in COMPARISONS]


def _question(template: dict[str, Any], segment: Segment, arm: str, against: str) -> dict[str, Any]:
    manifest = copy.deepcopy(template)
    manifest["spec"]["intervention"] = {"arm": arm, "against": against}
    manifest["spec"]["population"] = {"where": list(segment.where)} if segment.where else {}
    manifest["metadata"]["annotations"] = {"segment": segment.name}
    return manifest


def manifests() -> str:
    """Render all of them as one list, for `kubectl create -f -`."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": questions()})


if __name__ == "__main__":
    sys.stdout.write(manifests() + "\n")
