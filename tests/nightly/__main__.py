"""`make nightly PART=...`: what takes longer than a tier may, in parts of at most an hour.

A part is a list of steps, each a command. A step that passed is not run again until a file that it depends on
changes, so a part that was interrupted, or that ran out of its hour, goes on where it stopped when it is started again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.nightly.parts import PARTS, ROOT
from tests.nightly.steps import Record, run

RESULTS = ROOT / ".run" / "nightly"
BUDGET_MINUTES = 60.0  # of one start of a part: the next start goes on


def main() -> int:
    """Run what is left of a part, and print its results."""
    parser = argparse.ArgumentParser(prog="make nightly PART=")
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--minutes", type=float, default=BUDGET_MINUTES, help="Minutes after which no step is started.")
    options = parser.parse_args()
    record = Record(RESULTS / f"{options.part}.json")
    report = run(PARTS[options.part](), record, ROOT, 60 * options.minutes)
    sys.stdout.write(f"\n{report.table()}\nKept in {Path(record.file).relative_to(ROOT)}\n")
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
