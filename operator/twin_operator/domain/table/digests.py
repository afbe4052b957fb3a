"""Sixty-four-bit content hashes of rows, the same on every machine and for every order of rows and columns.

They decide which rows are held out, which fold a row falls into, and how many rows of a table are new; they protect
nothing.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np

from twin_operator.domain.table.arrays import Floats, Hashes, Integers

# The finaliser of SplitMix64 (Steele, Lea and Flood 2014): each input bit changes about half of the output bits.
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
# 2**64 divided by the golden ratio, odd: consecutive counts are spread over the whole range before mixing.
_STRIDE = np.uint64(0x9E3779B97F4A7C15)


def mixed(values: Hashes) -> Hashes:
    """(n,) hashes of (n,) hashes."""
    first = (values ^ (values >> _SHIFTS[0])) * _FACTORS[0]
    second = (first ^ (first >> _SHIFTS[1])) * _FACTORS[1]
    return second ^ (second >> _SHIFTS[2])


def reseeded(values: Hashes, seed: int) -> Hashes:
    """(n,) hashes that are as good as independent of those of another seed."""
    return mixed(values ^ mixed(np.full(1, seed, dtype=np.int64).view(np.uint64) + _STRIDE))


def numbered(values: Hashes, occurrence: Hashes) -> Hashes:
    """(n,) hashes that distinguish equal rows by their (n,) running number."""
    return mixed(values + occurrence * _STRIDE)


def label_hashes(levels: Sequence[str]) -> Hashes:
    """(levels,) hashes of texts."""
    digests = [int.from_bytes(blake2b(level.encode(), digest_size=8).digest(), "little") for level in levels]
    return np.array(digests, dtype=np.uint64)


def coded_hashes(codes: Integers, levels: Sequence[str]) -> Hashes:
    """(n,) hashes of the labels behind (n,) codes; a missing label (-1) has a hash of its own."""
    return np.append(label_hashes(levels), _STRIDE)[codes]


def number_hashes(values: Floats) -> Hashes:
    """(n,) hashes of (n,) numbers: -0 equals 0 and every NaN equals every other."""
    plain = np.where(np.isnan(values), np.nan, np.where(values == 0, 0.0, values))
    return mixed(plain.view(np.uint64) + _STRIDE)


def salted_sum(parts: Iterable[tuple[str, Hashes]]) -> Hashes:
    """(n,) sums over columns of (name, (n,) hashes), whatever their order; `mixed` makes hashes of rows of them.

    Sums of disjoint sets of columns add up. One column at a time: a million rows of thirty columns would fill 240 MB.
    """
    total: Hashes = np.zeros(1, dtype=np.uint64)
    for name, values in parts:
        total = total + mixed(values ^ label_hashes([name]))
    return total


def new_rows(new: Hashes, known: Hashes) -> int:
    """Rows of the (n,) content hashes `new` beyond those in the (m,) hashes `known`.

    Equal rows count as often as they occur: a second unit like the first is a unit of its own. Sorting takes
    O((n + m) log(n + m)) time and a few arrays of their size.
    """
    content, occurrences = np.unique(new, return_counts=True)
    ordered = np.sort(known)
    trained = np.searchsorted(ordered, content, side="right") - np.searchsorted(ordered, content, side="left")
    return int(np.maximum(occurrences - trained, 0).sum())
