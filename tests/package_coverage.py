"""A table of line coverage by package of twin_operator, from what a run with `COVERAGE=1` measured."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final, NamedTuple

from coverage import Coverage

PACKAGE: Final = "twin_operator"


class Lines(NamedTuple):
    """How many lines with statements there are, and how many of them were executed."""

    statements: int
    executed: int


def measured(coverage: Coverage) -> dict[str, Lines]:
    """Return the lines of each measured file, by its path."""
    lines = {}
    for file in coverage.get_data().measured_files():
        _, statements, _, missing, _ = coverage.analysis2(file)
        lines[file] = Lines(len(statements), len(statements) - len(missing))
    return lines


def by_package(files: Mapping[str, Lines]) -> dict[str, Lines]:
    """Add up files for each package directly below twin_operator; a module there counts as a package."""
    totals: defaultdict[str, Lines] = defaultdict(lambda: Lines(0, 0))
    for file, lines in files.items():
        parts = PurePath(file).with_suffix("").parts
        name = parts[parts.index(PACKAGE) + 1]
        totals[name] = Lines(totals[name].statements + lines.statements, totals[name].executed + lines.executed)
    return {name: totals[name] for name in sorted(totals) if totals[name].statements}


def table(packages: Mapping[str, Lines]) -> str:
    """Return a line for each package, and one for all."""
    total = Lines(sum(each.statements for each in packages.values()), sum(each.executed for each in packages.values()))
    rows = [*packages.items(), ("all", total)]
    return "\n".join(
        f"{name:<12}{lines.statements:>8} lines{100 * lines.executed / max(1, lines.statements):>7.1f} %"
        for name, lines in rows
    )


def main() -> None:
    """Print the table."""
    coverage = Coverage()
    coverage.load()
    sys.stdout.write(f"Line coverage by package\n{table(by_package(measured(coverage)))}\n")


if __name__ == "__main__":
    main()
