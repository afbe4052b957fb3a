"""Durations of the slow tests, by file: recorded by a run of them all, and checked by `make lint`.

The sum of the recorded seconds has to stay below the tier's budget, and every file of the tier has to be recorded.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent
FILE: Final = TESTS / "durations.json"
BUDGET_SECONDS: Final = 43 * 60  # `make test-slow` may take 45 minutes; two of them are for starting and building
SLOW_FOLDERS: Final = ("slow", "upgrade")
_MARKER: Final = re.compile(r"^\s*(@|pytestmark = .*)pytest\.mark\.slow\b", re.MULTILINE)


def slow_files(tests: Path) -> set[str]:
    """Return the test files of the slow tier, relative to the folder of the tests.

    A file belongs to the tier by its folder, or by the marker `slow` of the module or of a test in it.
    """
    files = {file: file.relative_to(tests) for file in tests.rglob("test_*.py")}
    return {
        path.as_posix()
        for file, path in files.items()
        if path.parts[0] in SLOW_FOLDERS or _MARKER.search(file.read_text())
    }


def by_file(reports: Iterable[tuple[str, float]]) -> dict[str, int]:
    """Add up seconds of tests, given by node id, for each file."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for node, duration in reports:
        seconds[node.partition("::")[0].removeprefix("tests/")] += duration
    return {file: round(total) for file, total in sorted(seconds.items())}


def record(seconds: Mapping[str, int], file: Path = FILE) -> None:
    """Write durations, keeping those of files that this run did not include and that still exist."""
    recorded = json.loads(file.read_text()) if file.exists() else {}
    kept = {name: duration for name, duration in recorded.items() if (file.parent / name).exists()}
    file.write_text(json.dumps({**kept, **seconds}, indent=2, sort_keys=True) + "\n")


def faults(recorded: Mapping[str, int], files: set[str], budget: int = BUDGET_SECONDS) -> list[str]:
    """Return what is wrong with the recorded durations, a sentence each."""
    total = sum(recorded.values())
    return [
        *(f"{name} is slow and not recorded: run make test-slow RECORD=1" for name in sorted(files - recorded.keys())),
        *(f"{name} is recorded, but is no slow test file any more" for name in sorted(recorded.keys() - files)),
        *([f"slow tests take {total} s of {budget} s: move some to nightly"] if total > budget else []),
    ]


def main() -> int:
    """Check the recorded durations."""
    found = faults(json.loads(FILE.read_text()), slow_files(TESTS))
    for each in found:
        sys.stderr.write(f"{FILE.name}: {each}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
