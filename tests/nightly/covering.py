"""Which unit tests run which lines: measured once for a state of the code, and kept."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from coverage import CoverageData

from tests.nightly.mutants import Mutant

FOLDERS: Final = ("api", "contracts", "domain", "fakes", "services", "worker")
UNIT_TESTS: Final = (*(f"tests/unit/{folder}" for folder in FOLDERS), "-m", "not learner and not slow")
"""Arguments of pytest for the tests of `make unit`."""
PACKAGES: Final = ("twin_operator.services", "twin_operator.worker")
SIDE_BY_SIDE: Final = ("-n", "2", "--dist", "loadfile")  # groups would be part of the node ids
SAME_ORDER: Final = ("--randomly-seed=1",)  # xdist refuses processes that collected tests in different orders
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+::.*?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Covering:
    """The tests of each line.

    Attributes:
        lines: node ids by module and line; line 0 has all of a module.
        failing: tests that fail without any mutant, which can judge none.
        weight: lines that each test runs; those that run few are about what they run.
    """

    lines: dict[str, dict[str, list[str]]]
    failing: list[str]
    weight: dict[str, int]

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Return the tests that run the changed code, the most specific first.

        A statement that runs at import, such as a default of a class, counts for all tests of its module.
        """
        lines = self.lines.get(mutant.module, {})
        numbers = {str(number) for number in range(mutant.start[0], mutant.end[0] + 1)} | {str(mutant.statement)}
        found = {test for number in numbers for test in lines.get(number, ())}
        at_import = found == {""}
        found = set(lines.get("0", ())) if at_import else found - {""}
        return sorted(found - set(self.failing), key=lambda test: (self.weight[test], test))


def covering(tree: Path, file: Path) -> Covering:
    """Return what `file` keeps, or measure it in `tree` and keep it."""
    if not file.exists():
        file.write_text(json.dumps(asdict(_measured(tree, file.with_suffix(".coverage")))))
    return Covering(**json.loads(file.read_text()))


def _measured(tree: Path, data: Path) -> Covering:
    options = [*UNIT_TESTS, *SIDE_BY_SIDE, *SAME_ORDER, "-q", "-p", "no:cacheprovider", "-rfE"]
    measure = [*(f"--cov={package}" for package in PACKAGES), "--cov-context=test", "--cov-report="]
    command = [sys.executable, "-m", "pytest", *options, *measure]
    environment = {**os.environ, "COVERAGE_FILE": str(data), "PYTHONPATH": f"{tree / 'operator'}:{tree}"}
    run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    output = f"{run.stdout[-2000:]}{run.stderr[-2000:]}"
    if not data.exists():
        raise RuntimeError(f"Coverage could not be measured:\n{output}")
    found = read_coverage(data, tree, _FAILED.findall(run.stdout))
    if not found.weight.keys() - {""}:
        raise RuntimeError(f"No unit test was run:\n{output}")
    return found


def read_coverage(data: Path, tree: Path, failing: Sequence[str]) -> Covering:
    """Return the tests of each line from a file of coverage.py with contexts of tests."""
    coverage = CoverageData(str(data))
    coverage.read()
    lines: dict[str, dict[str, list[str]]] = {}
    weight: Counter[str] = Counter()
    for measured in coverage.measured_files():
        found: defaultdict[str, set[str]] = defaultdict(set)
        for line, contexts in coverage.contexts_by_lineno(measured).items():
            tests = {context.rpartition("|")[0] for context in contexts}
            found[str(line)] |= tests
            found["0"] |= tests - {""}
            weight.update(tests)
        lines[Path(measured).relative_to(tree).as_posix()] = {line: sorted(tests) for line, tests in found.items()}
    return Covering(lines, list(failing), dict(weight))
