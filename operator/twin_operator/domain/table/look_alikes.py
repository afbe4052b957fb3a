"""Labels that a reader takes for the same and the program for different ones. Nothing is merged or renamed here."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Zero-width space, non-joiner and joiner, word joiner, byte-order mark, soft hyphen: no font shows them.
_INVISIBLE: Final = re.compile("[\u200b-\u200d\u2060\ufeff\u00ad]")
# A whole number that went through a column of floats, as happens where the column has a gap.
_WHOLE: Final = re.compile(r"([+-]?[0-9]+)\.0+")
# Of the spelling of a label: some of what both share, and then where they differ.
_SHOWN_BEFORE: Final = 20
_SHOWN_AFTER: Final = 20


@dataclass(frozen=True)
class LookAlikes:
    """How many `pairs` of labels resemble each other, and the first that was found."""

    pairs: int
    first: tuple[str, str]


def look_alikes(labels: Sequence[str]) -> LookAlikes | None:
    """Return which of some distinct labels resemble each other, in time and memory that are linear in them.

    Alike are labels that are equal without invisible characters, after case folding and canonical decomposition
    (Unicode Standard, sections 3.13 and 3.11), and whole numbers with and without `.0`.
    """
    seen: Counter[str] = Counter()
    pairs, second = 0, ""
    for label in labels:
        appearance = _appearance(label)
        second = label if seen[appearance] and not pairs else second
        pairs += seen[appearance]
        seen[appearance] += 1
    if not pairs:
        return None
    first = next(label for label in labels if _appearance(label) == _appearance(second))
    return LookAlikes(pairs, (first, second))


def spelled_apart(one: str, other: str) -> tuple[str, str]:
    """Return two labels in ASCII and quotes, with an escape for any other character, cut to where they differ."""
    texts = [label.encode("unicode_escape").decode("ascii") for label in (one, other)]
    shared = next((at for at, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    first, second = (_window(text, shared) for text in texts)
    return first, second


def _window(text: str, shared: int) -> str:
    start, end = max(0, shared - _SHOWN_BEFORE), shared + _SHOWN_AFTER
    return f'"{"..." if start else ""}{text[start:end]}{"..." if end < len(text) else ""}"'


def _appearance(label: str) -> str:
    visible = label if label.isascii() else _INVISIBLE.sub("", label).strip()
    whole = _WHOLE.fullmatch(visible)
    folded = whole[1] if whole else visible.casefold()
    return folded if folded.isascii() else unicodedata.normalize("NFD", folded)
