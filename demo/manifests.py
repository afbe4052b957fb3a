"""The manifests of examples/, read for what the demo compares and prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from demo.platform import PROJECT

EXAMPLES = PROJECT / "examples"
FOLDER = EXAMPLES / "hillstrom"
_SIGNS = {
    "In": "in",
    "NotIn": "not in",
    "LessThan": "<",
    "LessThanOrEqual": "<=",
    "GreaterThan": ">",
    "GreaterThanOrEqual": ">=",
}


@dataclass(frozen=True)
class Model:
    """Which columns the twin was learned from."""

    treatment: str
    control: str
    outcome: str

    @classmethod
    def of(cls, manifest: dict[str, Any]) -> Self:
        """Read a TwinModel."""
        columns = manifest["spec"]["columns"]
        return cls(columns["treatment"]["name"], columns["treatment"]["control"], columns["outcome"]["name"])


@dataclass(frozen=True)
class Clause:
    """A condition that a row has to meet."""

    feature: str
    operator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.feature} {_SIGNS[self.operator]} {', '.join(self.values)}"


@dataclass(frozen=True)
class Question:
    """What a Simulation asks."""

    name: str
    arm: str
    where: tuple[Clause, ...]

    @classmethod
    def of(cls, manifest: dict[str, Any]) -> Self:
        """Read a Simulation."""
        spec = manifest["spec"]
        where = spec.get("population", {}).get("where", [])
        clauses = tuple(Clause(each["feature"], each["operator"], tuple(each["values"])) for each in where)
        return cls(manifest["metadata"]["name"], spec["intervention"]["arm"], clauses)

    def __str__(self) -> str:
        to = "where " + " and ".join(map(str, self.where)) if self.where else "to everyone"
        return f"{self.arm}, {to}"


def model_of(file: Path) -> Model:
    """Read the twin of a file."""
    return Model.of(yaml.safe_load(file.read_text()))


def questions_of(file: Path) -> list[Question]:
    """Read the Simulations of a file, in its order."""
    return [Question.of(each) for each in yaml.safe_load_all(file.read_text())]


def load() -> tuple[Model, list[Question]]:
    """Read the twin and the questions of examples/hillstrom."""
    return model_of(FOLDER / "twinmodel.yaml"), questions_of(FOLDER / "simulations.yaml")


def names_of(folder: str, file: str) -> list[str]:
    """Read the names of the objects of a file in a folder of examples/, in its order."""
    return [each["metadata"]["name"] for each in yaml.safe_load_all((EXAMPLES / folder / file).read_text())]
