"""The names of a file's columns against those that are asked for."""

from collections.abc import Sequence
from difflib import get_close_matches

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import Source


def check_names(names: Sequence[str], source: Source) -> None:
    """Refuse a file that lacks a column that is asked for, or has two of its name; others may be repeated.

    The names are not listed: the first row of a CSV without a header is one of data.

    Raises:
        Stalled: `DataInvalid`.
    """
    for name in source.columns:
        if name not in names:
            raise Stalled(Reason.DATA_INVALID, f"{source.uri} has no column {name}{_hint(name, names)}.")
        if names.count(name) > 1:
            raise Stalled(Reason.DATA_INVALID, f"{source.uri} has more than one column {name}; rename the others.")


def _hint(name: str, names: Sequence[str]) -> str:
    by_folded = {each.strip().casefold(): each for each in names}
    similar = get_close_matches(name.strip().casefold(), by_folded, n=1, cutoff=0.75)
    if similar:
        return f', but one named "{by_folded[similar[0]]}"'
    return f" among its {len(names)} columns; a CSV names them in its first row"
