"""Command: write the CRDs into the repository, or check that they are what the models say."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from twin_operator.crdgen.files import FOLDERS, differing, generate, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 when a check finds differing files."""
    parser = argparse.ArgumentParser(prog="python -m twin_operator.crdgen", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; name the files that differ and exit with 1"
    )
    parser.add_argument(
        "--root", type=Path, default=Path(), help="root of the repository, by default the current folder"
    )
    options = parser.parse_args(arguments)
    if options.check:
        return _check(options.root)
    write(options.root, generate())
    sys.stdout.write("".join(f"wrote {folder}/\n" for folder in FOLDERS))
    return 0


def _check(root: Path) -> int:
    paths = differing(root, generate())
    sys.stderr.write("".join(f"{path} is not what the models say: run make generate\n" for path in paths))
    return 1 if paths else 0


if __name__ == "__main__":
    sys.exit(main())
