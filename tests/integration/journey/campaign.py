"""A small randomised experiment whose effect is known, and specs about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

ROWS = 3000
EFFECT = 0.15  # of the letter on the probability of a reply


def write_campaign(path: Path, seed: int = 1) -> None:
    """Write a randomised experiment: 3,000 people, a letter, a reply."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, ROWS)
    region = rng.choice(["North", "South", "East"], ROWS)
    letter = rng.random(ROWS) < 0.5
    reply = rng.random(ROWS) < 0.2 + 0.002 * (age - 50) + EFFECT * letter
    lines = [
        f"{a},{r},{'Letter' if t else 'Nothing'},{int(y)}"
        for a, r, t, y in zip(age, region, letter, reply, strict=True)
    ]
    path.write_text("\n".join(["age,region,arm,reply", *lines, ""]))


def model_spec(uri: str, **changes: Any) -> dict[str, Any]:
    """Return the spec of a TwinModel of the campaign."""
    columns = {
        "features": [{"name": "age", "type": "Numeric"}, {"name": "region", "type": "Categorical"}],
        "treatment": {"name": "arm", "control": "Nothing"},
        "outcome": {"name": "reply", "type": "Binary", "better": "Higher"},
    }
    return {"data": {"uri": uri}, "columns": columns, "learner": {"algorithm": "Linear"}, **changes}


def question(model: str = "letters", arm: str = "Letter", **changes: Any) -> dict[str, Any]:
    """Return the spec of a Simulation."""
    return {"modelRef": {"name": model}, "intervention": {"arm": arm}, **changes}
