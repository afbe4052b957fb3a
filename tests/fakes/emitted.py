"""What the operator writes into statuses in the unit tests: fields, phases, condition types and their reasons.

Each process of a run keeps its own part in a folder; `python -m tests.emitted` compares all of them with the schema.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from twin_operator.services.runs.run import JSON


@dataclass
class Emitted:
    """What was written by one process.

    Attributes:
        fields: kinds and paths of fields, as `Simulation status.effect.low`.
        phases: kinds and phases.
        conditions: condition types.
        reasons: reasons of conditions.
    """

    fields: set[str] = field(default_factory=set)
    phases: set[str] = field(default_factory=set)
    conditions: set[str] = field(default_factory=set)
    reasons: set[str] = field(default_factory=set)

    def status(self, kind: str, status: JSON) -> None:
        """Take a status, or a patch of one, that was written."""
        self.fields |= {f"{kind} {path}" for path in paths(status, "status")}
        if "phase" in status:
            self.phases.add(f"{kind} {status['phase']}")
        for condition in status.get("conditions") or ():
            if DOMAIN in condition["type"]:
                continue  # of others: the operator keeps it
            self.conditions.add(condition["type"])
            self.reasons.add(condition["reason"])

    def save(self, folder: Path) -> None:
        """Write it into a folder, for the process that compares."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {name: sorted(values) for name, values in vars(self).items()}
        (folder / f"{os.getpid()}.json").write_text(json.dumps(content))

    @classmethod
    def load(cls, folder: Path) -> "Emitted":
        """Read what all processes wrote."""
        together = cls()
        for file in folder.glob("*.json"):
            for name, values in json.loads(file.read_text()).items():
                getattr(together, name).update(values)
        return together


def paths(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of all that is in a JSON value; items of a list share the list's path."""
    if value is None:
        return
    yield path
    if isinstance(value, dict):
        for name, item in value.items():
            yield from paths(item, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield from (each for each in paths(item, path) if each != path)


DOMAIN: Final = "/"  # before it stands whose condition it is; the operator's own types have none
EMITTED: Final = Emitted()
"""Of this process."""
