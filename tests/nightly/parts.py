"""The parts of `make nightly`, and the steps of each."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.nightly.steps import Step

ROOT: Final = Path(__file__).parents[2]
PRODUCT: Final = ("operator", "charts", "crds", "requirements.lock", "pyproject.toml")
PYTEST: Final = (sys.executable, "-m", "pytest", "-q", "--durations=10")
CHAOS_SEEDS: Final = (1, 2, 3)  # orders and moments of kills: each is another interleaving
CHAOS_MARKER: Final = "chaos"
_PROPERTY: Final = re.compile(r"^from hypothesis|^import hypothesis", re.MULTILINE)


def soak() -> list[Step]:
    """Ten minutes of changing load, killed workers and a killed broker."""
    return [Step("soak", [*PYTEST, "-s", "tests/nightly/test_soak.py"], [*PRODUCT, "tests", "devcluster"])]


def chaos() -> list[Step]:
    """Repeat each file of tests that kill processes, with several seeds."""
    files = [file for file in _files(ROOT / "tests") if f"mark.{CHAOS_MARKER}" in file.read_text()]
    return [
        Step(
            f"{_name(file)} seed {seed}",
            [*PYTEST, "-m", CHAOS_MARKER, f"--randomly-seed={seed}", _name(file)],
            [*PRODUCT, "devcluster", "tests"],
        )
        for seed in CHAOS_SEEDS
        for file in files
    ]


def fuzz() -> list[Step]:
    """Run each file of property tests with many examples; examples that failed are kept and tried first."""
    files = [file for file in _files(ROOT / "tests" / "unit") if _PROPERTY.search(file.read_text())]
    options = ["--hypothesis-profile=nightly", "--timeout=0"]
    return [Step(_name(file), [*PYTEST, *options, _name(file)], [*PRODUCT, _name(file)]) for file in files]


def mutation() -> list[Step]:
    """Break the product at random places; the module keeps the results of the mutants itself."""
    return [Step("mutation", [sys.executable, "-m", "tests.nightly.mutation"], PRODUCT, repeated=True)]


def coverage() -> list[Step]:
    """Measure the coverage by unit and integration tests, and print it by package."""
    measure = ["--cov=twin_operator", "--cov-report=", "-m", "not slow and not nightly and not e2e"]
    commands = {
        "tests": [*PYTEST, *measure, "tests/unit", "tests/integration"],
        "table": [sys.executable, "-m", "tests.package_coverage"],
    }
    return [Step(name, command, [*PRODUCT, "tests"], repeated=True) for name, command in commands.items()]


def docs() -> list[Step]:
    """Run the documented commands on a fresh cluster, and on the one that `make demo KEEP=1` leaves."""
    command = [*PYTEST, "-s", "--timeout=3600", "tests/integration/docs/test_commands.py"]
    on = [*PRODUCT, "README.md", "demo", "devcluster", "docs", "examples", "tests"]
    return [Step("fresh", command, on), Step("demo", [*command, "--on-demo"], on)]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("test_*.py"))


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


PARTS: Final[dict[str, Callable[[], list[Step]]]] = {
    "soak": soak,
    "chaos": chaos,
    "fuzz": fuzz,
    "mutation": mutation,
    "coverage": coverage,
    "docs": docs,
}
