"""How many rows a table has that a model was not trained on, counted by content. Nothing about what to do then."""

import numpy as np

from twin_operator.domain.table.arrays import Hashes


def new_rows(new: Hashes, known: Hashes) -> int:
    """Rows of the (n,) content hashes `new` beyond those in the (m,) hashes `known`.

    Equal rows count as often as they occur: a second unit like the first is a unit of its own. Sorting takes
    O((n + m) log(n + m)) time and a few arrays of their size.
    """
    content, occurrences = np.unique(new, return_counts=True)
    ordered = np.sort(known)
    trained = np.searchsorted(ordered, content, side="right") - np.searchsorted(ordered, content, side="left")
    return int(np.maximum(occurrences - trained, 0).sum())
