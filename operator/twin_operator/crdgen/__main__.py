"""Command: write the CRDs into the repository, or check that they are what the models say."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from twin_operator.api.v1alpha1 import GROUP
from twin_operator.crdgen.definition import generate

FOLDERS: Final = (Path("crds"), Path("charts/twin-operator/crds"))
"""For users who apply them by hand, and for Helm."""


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


def write(root: Path, texts: Mapping[str, str]) -> None:
    """Put the texts into every folder under the repository's root, and take away CRDs of kinds that are gone."""
    for folder in (root / path for path in FOLDERS):
        folder.mkdir(parents=True, exist_ok=True)
        for stale in _stale(folder, texts):
            stale.unlink()
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")


def differing(root: Path, texts: Mapping[str, str]) -> list[Path]:
    """List the files, relative to the root, that are missing, different or of kinds that are gone."""
    expected = {folder / name: text for folder in FOLDERS for name, text in texts.items()}
    changed = [path for path, text in expected.items() if _read(root / path) != text]
    stale = [path.relative_to(root) for folder in FOLDERS for path in _stale(root / folder, texts)]
    return sorted(changed + stale)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _stale(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    return [path for path in folder.glob(f"{GROUP}_*.yaml") if path.name not in texts]


if __name__ == "__main__":
    sys.exit(main())
