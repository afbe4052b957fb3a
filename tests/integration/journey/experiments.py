"""Experiments with known effects, as rows of a file and as outcomes of Simulations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

UNITS = 600  # of one experiment: enough for an effect of 15 points to be seen, few enough to train in a second
COLUMNS = "age,region,wave,arm,reply"


def rows(names: Iterable[str], effect: float, seed: int = 1, *, curved: bool = False) -> list[str]:
    """Return the lines of some experiments in which a letter has an effect on the probability of a reply.

    `curved`: the young and the old reply, those between do not, which no straight line describes.
    """
    rng = np.random.default_rng(seed)
    lines = []
    for name in names:
        age = rng.integers(18, 90, UNITS)
        region = rng.choice(["North", "South", "East"], UNITS)
        letter = rng.random(UNITS) < 0.5
        usual = np.where(np.abs(age - 54) > 18, 0.7, 0.05) if curved else 0.4 + 0.002 * (age - 50)
        reply = rng.random(UNITS) < usual + effect * letter
        lines += [
            f"{a},{r},{name},{'Letter' if t else 'Nothing'},{int(y)}"
            for a, r, t, y in zip(age, region, letter, reply, strict=True)
        ]
    return lines


def write(path: Path, lines: Iterable[str]) -> None:
    """Put a file in place at once, so that nobody reads half of it."""
    scratch = path.with_suffix(".part")
    scratch.write_text("\n".join([COLUMNS, *lines, ""]))
    scratch.replace(path)


def waves(count: int, prefix: str = "wave") -> list[str]:
    """Return names of experiments."""
    return [f"{prefix}-{number}" for number in range(count)]


def spec(uri: str, **changes: Any) -> dict[str, Any]:
    """Return the spec of a TwinModel of such a file."""
    columns = {
        "features": [{"name": "age", "type": "Numeric"}, {"name": "region", "type": "Categorical"}],
        "treatment": {"name": "arm", "control": "Nothing"},
        "outcome": {"name": "reply", "type": "Binary", "better": "Higher"},
        "experiment": "wave",
    }
    return {"data": {"uri": uri}, "columns": columns, "learner": {"algorithm": "Linear"}, **changes}
