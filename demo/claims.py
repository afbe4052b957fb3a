"""What the demo promises, next to what it found: one line each, and whether the promise was kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from demo.tables import aligned


@dataclass(frozen=True)
class Claim:
    """A promise about the demo.

    Attributes:
        about: what it is about.
        expected: what was promised.
        found: what came out.
        kept: whether that is the same.
    """

    about: str
    expected: str
    found: str
    kept: bool

    @classmethod
    def of(cls, about: str, expected: str, found: object) -> Claim:
        """Promise exactly this; None where nothing was found."""
        text = "nothing" if found is None else str(found)
        return cls(about, expected, text, kept=text == expected)


def render(claims: Iterable[Claim]) -> str:
    """Render a table of all claims; what was not kept stands out."""
    rows = [("KEPT" if each.kept else "BROKEN", each.about, each.expected, each.found) for each in claims]
    return aligned([("", "CLAIM", "EXPECTED", "FOUND"), *rows])
